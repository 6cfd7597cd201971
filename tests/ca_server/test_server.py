"""The listener of the service and, apart, the operator's."""

from __future__ import annotations

import signal
import socket
import threading
import urllib.error
import urllib.request

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bothways.ca_server import server as source
from bothways.ca_server.server import UvicornServer, configured
from bothways.servers.places import Places

pytestmark = pytest.mark.network


def saying(words: str) -> Starlette:
    async def answer(_request: Request) -> Response:
        return PlainTextResponse(words)

    return Starlette(routes=[Route("/", answer)])


def read(own: socket.socket) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{own.getsockname()[1]}/", timeout=30) as answer:
        return str(answer.read().decode())


def test_the_operators_application_is_answered_on_its_own_address_and_ends_with_the_other() -> None:
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.1", 0)) as apart:
        server = UvicornServer(
            configured(saying("for all"), Places(8)),
            operator=(saying("for the operator"), apart),
            ready=ready.set,
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        try:
            assert ready.wait(30)
            assert read(own) == "for all"
            assert read(apart) == "for the operator"
            with socket.create_connection(apart.getsockname()):  # nobody is waited for at the end
                server.should_exit = True
                thread.join(30)
            with pytest.raises(OSError):
                socket.create_connection(apart.getsockname(), 5)
        finally:
            server.should_exit = True
            thread.join(30)


def test_the_service_runs_until_a_signal_comes() -> None:
    """As `ca serve` runs it."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as own:

        def talk() -> None:
            try:
                heard.append(read(own))
            finally:
                signal.raise_signal(signal.SIGTERM)

        before = signal.signal(signal.SIGTERM, lambda *_: heard.append("ended"))
        try:
            source.serve(saying("for all"), own, ready=lambda: threading.Thread(target=talk).start())
        finally:
            signal.signal(signal.SIGTERM, before)
    assert heard == ["for all", "ended"]
