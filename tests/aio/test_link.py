"""Back-pressure, memory, late refusal, our own alerts, idleness."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import tracemalloc
from collections.abc import Iterator

import pytest

import identities
import pki
from aio_talk import Clock, TurnClock, closed, echo, open_to, port, quiet, run, serving
from bothways import (
    Alert,
    Caution,
    Data,
    Fault,
    PeerAlert,
    PeerFault,
    Truncated,
)
from bothways.aio import protocol as source
from bothways.aio.link import Link
from bothways.aio.watch import Watch
from bothways.tls.connection import Connection
from bothways.tls.driver import LINGER_BYTES, SLICE
from bothways.tls.handshake.message_io import RECORDS_A_MESSAGE, RECORDS_A_TURN

pytestmark = pytest.mark.network


BUDGET = 32 * 1024


@pytest.fixture(autouse=True)
def clock() -> Iterator[TurnClock]:
    """Work takes no time, so that its amount alone decides what a turn has room for."""
    clock = TurnClock()
    with clock.running():
        yield clock


@run
async def test_a_reader_that_does_not_read_stops_the_sender():
    """What waits is bounded on both sides; nothing is lost."""
    go = asyncio.Event()
    received = 0

    async def slow(reader, writer) -> None:
        nonlocal received
        await go.wait()
        while data := await reader.read(65536):
            received += len(data)
        writer.write(b"done")

    async with serving(slow) as server:
        reader, writer = await open_to(server)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    writer.write(bytes(65536))
                    sent += 65536
                    await writer.drain()
        assert sent < 64 * 1024 * 1024
        go.set()
        writer.write_eof()
        assert await reader.read() == b"done"
        assert received == sent
        await closed(writer)


@run
async def test_megabytes_go_both_ways_at_once():
    """Every byte comes back, in order."""
    payload = bytes(range(256)) * 16384
    async with serving(echo) as server:
        reader, writer = await open_to(server)

        async def send() -> None:
            for start in range(0, len(payload), 100_000):
                writer.write(payload[start : start + 100_000])
                await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read() == payload
        await sending
        await closed(writer)


def test_an_idle_connection_fits_the_budget():
    """At most 32 KiB for an idle established connection, engine and asyncio, both sides halved."""

    async def measured() -> float:
        count = 40
        async with serving(quiet) as server:
            warm = [await open_to(server) for _ in range(5)]
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            pairs = [await open_to(server) for _ in range(count)]
            await asyncio.sleep(0.05)
            gc.collect()
            used = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            await closed(*(writer for _, writer in (*warm, *pairs)))
        return used / count / 2

    assert asyncio.run(measured()) < BUDGET


@pytest.mark.parametrize("call", ["read", "drain", "write"])
def test_a_late_refusal_is_the_handshakes_failure_in_any_call(call):
    """Whichever call meets the refusal raises it at step 3."""

    async def refused() -> None:
        async with serving(quiet) as server:
            reader, writer = await open_to(server, identities.client_config())
            with pytest.raises(PeerAlert) as late:
                if call == "read":
                    await reader.read(1)
                for _ in range(1000):
                    writer.write(bytes(1000))
                    await (writer.drain() if call == "drain" else asyncio.sleep(0.001))
            assert (late.value.alert, late.value.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
            assert await writer.confirmed(1) == "refused"
            with pytest.raises(PeerAlert):
                writer.write_eof()
            await closed(writer)
            assert server.refusals[0].fault is Fault.NO_CERTIFICATE

    asyncio.run(refused())


@run
async def test_confirmed_answers_accepted_refused_or_unknown():
    """The first protected record after the server's Finished is the answer (RFC 9846 4.5.3): here no ticket is."""
    async with serving(echo, identities.server_config(tickets=None)) as server:
        reader, writer = await open_to(server)
        assert await writer.confirmed(0.02) == "unknown"
        writer.write(b"x")
        assert await reader.confirmed() == "accepted"
        assert await reader.read(1) == b"x"
        await closed(writer)
        reader, writer = await open_to(server, identities.client_config(identities.stranger()))
        assert writer.warnings == [Caution.NO_MATCHING_AUTHORITY]
        assert await reader.confirmed(5) == "refused"
        with pytest.raises(PeerAlert) as late:
            await reader.read(1)
        assert late.value.step == "3.3a"
        await closed(writer)


@run
async def test_a_reset_before_the_first_word_fails_the_handshake():
    """A reset before the first protected record is a failure of step 3."""

    async def reset(reader, writer) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(reset, identities.server_config(tickets=None)) as server:
        reader, writer = await open_to(server)
        with pytest.raises(Truncated) as cut:
            await reader.read(1)
        assert cut.value.step == "3"
        assert isinstance(cut.value.loss, ConnectionResetError)
        assert await reader.confirmed(0) == "refused"
        await closed(writer)


@run
async def test_our_alert_reaches_a_peer_that_is_still_sending():
    """Alert, then the write side is shut, then what comes is drained."""
    async with serving(echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"\x17\x03\x03\x00\x10" + bytes(16) + bytes(200_000))
        writer.write_eof()
        assert await reader.read() == bytes((21, 3, 3, 0, 2, 2, Alert.UNEXPECTED_MESSAGE))
        writer.close()
        await writer.wait_closed()
        assert isinstance(server.refusals[0], PeerFault)


@run
async def test_draining_is_bounded_in_time_and_bytes(monkeypatch=None):
    """A peer that never ends does not hold us."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "LINGER_SECONDS", 0.05)
        async with serving(echo) as server:
            for extra in (b"", bytes(3 * LINGER_BYTES)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
                writer.write(b"no TLS at all " + extra)
                with contextlib.suppress(OSError):
                    await reader.read()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            assert len(server.refusals) == 2


@run
async def test_an_idle_connection_ends_with_an_error():
    """`idle_timeout`: TimeoutError for whoever reads, close_notify for the peer."""
    async with serving(echo) as server:
        reader, writer = await open_to(server, idle_timeout=10)
        clock = Clock()
        for _ in range(4):
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await clock.advance(6)
        await clock.advance(5)
        with pytest.raises(TimeoutError, match="no data was sent or received for 10 seconds"):
            await reader.read(1)
        await closed(writer)


@run
async def test_data_of_an_unverified_peer_is_processed_in_slices_so_that_others_have_their_turn():
    """Bounded work: asyncio hands over a quarter of a megabyte at once."""
    taken: list[tuple[int, int]] = []
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    receive = Connection.receive

    def noting(self, data):
        taken.append((len(data), turns))
        return receive(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "receive", noting)
        async with serving(echo) as server:
            counting = asyncio.create_task(others())
            with socket.create_connection(("127.0.0.1", port(server))) as stranger:
                stranger.setblocking(False)
                hello = b"\x01\x01\xf0\x00"  # a ClientHello of 126976 bytes, which never comes whole
                records = b"".join(b"\x16\x03\x01\x00\x01" + hello[at : at + 1] for at in range(4))
                await asyncio.get_running_loop().sock_sendall(
                    stranger, records + b"\x16\x03\x01\x00\x01\x00" * 20_000
                )
                while sum(size for size, _ in taken) < 20_004 * 6:
                    await asyncio.sleep(0.01)
            counting.cancel()
    assert max(size for size, _ in taken) <= SLICE
    sliced = [turn for size, turn in taken if size == SLICE]
    assert len(sliced) >= 20
    assert len(set(sliced)) == len(sliced)


@run
async def test_a_long_flight_that_ends_in_data_and_an_end_arrives_whole():
    """What stands behind a handshake in the same piece is neither lost nor turned round."""
    long = pki.leaf(
        identities.middle(),
        "Long",
        alternatives=[f"DNS:n{number}.example" for number in range(400)],
        usage=("clientAuth",),
        **identities.SPAN,
    )
    payload = bytes(range(256)) * 100
    engine = identities.client_config(long).connection(server_name="localhost")
    async with serving(echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(engine.data_to_send())
        while not engine.established:
            engine.receive(await reader.read(65536))
        engine.send(payload)
        engine.close()
        writer.write(engine.data_to_send())
        writer.write_eof()
        received = bytearray()
        while data := await reader.read(65536):
            received += b"".join(each.data for each in engine.receive(data) if isinstance(each, Data))
        assert received == payload
        assert server.refusals == []
        writer.close()
        await writer.wait_closed()


class Silent(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Turns:
    """What a link has received, by turns of the loop."""

    def __init__(self, own: pki.Issued | None) -> None:
        config = identities.server_config(client_auth="request")
        self.link, self.below = Link(config.connection(), Watch(config.settings), limit=1 << 20), Silent()
        self.engine = identities.client_config(own).connection(server_name="localhost")
        self.link.tls.connection_made(self.below)
        while not self.link.status.established:
            self.link.tls.data_received(self.engine.data_to_send())
            self.engine.receive(bytes(self.below.written))
            self.below.written.clear()

    async def count(self, size: int) -> list[int]:
        """Wait until so many bytes are there, and return how many of them came in each turn."""
        sizes = [len(self.link.buffer)]
        while sum(sizes) < size:
            await asyncio.sleep(0)
            sizes.append(len(self.link.buffer) - sum(sizes))
        return sizes


@pytest.mark.parametrize("own", [None, identities.client()], ids=["anonymous", "verified"])
def test_input_is_processed_in_turns_after_the_handshake_too(own: pki.Issued | None) -> None:
    """A record of one byte costs as much as a large one; one read may hold ten thousand."""

    @run
    async def talk() -> None:
        payload, turns = bytes(range(255)) * 8, Turns(own)
        for at in range(len(payload)):
            turns.engine.send(payload[at : at + 1])
        turns.link.tls.data_received(turns.engine.data_to_send())
        assert max(await turns.count(len(payload))) <= RECORDS_A_TURN
        assert bytes(turns.link.buffer) == payload
        large = bytes(1 << 18)
        turns.engine.send(large)
        turns.link.tls.data_received(turns.engine.data_to_send())
        assert len(turns.link.buffer) == len(payload) + len(large)  # of large records all at once
        turns.link.tls.connection_lost(None)

    talk()


@run
async def test_key_updates_are_processed_in_turns():
    """Each costs as much as eight records of data, and some data between them makes their number unlimited."""
    turns = Turns(identities.client())
    changes = 20 * RECORDS_A_TURN // RECORDS_A_MESSAGE
    for number in range(changes):
        turns.engine.update_keys()
        if number % 16 == 15:
            turns.engine.send(b"x")
    turns.link.tls.data_received(turns.engine.data_to_send())
    assert max(await turns.count(changes // 16)) <= RECORDS_A_TURN // RECORDS_A_MESSAGE // 16
    assert turns.link.status.failure is None
    turns.link.tls.connection_lost(None)


@run
async def test_data_received_before_a_lost_connection_is_processed_in_turns_before_its_end():
    """A peer may send much and reset the connection; who reads gets the data first."""
    payload, turns = bytes(range(256)) * 8, Turns(identities.client())
    for at in range(len(payload)):
        turns.engine.send(payload[at : at + 1])
    turns.link.tls.data_received(turns.engine.data_to_send())
    turns.link.tls.connection_lost(ConnectionResetError())
    assert not turns.link.closing
    assert max(await turns.count(len(payload))) <= RECORDS_A_TURN
    await turns.link.tls.until_lost()
    assert bytes(turns.link.buffer) == payload
    assert isinstance(turns.link.status.failure, Truncated)


@run
async def test_unprocessed_data_of_a_lost_connection_is_dropped_when_it_is_aborted():
    """The application wants no more of it."""
    turns = Turns(identities.client())
    for _ in range(4 * RECORDS_A_TURN):
        turns.engine.send(b"x")
    turns.link.tls.data_received(turns.engine.data_to_send())
    turns.link.tls.connection_lost(ConnectionResetError())
    turns.link.tls.abort()
    await turns.link.tls.until_lost()
    assert len(turns.link.buffer) == RECORDS_A_TURN
