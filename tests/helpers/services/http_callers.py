"""What tests of frameworks share: peers without a connection, and uvicorn in a thread of the test."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import uvicorn

from bothways import ServerConfig
from bothways.testing import Identity, MutualTLS
from bothways.tls.events import Peer
from bothways.trust import Purpose, Revocation, Trusted, verify


def peer(mutual: MutualTLS, identity: Identity | None = None) -> Peer:
    """A client as a handshake would have proved it."""
    mine = identity or mutual.identity("client")
    verdict = verify(
        mine.credentials.chain, mutual.anchors, purpose=Purpose.CLIENT, name=None, at=datetime.now(UTC)
    )
    assert isinstance(verdict, Trusted)
    return Peer(verdict)


def server_config(mutual: MutualTLS, **settings: Any) -> ServerConfig:
    judging = {"client_anchors": mutual.anchors, "revocation": Revocation(crls=mutual.crls)}
    return ServerConfig(**{"credentials": mutual.identity("server").credentials} | judging | settings)


@contextlib.contextmanager
def served(app: Any, **settings: Any) -> Iterator[int]:
    """uvicorn with an application on a port of loopback; `http` and `ws` as a user would give them."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", proxy_headers=False, lifespan="off", **settings)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until(lambda: server.started)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def context(mutual: MutualTLS, identity: Identity | None) -> ssl.SSLContext:
    """A client's context of the standard library, with an identity or none."""
    made = ssl.create_default_context(cafile=mutual.ca)
    if identity is not None:
        made.load_cert_chain(identity.cert, identity.key)
    return made


def get(
    mutual: MutualTLS, port: int, identity: Identity | None, path: str = "/", **headers: str
) -> tuple[int, bytes]:
    """Ask once, and return status and content."""
    asking = http.client.HTTPSConnection("localhost", port, context=context(mutual, identity), timeout=20)
    try:
        asking.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = asking.getresponse()
        return answer.status, answer.read()
    finally:
        asking.close()


APPLICATION = """
import json, os
from bothways.http.asgi import identity

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                print("over", flush=True)
                return
    who = identity(scope)
    body = json.dumps(%s).encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})

def make():
    return app
"""


def application(told: str) -> str:
    """Return the source of an ASGI application that answers with an expression of `who` calls and `scope`, in JSON."""
    return APPLICATION % told
