"""Clients of the service that take their time, over real sockets."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bothways.ca_server.app import PIECE, PiecewiseResponse
from bothways.ca_server.server import UvicornServer, configured
from bothways.ca_server.slow_clients import BoundedClient
from bothways.servers.places import Places
from loopback import NEEDS_127_8

pytestmark = pytest.mark.network

LONG = 32 * 1024 * 1024  # bytes, more than what kernels keep for a client that does not read
PLACES = 8
GOOD = b"GET /short HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BEGUN = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nx"


async def short(_request: Request) -> Response:
    return Response("here you are")


async def read(request: Request) -> Response:
    try:
        return Response(f"{len(await request.body())} bytes")
    except ClientDisconnect:
        return Response(status_code=400)


async def long(_request: Request) -> Response:
    return Response(bytes(LONG))


async def pieces(_request: Request) -> Response:
    return PiecewiseResponse(bytes(LONG))


async def few_pieces(_request: Request) -> Response:
    return PiecewiseResponse(bytes(4 * PIECE))


class Hasty(BoundedClient):
    request_seconds = grace_seconds = 0.2
    response_seconds = 0.4
    check_seconds = 0.02


class Slow(BoundedClient):
    request_seconds = response_seconds = grace_seconds = 600.0


class Patient(Slow):
    response_seconds = 0.5
    check_seconds = 0.02


class Measured(Slow):
    grace_seconds = 0.2
    check_seconds = 0.02


@contextmanager
def serving(client: type[BoundedClient], limit: int = PLACES, **settings: bool) -> Iterator[UvicornServer]:
    """A server in a thread; its `places` are those of its connections."""
    routes = [
        Route("/short", short, methods=["GET", "POST"]),
        Route("/read", read, methods=["POST"]),
        Route("/long", long),
        Route("/pieces", pieces),
        Route("/few", few_pieces),
    ]
    places = Places(limit, **settings)
    config = configured(Starlette(routes=routes), places, client)
    config.timeout_keep_alive, config.timeout_graceful_shutdown = 600, 1
    server = UvicornServer(config, tell=print)
    with socket.create_server(("127.0.0.1", 0)) as own:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        server.address, server.places = own.getsockname(), places  # type: ignore[attr-defined]
        thread.start()
        try:
            yield server
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture(scope="module")
def hasty() -> Iterator[tuple[str, int]]:
    with serving(Hasty, 64, exempt_loopback=True) as server:
        yield server.address


@pytest.fixture(scope="module")
def patient() -> Iterator[UvicornServer]:
    with serving(Slow, 64, exempt_loopback=True) as server:
        yield server


def connected(server: UvicornServer, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(server.address, 30, source_address=(source, 0))


def everything(client: socket.socket) -> bytes:
    """What comes until the connection ends, however it ends."""
    data = b""
    try:
        while piece := client.recv(1 << 20):
            data += piece
    except ConnectionError:
        pass
    return data


def answered(server: UvicornServer, source: str = "127.0.0.1") -> bool:
    """Whether a client that does all at once gets its response."""
    with connected(server, source) as client:
        client.sendall(GOOD)
        answer = everything(client)
    return (answer[:12], answer[-12:]) == (b"HTTP/1.1 200", b"here you are")


def soon(condition) -> bool:
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


# -- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "printed",
    [
        b"",
        b"GET",
        b"GET /short HTTP/1.1\r\nHost: x\r\n",
        b"GET /short HTTP/1.1\r\nX: " + b"a" * 9000,
        BEGUN,
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_endless_request_is_ended_after_the_time_limit(hasty: tuple[str, int], printed: bytes) -> None:
    with socket.create_connection(hasty, 30) as client:
        client.sendall(printed)
        assert everything(client) == b""


def test_an_endless_second_request_is_ended_too(
    hasty: tuple[str, int],
) -> None:
    with socket.create_connection(hasty, 30) as client:
        client.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\nGET /sh")
        assert everything(client).endswith(b"here you are")


@contextmanager
def trickling(client: socket.socket, piece: bytes = b"a") -> Iterator[None]:
    ended = threading.Event()

    def trickle() -> None:
        try:
            while not ended.wait(0.02):
                client.sendall(piece)
        except OSError:
            pass

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def test_a_body_after_the_response_holds_no_place(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty, 30) as client:
        client.sendall(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        with trickling(client):
            assert everything(client).endswith(b"here you are")


@pytest.mark.parametrize("begun", [b"GET /short HTTP/1.1\r\nX: ", BEGUN, BEGUN.replace(b"read", b"short")])
def test_a_request_below_the_minimum_rate_is_ended_early(begun: bytes) -> None:
    """The minimum rate, in a header, in a body, and in a body that is discarded."""
    with serving(Measured) as server, connected(server) as client:
        client.sendall(begun)
        with trickling(client):
            assert b"bytes" not in everything(client)


def test_a_request_at_the_minimum_rate_is_completed() -> None:
    with serving(Measured) as server, connected(server) as client:
        client.sendall(
            b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n"
        )
        for _ in range(40):
            time.sleep(0.02)
            client.sendall(b"a" * 10_000)
        assert everything(client).endswith(b"400000 bytes")


def test_an_endless_body_is_cut() -> None:
    """It is thrown away behind its refusal, but not for ever."""
    with serving(Slow) as server, connected(server) as client:
        client.sendall(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                client.sendall(bytes(65536))


@pytest.mark.parametrize("path", [b"/long", b"/pieces"])
def test_an_unread_response_is_cut(hasty: tuple[str, int], path: bytes) -> None:
    with socket.create_connection(hasty, 30) as idle:
        idle.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        for _ in range(4):  # others come and are left again meanwhile, one after the other
            with socket.create_connection(hasty, 30) as other:
                assert everything(other) == b""
        assert len(everything(idle)) < LONG


def test_a_response_that_is_read_slowly_piece_by_piece_has_one_time_limit() -> None:
    """Each piece that is read does not begin it again."""
    with serving(Patient) as server, connected(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.sendall(b"GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n")
        size = 0
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(64 * 1024):
                size += len(piece)
                time.sleep(0.01)
        assert PIECE < size < LONG


def test_a_response_in_pieces_is_the_whole_and_the_connection_stays() -> None:
    with serving(Slow) as server, connected(server) as client:
        client.sendall(b"GET /few HTTP/1.1\r\nHost: x\r\n\r\n" + GOOD)
        first, _, rest = everything(client).partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200") and rest.startswith(bytes(4 * PIECE))
        assert rest.endswith(b"here you are")


@pytest.mark.parametrize("behind", [b"", b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n"])
@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n"])
def test_a_response_that_is_read_too_slowly_is_cut(behind: bytes, fields: bytes) -> None:
    """Below the least rate, whether the connection stays or not, and whatever was asked next."""
    with serving(Measured) as server, connected(server) as idle:
        idle.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n" + behind)
        assert soon(lambda: len(server.places) == 1)
        assert soon(lambda: len(server.places) == 0)
        assert len(everything(idle)) < LONG


def test_the_end_of_the_service_waits_for_no_incomplete_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor does that make a line in the log."""
    begun: list[bytes] = []

    class Noticed(Slow):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            begun.append(data)

    with caplog.at_level(logging.WARNING), serving(Noticed) as server, connected(server) as client:
        client.sendall(BEGUN)
        assert soon(lambda: begun)
        server.should_exit = True
        assert everything(client) == b""
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


# -- places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "printed",
    [b"", b"GET /sh", BEGUN, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n", GOOD.replace(b"close", b"x")],
)
@pytest.mark.parametrize("exempt", [False, True])
def test_slow_clients_of_one_address_keep_out_no_others(printed: bytes, exempt: bool) -> None:
    """With nothing, half a head, half a body, an answer that they do not read, or one that they had.

    Neither others nor a client of the same address.
    """
    with serving(Slow, exempt_loopback=exempt) as server, ExitStack() as stack:
        held = []
        for _ in range(3 * PLACES):
            held.append(stack.enter_context(connected(server)))
            with_luck(held[-1], printed)
        for _ in range(PLACES):
            assert answered(server)
            assert len(server.places) <= (PLACES if exempt else PLACES // 4)
        assert soon(lambda: select.select([held[0]], [], [], 0)[0])


def with_luck(client: socket.socket, printed: bytes) -> None:
    """Say something, unless the connection is among those that went."""
    try:
        client.sendall(printed)
    except ConnectionError:
        pass


@NEEDS_127_8
def test_an_address_holds_a_quarter_and_others_have_the_rest() -> None:
    with serving(Slow) as server, ExitStack() as stack:
        for _ in range(PLACES):
            with_luck(stack.enter_context(connected(server)), BEGUN)
        others = [stack.enter_context(connected(server, f"127.1.0.{number}")) for number in range(1, 4)]
        assert soon(lambda: len(server.places) == PLACES // 4 + 3)
        for each in others:
            each.sendall(GOOD)
            assert everything(each).endswith(b"here you are")


@NEEDS_127_8
def test_slow_clients_of_a_hundred_prefixes_cost_others_no_response(full: bool) -> None:
    """Those that are ended come again at once; p50 and p99 of the good client's answers are printed."""
    with serving(Slow, 200) as server:
        crowd = Crowd(server.address, prefixes=100, connections=260)
        thread = threading.Thread(target=crowd.run)
        thread.start()
        try:
            assert soon(lambda: len(server.places) == 200)
            times = []
            for _ in range(200 if full else 15):
                began = time.perf_counter()
                assert answered(server, "127.200.0.1")
                times.append(time.perf_counter() - began)
            assert soon(lambda: crowd.ended > 0)
        finally:
            crowd.stop.set()
            thread.join(30)
    times.sort()
    p50, p99 = (times[len(times) * share // 100] for share in (50, 99))
    print(
        f"\n{crowd.made} begun requests of 100 prefixes, {crowd.ended} ended by the server; of {len(times)} good ones "
        f"none; p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
    )


class Crowd:
    """Clients from many prefixes, each of which begins a request and renews it when it is ended."""

    def __init__(self, address: tuple[str, int], *, prefixes: int, connections: int) -> None:
        self.stop = threading.Event()
        self.made = self.ended = 0
        self._address = address
        self._sources = [f"127.{50 + number % prefixes}.0.1" for number in range(connections)]

    def run(self) -> None:
        poll, clients = select.poll(), {}

        def begin(source: str) -> None:
            client = socket.create_connection(self._address, 30, source_address=(source, 0))
            self.made += 1
            clients[client.fileno()] = client, source
            with_luck(client, BEGUN)
            poll.register(client, select.POLLIN)

        for source in self._sources:
            begin(source)
        while not self.stop.is_set():
            for number, _ in poll.poll(20):
                client, source = clients.pop(number)
                poll.unregister(client)
                client.close()
                self.ended += 1
                begin(source)
        for client, _ in clients.values():
            client.close()


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 6",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ],
)
def test_nothing_is_read_after_a_request_of_ambiguous_length(patient: UvicornServer, framing: bytes) -> None:
    """RFC 9112 6.1 and 11.2: one 400, then the end."""
    with connected(patient) as client:
        client.sendall(
            b"POST /read HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n0\r\n\r\n"
            b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        printed = everything(client)
    assert printed.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in printed.lower()
    assert printed.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", [b"/short", b"/read", b"/nowhere"])
@pytest.mark.parametrize("rest", [b"nonsense\r\n", b"5\r\nhello!!\r\n", b"-1\r\n", b"5" * 40])
def test_a_malformed_chunk_ends_the_connection_and_is_not_logged(
    hasty: tuple[str, int], path: bytes, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Before an answer and after it."""
    with caplog.at_level(logging.WARNING), socket.create_connection(hasty, 30) as client:
        client.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.05)
        with_luck(client, rest)
        everything(client)
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
