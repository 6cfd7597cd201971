"""Clients of the service that take their time, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bothways.cli.ca.patience import Patience

pytestmark = pytest.mark.network

LONG = 32 * 1024 * 1024  # bytes, more than what kernels keep for a client that does not read
PLACES = 8


async def short(_request: Request) -> Response:
    return Response("here you are")


async def long(_request: Request) -> Response:
    return Response(bytes(LONG))


class Hasty(Patience):
    request_time = 0.2
    answer_time = 0.4


class Slow(Patience):
    request_time = answer_time = 600.0


@contextmanager
def serving(protocol: type[Patience]) -> Iterator[tuple[str, int]]:
    routes = [Route("/short", short, methods=["GET", "POST"]), Route("/long", long)]
    config = uvicorn.Config(
        Starlette(routes=routes),
        http=protocol,
        limit_concurrency=PLACES,
        timeout_keep_alive=600,
        timeout_graceful_shutdown=1,
        log_level="critical",
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as own:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        try:
            yield own.getsockname()
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture(scope="module")
def hasty() -> Iterator[tuple[str, int]]:
    with serving(Hasty) as address:
        yield address


def everything(client: socket.socket) -> bytes:
    """What comes until the connection ends, however it ends."""
    data = b""
    try:
        while piece := client.recv(1 << 20):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    "said", [b"", b"GET", b"GET /short HTTP/1.1\r\nHost: x\r\n", b"GET /short HTTP/1.1\r\nX: " + b"a" * 9000]
)
def test_a_request_that_never_ends_is_waited_for_so_long_and_no_longer(
    hasty: tuple[str, int], said: bytes
) -> None:
    with socket.create_connection(hasty, 30) as client:
        client.sendall(said)
        assert everything(client) == b""


def test_a_client_that_has_its_answer_and_begins_another_request_is_left_too(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty, 30) as client:
        client.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\nGET /sh")
        assert everything(client).endswith(b"here you are")


def test_a_body_that_goes_on_after_the_answer_holds_no_place(hasty: tuple[str, int]) -> None:
    ended = threading.Event()

    def trickle(client: socket.socket) -> None:
        try:
            while not ended.wait(0.02):
                client.sendall(b"a")
        except OSError:
            pass

    with socket.create_connection(hasty, 30) as client:
        client.sendall(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        thread = threading.Thread(target=trickle, args=(client,))
        thread.start()
        try:
            assert everything(client).endswith(b"here you are")
        finally:
            ended.set()
            thread.join(30)


def test_an_answer_that_nobody_reads_is_cut(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty, 30) as idle:
        idle.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(4):  # others come and are left again meanwhile, one after the other
            with socket.create_connection(hasty, 30) as other:
                assert everything(other) == b""
        assert len(everything(idle)) < LONG


def test_clients_that_hold_all_places_with_nothing_keep_nobody_out() -> None:
    """Who has waited longest goes, whatever it began to say."""
    with serving(Slow) as address:
        idle = [socket.create_connection(address, 30) for _ in range(3 * PLACES)]
        try:
            for each in idle[::2]:
                try:
                    each.sendall(b"GET /sh")
                except ConnectionError:  # is among those that went
                    continue
            for _ in range(PLACES):
                with socket.create_connection(address, 30) as client:
                    client.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answer = everything(client)
                    assert (answer[:12], answer[-12:]) == (b"HTTP/1.1 200", b"here you are")
            assert everything(idle[0]) == b""
        finally:
            for each in idle:
                each.close()
