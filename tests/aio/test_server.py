"""`start_server`: handlers, refusals, ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import identities
from aio.loops import in_every_loop
from aio_talk import closed, echo, open_to, port, quiet, run, serving
from bothways import (
    Alert,
    Credentials,
    Fault,
    PeerAlert,
    SignatureWanted,
    Truncated,
)
from bothways.aio import connect, start_server
from bothways.aio import server as server_source
from inside import link_of
from loopback import NEEDS_127_8, NEEDS_IPV6

pytestmark = pytest.mark.network


@run
async def test_a_handlers_last_words_arrive_though_the_client_still_talks():
    """The server lingers a moment: closing with unread data would destroy them."""

    async def short(reader, writer) -> None:
        await reader.read(1)
        writer.write(b"short answer")

    async with serving(short) as server:
        reader, writer = await open_to(server)
        writer.write(bytes(300_000))
        writer.write_eof()
        assert await reader.read() == b"short answer"
        await closed(writer)


@run
async def test_a_slow_client_gets_all_of_an_answer_that_its_handler_left_behind():
    """The server's patience counts from the last byte that the client took."""
    size = 8 * 1024 * 1024

    async def big(reader, writer) -> None:
        writer.write(bytes(size))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_source, "LINGER_SECONDS", 0.2)
        async with serving(big) as server:
            reader, writer = await open_to(server)
            received = 0
            while data := await reader.read(256 * 1024):
                received += len(data)
                await asyncio.sleep(0.02)
            assert received == size
            await closed(writer)


@run
async def test_a_client_that_takes_nothing_for_a_while_gets_all_of_an_answer():
    """The kernel tells of room for more only when much was taken: on a slow line that may take many seconds."""
    size = 16 * 1024 * 1024
    kept: list[int] = []

    async def big(reader, writer) -> None:
        writer.write(bytes(size))
        kept.append(link_of(writer).tls.unsent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_source, "LINGER_SECONDS", 0.05)
        async with serving(big) as server:
            reader, writer = await open_to(server)
            writer.transport.pause_reading()
            await asyncio.sleep(0.5)
            writer.transport.resume_reading()
            received = 0
            while data := await reader.read(256 * 1024):
                received += len(data)
            assert received == size
            await closed(writer)
    assert kept[0] > 0


@run
async def test_server_gives_up_on_a_client_that_stays_silent():
    """The configuration's own limit is a fault of the peer."""
    async with serving(echo, identities.server_config(handshake_timeout=0.05)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        alert = await reader.read()
        writer.close()
        assert bytes((Alert.USER_CANCELED,)) in alert
        assert server.refusals[0].fault is Fault.HANDSHAKE_TIMEOUT


@run
async def test_a_server_ends_with_its_connections():
    """Leaving the context cancels handlers and closes their connections in order (close_notify)."""
    cancelled: list[bool] = []
    begun = asyncio.Event()

    async def waits(reader, writer) -> None:
        try:
            begun.set()
            await reader.read()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serving(waits) as server:
        reader, writer = await open_to(server)
        await begun.wait()
    assert cancelled == [True]
    assert not server.is_serving()
    assert await reader.read() == b""
    await closed(writer)


@run
async def test_serve_forever_ends_when_cancelled():
    """As asyncio's; handlers end with it."""
    server = await start_server(quiet, "127.0.0.1", 0, identities.server_config())
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.01)
    _, writer = await open_to(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed(writer)


@run
async def test_a_failing_handler_ends_its_own_connection_only(caplog=None):
    """The loop is told; the peer sees a cut; others go on."""
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context["exception"])
    )

    async def fails(reader, writer) -> None:
        if await reader.read(1) == b"!":
            raise ZeroDivisionError
        raise TimeoutError("a handler's own")

    async with serving(fails) as server:
        for word, kind in ((b"!", ZeroDivisionError), (b"?", None)):
            reader, writer = await open_to(server)
            writer.write(word)
            with pytest.raises(Truncated):
                await reader.read(1)
            await closed(writer)
            assert [type(error) for error in reported] == ([kind] if kind else [ZeroDivisionError])


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", r"127\.0\.0\.1:\d+"), pytest.param("::1", r"\[::1\]:\d+", marks=NEEDS_IPV6)],
)
def test_refusals_are_logged_unless_taken(caplog, host, shown):
    """The default of `refused`: with the client's address."""

    async def refused() -> None:
        server = await start_server(quiet, host, 0, identities.server_config())
        async with server:
            reader, writer = await connect(host, port(server), identities.client_config(), "localhost")
            with pytest.raises(PeerAlert):
                await reader.read(1)
            await closed(writer)

    with caplog.at_level(logging.INFO, "bothways"):
        asyncio.run(refused())
    assert re.search(
        rf"handshake with {shown} failed: .*sent no certificate although we require one", caplog.text
    )


@run
async def test_data_received_before_a_failure_still_has_its_sender():
    """A client's data is not an anonymous one's because of what came behind it in the same read."""
    heard: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()

    async def listen(reader, writer) -> None:
        heard.set_result((writer.peer.names.common_name, await reader.read(100)))

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port(server))) as sock:
            identities.say_and_break(sock)

    async with serving(listen) as server:
        await asyncio.to_thread(client)
        assert await heard == ("Ada", b"last words")


class Crowd:
    """Connections that begin a handshake, say something and no more."""

    def __init__(self, server) -> None:
        self._address = ("127.0.0.1", port(server))
        self.clients: list[socket.socket] = []

    async def grow(self, *sources: str, said: bytes = b"") -> None:
        for source in sources:
            await asyncio.to_thread(self._begin, source, said)

    def _begin(self, source: str, said: bytes) -> None:
        client = socket.socket()
        self.clients.append(client)
        client.settimeout(20)
        client.bind((source, 0))
        with contextlib.suppress(ConnectionError):  # is among those that were ended at once
            client.connect(self._address)
            client.sendall(said)

    def is_over(self, number: int) -> bool:
        self.clients[number].setblocking(False)
        try:
            return not self.clients[number].recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        await asyncio.sleep(0.05)  # a connection that is just being accepted is nobody's yet to close


HELLO = identities.client_config().connection("localhost").data_to_send()


async def served(server) -> None:
    reader, writer = await open_to(server)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    await closed(writer)


@pytest.mark.parametrize("said", [b"", HELLO[:20], HELLO], ids=["nothing", "a piece", "a hello"])
def test_incomplete_handshakes_of_one_address_do_not_exclude_others(said):
    """Neither who is in nor who comes, be it from that address; a quarter of the places is all it has."""

    async def test() -> None:
        async with serving(echo, handshakes=16) as server:
            reader, friend = await open_to(server)
            async with Crowd(server) as crowd:
                await crowd.grow(*["127.0.0.1"] * 40, said=said)
                assert len(server.admission.places) == 4
                for _ in range(5):
                    await served(server)
                friend.write(b"!")
                assert await reader.read(1) == b"!"
                assert server.refusals == []
            await closed(friend)

    run(test)()


@NEEDS_127_8
@run
async def test_incomplete_handshakes_of_a_hundred_prefixes_do_not_exclude_others():
    async with serving(echo, handshakes=128) as server, Crowd(server) as crowd:
        sources = [f"127.90.{number}.1" for number in range(100)]
        await crowd.grow(*sources, *sources, said=HELLO[:20])
        for number in range(10):
            await crowd.grow(*sources[10 * number : 10 * number + 10], said=HELLO[:20])
            await served(server)
        assert 120 <= len(server.admission.places) <= 128
        assert sum(crowd.is_over(number) for number in range(len(crowd.clients))) > 100


@run
async def test_a_handshake_that_waits_for_our_own_side_gives_no_place_away():
    """Else a signer that is slow would cost who has proved most."""
    go = asyncio.Event()

    async def sign(request: SignatureWanted) -> bytes:
        await go.wait()
        return identities.server().key.sign(request.data, ec.ECDSA(hashes.SHA256()))

    config = identities.server_config(credentials=Credentials.external(identities.server().chain_pem))
    async with serving(echo, config, handshakes=4, signer=sign) as server:
        task = asyncio.create_task(open_to(server))
        while all(each.place.waits for each in server.admission.here):
            await asyncio.sleep(0.01)
        async with Crowd(server) as crowd:
            await crowd.grow("127.0.0.1")
            while not crowd.is_over(0):
                await asyncio.sleep(0.01)
        go.set()
        _, writer = await task
        await closed(writer)


def test_evictions_are_logged_at_intervals(caplog):
    """However many are ended for it; nobody is told of each."""

    async def flood() -> None:
        async with serving(echo, handshakes=4) as server, Crowd(server) as crowd:
            await crowd.grow(*["127.0.0.1"] * 50)
            assert server.refusals == []

    with caplog.at_level(logging.INFO, "bothways"):
        asyncio.run(flood())
    assert [each.getMessage() for each in caplog.records if each.name == "bothways"] == [
        "1 handshake had to end because too many had begun"
    ]


@run
async def test_a_server_that_is_to_begin_later_keeps_its_clients_waiting_until_then():
    """They wait in the queue of the system; one that was closed before begins no more."""
    server, made = server_source.Server(server_source.Admission()), []

    def protocol() -> asyncio.Protocol:
        made.append(asyncio.Protocol())
        return made[-1]

    sock = socket.create_server(("127.0.0.1", 0))
    options = {"path": None, "reuse_port": None, "backlog": 10, "accepts": False}
    await server.listen(protocol, None, None, sock=sock, **options)
    with socket.create_connection(sock.getsockname()):
        for _ in range(5):
            await asyncio.sleep(0)
        assert not made
        await server.accept()
        async with asyncio.timeout(20):
            while not made:
                await asyncio.sleep(0)
    server.close()
    await server.accept()
    assert not server.is_serving()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
@in_every_loop
async def test_the_file_of_a_socket_that_a_server_was_given_stays(tmp_path: Path) -> None:
    """Another process may listen on it; asyncio removes it from Python 3.13 on, and so does uvloop."""
    server, path = server_source.Server(server_source.Admission()), tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        await server.listen(asyncio.Protocol, None, None, sock=sock, path=None, reuse_port=None, backlog=10)
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)
        assert path.exists()
