"""The listener of the service and, apart, the operator's."""

from __future__ import annotations

import asyncio
import errno
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
from starlette.types import Receive, Scope, Send

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
            tell=print,
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


def test_what_the_system_does_not_give_is_reported_once() -> None:
    """asyncio reports each of 4,096 failures to accept in a second with its traceback."""
    ready, told = threading.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(8):
            shortage = OSError(errno.EMFILE, "Too many open files")
            asyncio.get_running_loop().call_exception_handler({"message": "accept", "exception": shortage})
        await PlainTextResponse("done")(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as own:
        server = UvicornServer(configured(app, Places(8)), ready=ready.set, tell=told.append)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        try:
            assert ready.wait(30)
            assert read(own) == "done"
        finally:
            server.should_exit = True
            thread.join(30)
    assert told == ["connections cannot be accepted for now: Too many open files"]


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
            source.serve(
                saying("for all"), own, ready=lambda: threading.Thread(target=talk).start(), tell=print
            )
        finally:
            signal.signal(signal.SIGTERM, before)
    assert heard == ["for all", "ended"]
