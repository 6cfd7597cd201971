"""What completes a handshake is written with the first data; what is much is encrypted in turns of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest

import identities
from aio.written import MUCH, SMALL, Pair, Turns, Writing, Written
from aio_talk import Clock, TurnClock, ada, open_to, run, serving
from bothways import PeerFault, UsageError
from bothways.aio import StreamReader, StreamWriter, sending
from bothways.aio.admission import Admission, AdmittedProtocol
from bothways.aio.protocol import TLSProtocol
from bothways.aio.sending import SEALED_A_TURN, SHORT_WRITE
from bothways.aio.watch import Watch
from bothways.errors import TimedOut
from bothways.tls.events import Data, Established, Failed, PeerClosed
from bothways.tls.handshake.access import Refusal
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation

VERSIONS = ("1.2", "1.3")


@pytest.fixture(autouse=True)
def clock() -> Iterator[TurnClock]:
    """Work takes no time, so that its amount alone decides what a turn has room for."""
    clock = TurnClock()
    with clock.running():
        yield clock


class Answering(asyncio.Protocol):
    """Says something as soon as something is said to it, by a task of its own, as handlers of streams do."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.task = asyncio.create_task(self.answer(data))

    async def answer(self, data: bytes) -> None:
        self.transport.write(b"reply to " + data)


def of_client(version: str = "1.3") -> Pair:
    """Our client has the server's last flight, and has written nothing since."""
    config = ada(versions=(version,))
    connection = config.connection("localhost")
    pair = Pair(
        TLSProtocol(connection, Watch(config.settings), asyncio.Protocol()),
        identities.server_config(versions=(version,)).connection(),
    )
    for _ in range(1 if version == "1.3" else 2):
        assert pair.to_peer() == 1
        pair.to_us()
    return pair


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_writes_its_finished_with_its_first_data(version: str) -> None:
    """In TLS 1.2 the server's Finished comes last: there is nothing to hold back."""

    @run
    async def talk() -> None:
        pair = of_client(version)
        assert pair.tls.driver.status.established and not pair.below.pieces
        pair.tls.send(b"question")
        assert pair.to_peer() == 1
        await asyncio.sleep(0)
        assert pair.to_peer() == 0
        assert pair.events[-1] == Data(b"question") and pair.peer.peer is not None

    talk()


@run
async def test_a_client_that_says_nothing_writes_its_finished_in_the_next_turn():
    """The server waits for it, and may speak first."""
    pair = of_client()
    assert not pair.has_heard(Established)
    await asyncio.sleep(0)
    assert pair.to_peer() == 1 and pair.has_heard(Established)


@run
async def test_a_client_that_closes_at_once_writes_both_before_it_closes():
    """The server is told who was there."""
    pair = of_client()
    pair.tls.close(0.0)
    assert pair.below.is_closing()
    assert pair.to_peer() == 1 and pair.has_heard(Established) and pair.has_heard(PeerClosed)


@run
async def test_an_alert_is_written_before_the_end_where_the_handshake_and_a_fault_come_together():
    """The transport is closed in the same turn."""
    config = ada()
    tls = TLSProtocol(config.connection("localhost"), Watch(config.settings), asyncio.Protocol())
    pair = Pair(tls, identities.server_config().connection())
    pair.to_peer()
    tls.data_received(pair.peer.data_to_send() + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(tls.driver.status.failure, PeerFault) and tls.driver.status.established
    assert pair.to_peer() == 1 and pair.has_heard(Established) and pair.has_heard(Failed)


@run
async def test_a_server_writes_its_ticket_with_its_first_reply():
    """Where the client's first data comes with its Finished."""
    config, app = identities.server_config(), Answering()
    pair = Pair(TLSProtocol(config.connection(), Watch(config.settings), app), ada().connection("localhost"))
    pair.to_us()
    assert pair.to_peer() == 1
    pair.peer.send(b"question")
    pair.to_us()
    assert not pair.below.pieces
    await app.task
    assert pair.to_peer() == 1
    await asyncio.sleep(0)
    assert pair.to_peer() == 0
    assert pair.events[-1] == Data(b"reply to question")


# Records that count for 4096 bytes each, and the last ones of two pieces, which are shorter.
MOST = SEALED_A_TURN // SHORT_WRITE + 2


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [4096, len(MUCH)])
def test_no_more_records_are_encrypted_in_a_turn_than_it_has_room_for(version: str, size: int) -> None:
    """RFC 8449: a peer may accept no more than 64 bytes in a record; it makes no odds whether it is written in one."""

    @run
    async def talk() -> None:
        turns = Turns(version, **SMALL)

        def write() -> None:
            for at in range(0, len(MUCH), size):
                turns.app.transport.write(MUCH[at : at + size])
            assert turns.app.transport.get_write_buffer_size() > len(MUCH) // 2

        counts = await turns.count(write)
        assert max(counts) <= MOST and len(counts) >= len(MUCH) // 63 // MOST
        assert turns.data == MUCH
        assert turns.app.told == ["pause", "resume"] and turns.tls.unsent == 0

    talk()


@run
async def test_a_large_write_is_encrypted_in_turns_whatever_record_size_the_peer_accepts():
    """A turn has room for a MiB, so that it is nothing that a program usually writes."""
    turns = Turns()
    counts = await turns.count(lambda: turns.tls.send(bytes(5 * SEALED_A_TURN // 2)))
    assert counts == [64, 64, 32] and len(turns.data) == 5 * SEALED_A_TURN // 2
    assert await turns.count(lambda: turns.tls.send(bytes(SEALED_A_TURN))) == [64]


class Lines(Written):
    """A transport that is given large data in parts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[int] = []

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        parts = list(map(bytes, list_of_data))
        self.parts.append(len(parts))
        self.write(b"".join(parts))


@pytest.mark.parametrize("forgets", [False, True])
def test_records_are_not_joined_unless_the_transport_then_forgets_to_pause(
    forgets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2024-12254: some releases of Python buffer without a bound what is written by `writelines`."""
    monkeypatch.setattr(sending, "FORGETS_TO_PAUSE", forgets)

    @run
    async def talk() -> None:
        below = Lines()
        turns = Turns(below=below)
        assert await turns.count(lambda: turns.tls.send(MUCH * 2)) == [16]
        assert turns.data == MUCH * 2
        assert below.parts == ([] if forgets else [8, 8, 8, 8])

    talk()


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_close_notify_follows_all_that_was_written(end: str) -> None:
    """And nothing can be written between."""

    @run
    async def talk() -> None:
        turns = Turns(**SMALL)

        def write() -> None:
            turns.tls.send(MUCH)
            getattr(turns.app.transport, end)()
            with pytest.raises(UsageError):
                turns.tls.send(b"more")

        counts = await turns.count(write)
        assert max(counts) <= MOST and turns.data == MUCH
        assert isinstance(turns.pair.events[-1], PeerClosed)
        assert turns.pair.below.is_closing() is (end == "close")
        with pytest.raises(UsageError):
            turns.tls.send(b"more")

    talk()


@run
async def test_a_transport_that_was_ended_for_writing_can_be_closed_before_the_last_turn():
    """Both orders are kept: the data, close_notify, the end."""
    turns = Turns(**SMALL)

    def write() -> None:
        turns.tls.send(MUCH)
        turns.tls.end()
        turns.tls.close(0.0)

    await turns.count(write)
    assert turns.data == MUCH and isinstance(turns.pair.events[-1], PeerClosed)
    assert turns.pair.below.is_closing()


@pytest.mark.parametrize("end", ["abort", "fail", "connection_lost"])
def test_nothing_is_encrypted_after_the_end(end: str) -> None:
    """What waits is dropped, and tasks that wait go on."""

    @run
    async def talk() -> None:
        turns = Turns(**SMALL)

        def write() -> None:
            turns.tls.send(MUCH)
            getattr(turns.tls, end)(*([] if end == "abort" else [ConnectionResetError()]))

        assert len(await turns.count(write)) == 1
        assert turns.tls.unsent == 0
        await turns.tls.until_encrypted()

    talk()


@run
async def test_a_fault_of_the_peer_ends_what_waits():
    """The alert comes next."""
    turns = Turns(**SMALL)

    def write() -> None:
        turns.tls.send(MUCH)
        turns.tls.data_received(b"\x17\x03\x03\x00\x20" + bytes(32))

    await turns.count(write)
    assert isinstance(turns.pair.events[-1], Failed) and len(turns.data) < len(MUCH)
    assert turns.app.told == ["pause", "lost"]


@run
async def test_data_is_sent_as_it_was_when_it_was_written():
    """A buffer may be used again at once."""
    turns, buffer = Turns(**SMALL), bytearray(MUCH)

    def write() -> None:
        turns.tls.send(memoryview(buffer).cast("I"))
        buffer[:] = bytes(len(buffer))

    await turns.count(write)
    assert turns.data == MUCH


@run
async def test_a_task_that_writes_waits_for_its_turns_and_may_be_cancelled():
    """What it has written is sent all the same."""
    turns = Turns(**SMALL)
    await turns.begin()

    async def writes() -> None:
        turns.tls.send(MUCH)
        await turns.tls.until_writable()
        turns.app.told.append("written")

    waiting, cancelled = asyncio.create_task(writes()), asyncio.create_task(writes())
    await asyncio.sleep(0)
    assert cancelled.cancel()
    await waiting
    turns.pair.to_peer()
    assert turns.data == 2 * MUCH and turns.app.told == ["pause", "resume", "written"]


@run
async def test_a_request_for_a_certificate_follows_what_was_written():
    """The peer gets it after the data before it."""
    turns = Turns(**SMALL, post_handshake_auth=True)
    asking: list[asyncio.Task[object]] = []

    def write() -> None:
        turns.tls.send(MUCH)
        ask = turns.tls.authenticate_client(required=True, seconds=None, max_data=1 << 16)
        asking.append(asyncio.create_task(ask))

    await turns.count(write)
    assert turns.data == MUCH
    turns.pair.to_us()
    assert await asking[0] is not None


@run
async def test_an_application_is_paused_while_the_transport_below_is_full_or_something_waits():
    """It is told once, whatever the reasons."""
    turns = Turns(**SMALL)
    await turns.begin()
    turns.tls.pause_writing()
    waiting = asyncio.create_task(turns.tls.until_writable())
    turns.tls.send(MUCH)
    turns.tls.resume_writing()
    await asyncio.sleep(0)
    assert turns.app.told == ["pause"] and not waiting.done()
    await waiting
    assert turns.app.told == ["pause", "resume"] and turns.tls.unsent == 0
    turns.tls.pause_writing()
    turns.tls.resume_writing()
    assert turns.app.told == ["pause", "resume"] * 2


@run
async def test_a_closing_transport_can_be_ended_for_writing_and_closes_all_the_same():
    """close_notify follows what waits, and then the end."""
    turns = Turns(**SMALL)

    def write() -> None:
        turns.tls.send(MUCH)
        turns.app.transport.close()
        turns.app.transport.write_eof()

    await turns.count(write)
    assert turns.data == MUCH and isinstance(turns.pair.events[-1], PeerClosed)
    assert turns.pair.below.is_closing()


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("linger", [0.0, 30.0])
def test_all_that_was_written_is_sent_although_the_peer_ends_its_side(says: bool, linger: float) -> None:
    """The transport below would close at once; with or without the peer's close_notify."""

    @run
    async def talk() -> None:
        turns = Turns(**SMALL)

        def write() -> None:
            turns.tls.send(MUCH)
            if says:
                turns.pair.peer.close()
                turns.pair.to_us()
            turns.app.transport.close(linger)
            assert turns.tls.eof_received()

        await turns.count(write)
        assert turns.data == MUCH and isinstance(turns.pair.events[-1], PeerClosed)
        assert turns.pair.below.is_closing()
        assert not turns.tls.eof_received()

    talk()


@run
async def test_a_client_that_ends_its_side_gets_the_whole_answer_of_a_server_that_closes():
    """Over a socket, where the end comes before all is encrypted."""
    size = 8 * SEALED_A_TURN

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        writer.write(bytes(size))
        writer.close()

    async with serving(answer) as server:
        reader, writer = await open_to(server)
        writer.write(b"?")
        writer.write_eof()
        writer.transport.write_eof()
        assert len(await reader.read()) == size
        writer.close()


@pytest.mark.parametrize("end", [None, "close", "write_eof"])
def test_nothing_waiting_is_sent_to_a_peer_that_is_no_longer_accepted(end: str | None) -> None:
    """Also where the application has closed."""

    @run
    async def talk() -> None:
        lists = CRLStore(identities.crls())
        own = identities.server_config(revocation=Revocation(crls=lists), judge_again="change")
        turns = Turns(own=own, **SMALL)

        def write() -> None:
            turns.tls.send(MUCH)
            if end is not None:
                getattr(turns.app.transport, end)()
            lists.replace(CRLStore(identities.crls(identities.client(), number=2)))

        assert len(await turns.count(write)) == 2
        assert isinstance(turns.pair.events[-1], Failed) and len(turns.data) < len(MUCH)
        assert turns.tls.unsent == 0

    talk()


@run
async def test_nothing_waiting_is_sent_to_a_client_that_another_configuration_does_not_accept():
    """A new configuration of the gateway finds connections that close, too."""
    turns = Turns(kind=partial(AdmittedProtocol, Admission()), **SMALL)
    assert isinstance(turns.tls, AdmittedProtocol)
    client = turns.tls
    other = identities.server_config(allow=lambda _: Refusal("not any more"))

    def write() -> None:
        client.send(MUCH)
        client.close(0.0)
        client.judge_by(other.settings, Watch(other.settings))

    await turns.count(write)
    assert isinstance(turns.pair.events[-1], Failed) and len(turns.data) < len(MUCH)


@run
async def test_a_connection_is_not_idle_while_data_is_encrypted():
    """However long that takes."""
    turns, clock = Turns(idle=10, **SMALL), Clock()
    await turns.begin()
    turns.tls.send(MUCH)
    for _ in range(4):
        await clock.advance(6)
    while turns.tls.unsent:
        await clock.advance(0)
    turns.pair.to_peer()
    assert turns.data == MUCH and not turns.tls.closing


class Full(Written):
    """A transport whose peer takes nothing, so that it ends by `abort` alone."""

    aborted = False

    def get_write_buffer_size(self) -> int:
        return 1

    def abort(self) -> None:
        self.aborted = True


@run
async def test_an_idle_connection_whose_peer_takes_nothing_is_reset():
    """It was closed, and a transport that is closed waits for ever until the rest is taken."""
    below = Full()
    turns, clock = Turns(idle=10, below=below), Clock()
    await turns.begin()
    await clock.advance(11)
    assert isinstance(turns.tls.driver.status.failure, TimedOut) and below.is_closing()
    await clock.advance(3)
    assert below.aborted


class Telling(Written):
    """A transport that is full as soon as something is written."""

    tls: TLSProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        if self.tls is not None:
            self.tls.pause_writing()


@pytest.mark.parametrize("size", [SEALED_A_TURN // 4, 2 * SEALED_A_TURN])
@pytest.mark.parametrize("act", ["write", "close"])
def test_data_written_when_paused_follows_the_data_written_before(act: str, size: int) -> None:
    """The transport below says within the call that it is full, after the first piece."""

    class Acting(Writing):
        def pause_writing(self) -> None:
            super().pause_writing()
            if act == "write":
                self.transport.write(b"next")
            else:
                self.transport.close()

    @run
    async def talk() -> None:
        below, app = Telling(), Acting()
        turns = Turns(below=below)
        await turns.begin()
        app.transport = turns.app.transport
        app.transport.set_protocol(app)
        below.tls = turns.tls
        await turns.count(lambda: app.transport.write(bytes(size)))
        assert turns.data == bytes(size) + (b"next" if act == "write" else b"")
        assert turns.pair.has_heard(PeerClosed) is turns.pair.below.is_closing() is (act == "close")
        assert app.told == ["pause"]

    talk()
