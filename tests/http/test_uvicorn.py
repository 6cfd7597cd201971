"""uvicorn over our own transport: each of its protocols, clients of other libraries, and one that was revoked."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
from types import SimpleNamespace

import pytest
import websockets.asyncio.client
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bothways import PeerAlert
from bothways.http.asgi import RequirePeer, identity
from bothways.http.uvicorn import over, with_caller
from http_callers import context, get, served, server_config, until

pytestmark = pytest.mark.network

PROTOCOLS = [HttpToolsProtocol, H11Protocol]


async def tell(scope, receive, send):
    """Say who calls, as HTTP or over a WebSocket."""
    who = identity(scope)
    reported = {
        "who": None if who is None else who.names.dns,
        "scheme": scope["scheme"],
        "tls": scope["extensions"]["tls"]["tls_version"],
        "length": 0,
    }
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(reported)})
        await receive()
        return
    more = True
    while more:
        message = await receive()
        reported["length"] += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = json.dumps(reported).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_request_of_a_connection_has_the_caller(mutual, protocol):
    with served(tell, http=over(protocol, server_config(mutual, client_auth="request"))) as port:
        asking = http.client.HTTPSConnection(
            "localhost", port, context=context(mutual, mutual.identity("client"))
        )
        for body in (b"", b"x" * 300_000):
            asking.request("POST", "/", body)
            reported = json.loads(asking.getresponse().read())
            assert reported == {
                "who": ["client.example"],
                "scheme": "https",
                "tls": 0x0304,
                "length": len(body),
            }
        asking.close()
        assert json.loads(get(mutual, port, None)[1])["who"] is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_websocket_has_the_caller(mutual, protocol):
    settings = {"http": over(protocol, server_config(mutual)), "ws": with_caller(WebSocketsSansIOProtocol)}
    with served(tell, **settings) as port:
        own = context(mutual, mutual.identity("client"))

        async def asked() -> dict[str, object]:
            # The blocking client reads in a thread what it writes in another, and may wait for that one for ever.
            async with websockets.asyncio.client.connect(f"wss://localhost:{port}/", ssl=own) as stream:
                answer: dict[str, object] = json.loads(await stream.recv())
                return answer

        reported = asyncio.run(asked())
        assert (reported["who"], reported["scheme"]) == (["client.example"], "wss")


def test_a_websocket_that_a_rule_refuses_is_not_opened(mutual):
    app = RequirePeer(tell, dns="other.example")
    settings = {
        "http": over(HttpToolsProtocol, server_config(mutual)),
        "ws": with_caller(WebSocketsSansIOProtocol),
    }
    own = context(mutual, mutual.identity("client"))

    async def opened(port: int) -> None:
        # The blocking client closes a socket that its other thread reads from, and may then wait for that thread.
        async with websockets.asyncio.client.connect(f"wss://localhost:{port}/", ssl=own):
            pass

    with served(app, **settings) as port, pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        asyncio.run(opened(port))


@pytest.mark.parametrize("kind", ["expired", "revoked", "unknown_ca"])
def test_a_client_that_is_refused_reaches_no_application_and_is_logged(mutual, kind, caplog):
    reached = []

    async def app(scope, receive, send):
        reached.append(scope)

    caplog.set_level(logging.INFO, "bothways")
    with served(app, http=over(HttpToolsProtocol, server_config(mutual))) as port:
        assert mutual.client(kind).attempt("localhost", port, request=b"GET / HTTP/1.1\r\n\r\n").refused
        until(lambda: any("failed: the client sent" in each for each in caplog.messages))
    assert reached == []


def test_the_idle_connection_of_a_client_that_is_revoked_ends(mutual):
    """Though nothing is said on it: the list is looked at once a second."""
    mine = mutual.identity("client", dns=["leaving.example"])
    config = server_config(mutual, judge_again="change")
    with (
        served(tell, http=over(HttpToolsProtocol, config)) as port,
        mutual.client(mine).connect("localhost", port) as channel,
    ):
        channel.settimeout(20)
        channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        came = b""
        while b"leaving.example" not in came:
            came += channel.recv(65536)
        mutual.revoke(mine)
        with pytest.raises(PeerAlert, match="certificate_revoked"):
            channel.recv(65536)


def test_incomplete_handshakes_are_ended_for_others(mutual, caplog):
    """So many at once as was said; who makes no progress is ended for who comes."""
    with served(tell, http=over(HttpToolsProtocol, server_config(mutual), handshakes=8)) as port:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
        assert get(mutual, port, mutual.identity("client"))[0] == 200
        until(lambda: any("too many had begun" in each for each in caplog.messages))
        for each in idle:
            each.close()


def test_a_connection_over_other_tls_has_no_caller():
    """No certificate is read from anything but our own handshake."""
    seen = []

    async def app(scope, receive, send):
        seen.append(identity(scope))

    class Plain(asyncio.Protocol):
        app: object = None
        scheme = "http"

    made = with_caller(Plain)()
    made.app = app
    made.connection_made(SimpleNamespace(get_extra_info=lambda name: None))
    scope = {"type": "http", "extensions": {}}
    asyncio.run(made.app(scope, None, None))
    assert (seen, made.scheme) == ([None], "http")
    assert "tls" not in scope["extensions"]
