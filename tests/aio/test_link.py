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
from aio_talk import closed, echo, open_to, port, quiet, run, serving
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
from bothways.tls.driver import ANONYMOUS_SLICE, LINGER_BYTES, SLICE

pytestmark = pytest.mark.network


BUDGET = 32 * 1024


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
    async with serving(quiet) as server:
        reader, writer = await open_to(server, idle_timeout=0.1)
        for _ in range(4):
            writer.write(b"still here")
            await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError, match=r"nothing was said for 0\.1 seconds"):
            await reader.read(1)
        await closed(writer)


@run
async def test_what_a_stranger_sends_is_taken_in_slices_between_which_others_have_their_turn():
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


@contextlib.contextmanager
def sizes_received() -> Iterator[list[int]]:
    """Within, how many bytes each call of `receive` is given."""
    sizes: list[int] = []
    receive = Connection.receive

    def noting(connection: Connection, data: bytes):
        sizes.append(len(data))
        return receive(connection, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "receive", noting)
        yield sizes


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

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@run
async def test_input_of_an_anonymous_client_is_processed_in_slices_after_the_handshake_too():
    """Small records of data cost as much as large ones; of a client that is trusted all is taken at once."""
    payload = bytes(range(256)) * 800
    config = identities.server_config(client_auth="request")
    for own in (None, identities.client()):
        link, transport = Link(config.connection(), Watch(config.settings)), Silent()
        link.tls.connection_made(transport)
        engine = identities.client_config(own).connection(server_name="localhost")
        while not link.status.established:
            link.tls.data_received(engine.data_to_send())
            engine.receive(bytes(transport.written))
            transport.written.clear()
        with sizes_received() as taken:
            engine.send(payload)
            flight = engine.data_to_send()
            link.tls.data_received(flight)
            while len(link.buffer) < len(payload):
                await asyncio.sleep(0)
        assert bytes(link.buffer) == payload
        limit = ANONYMOUS_SLICE
        whole, rest = divmod(len(flight), limit)
        assert taken == ([limit] * whole + [rest] if own is None else [len(flight)])
        link.tls.connection_lost(None)
