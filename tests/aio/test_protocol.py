"""The pair of protocol and transport: what an application's protocol is told, and what its transport does."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import identities
from aio_talk import ada, closed, echo, open_to, port, quiet, run, serving
from bothways import Fault, PeerAlert, PeerFault, Truncated
from bothways.aio import create_connection
from bothways.aio.transport import TLSTransport
from inside import link_of

pytestmark = pytest.mark.network


class Noting(asyncio.Protocol):
    """Writes down what it is told; `keeps_open` is its answer to the peer's end."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.reported: list[Any] = []
        self.data = bytearray()
        self.keeps_open = keeps_open
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.reported.append("made")

    def data_received(self, data: bytes) -> None:
        if self.reported[-1] != "data":
            self.reported.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.reported.append("eof")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.reported.append(exc)
        self.ended.set_result(exc)

    def pause_writing(self) -> None:
        self.reported.append("pause")

    def resume_writing(self) -> None:
        self.reported.append("resume")


async def open_pair(server: Any, config: Any = None, **options: Any) -> tuple[TLSTransport, Noting]:
    app = options.pop("app", None) or Noting()
    return await create_connection(
        lambda: app, "127.0.0.1", port(server), config or ada(), "localhost", **options
    )


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.005)


@run
async def test_a_protocol_gets_the_authenticated_peer_then_data_and_end():
    """As protocols of asyncio are, and no earlier than the handshake is complete."""
    async with serving(echo) as server:
        transport, app = await open_pair(server)
        assert app.reported == ["made"] and app.transport is transport
        assert transport.peer.names.dns == ("localhost",)
        assert transport.get_extra_info("peername")[1] == port(server)
        transport.write(b"one ")
        transport.writelines([b"two ", b"three"])
        await until(lambda: bytes(app.data) == b"one two three")
        transport.close()
        assert transport.is_closing()
        assert await app.ended is None
        assert app.reported == ["made", "data", None]
        transport.write(b"is thrown away")


@run
async def test_a_protocol_decides_whether_to_continue_after_the_peers_end():
    """RFC 9846 6.1: each side may close alone."""

    async def half_closes(reader, writer) -> None:
        writer.write(b"all")
        writer.write_eof()
        assert await reader.read() in (b"", b"an answer")

    for keeps_open in (True, False):
        async with serving(half_closes) as server:
            transport, app = await open_pair(server, app=Noting(keeps_open=keeps_open))
            await until(lambda reported=app.reported: "eof" in reported)
            assert transport.is_closing() is not keeps_open
            if keeps_open:
                assert transport.can_write_eof()
                transport.write(b"an answer")
                transport.write_eof()
                transport.close()
            assert await app.ended is None
            assert app.reported == ["made", "data", "eof", None]


@run
async def test_nothing_can_be_written_after_the_end_and_the_peers_data_is_still_received():
    """As a transport of asyncio over TCP raises it, whatever the size: it is an error of the program."""

    async def answers_late(reader, writer) -> None:
        assert await reader.read() == b"all"
        writer.write(b"an answer")
        await writer.drain()

    async with serving(answers_late) as server:
        transport, app = await open_pair(server)
        transport.write(b"all")
        transport.write_eof()
        for data in (b"more", bytes(5 * 1024 * 1024)):
            with pytest.raises(RuntimeError, match="write: it follows write_eof"):
                transport.write(data)
        assert not transport.is_closing()
        await until(lambda: bytes(app.data) == b"an answer")
        assert await app.ended is None


@run
async def test_the_error_that_ends_a_connection_is_passed_to_its_protocol():
    """A cut, and a refusal that comes after our own Finished."""

    async def cuts(reader, writer) -> None:
        writer.transport.abort()

    async with serving(cuts) as server:
        _, app = await open_pair(server)
        assert isinstance(await app.ended, (Truncated, PeerAlert))
    async with serving(quiet) as server:
        _, app = await open_pair(server, identities.client_config())
        error = await app.ended
        assert isinstance(error, PeerAlert) and error.step == "3.1"
        assert app.reported == ["made", error]
        assert server.refusals[0].fault is Fault.NO_CERTIFICATE


@run
async def test_protocol_is_not_called_for_a_handshake_that_fails():
    """Whoever connects is told."""
    async with serving(quiet) as server:
        app = Noting()
        with pytest.raises(PeerFault) as caught:
            await create_connection(lambda: app, "127.0.0.1", port(server), ada(), "elsewhere.example")
        assert caught.value.fault is Fault.NAME_MISMATCH
        assert app.reported == []


@run
async def test_pausing_reading_stops_the_peer_and_resuming_delivers_everything():
    """What is on its way already still comes."""
    size = 8 * 1024 * 1024

    async def pours(reader, writer) -> None:
        for _ in range(size // 65536):
            writer.write(bytes(65536))
            await writer.drain()

    async with serving(pours) as server:
        transport, app = await open_pair(server)
        transport.pause_reading()
        assert not transport.is_reading()
        await asyncio.sleep(0.2)
        held = len(app.data)
        await asyncio.sleep(0.2)
        assert len(app.data) == held < size
        transport.resume_reading()
        assert transport.is_reading()
        await until(lambda: len(app.data) == size)
        transport.close()
        await app.ended


@run
async def test_a_protocol_is_paused_when_the_write_buffer_is_full():
    """Its limits are those of the transport below."""
    go = asyncio.Event()

    async def waits(reader, writer) -> None:
        await go.wait()
        while await reader.read(65536):
            pass

    async with serving(waits) as server:
        transport, app = await open_pair(server)
        transport.set_write_buffer_limits(high=1024, low=256)
        assert transport.get_write_buffer_limits() == (256, 1024)
        while "pause" not in app.reported:
            transport.write(bytes(65536))
        assert transport.get_write_buffer_size() > 1024
        go.set()
        await until(lambda: "resume" in app.reported)
        transport.close()
        await app.ended


@run
async def test_a_protocol_may_be_exchanged_and_a_connection_aborted():
    """As after an upgrade; an abort tells the peer nothing."""
    async with serving(echo) as server:
        transport, app = await open_pair(server)
        other = Noting()
        other.reported.append("made")
        transport.set_protocol(other)
        assert transport.get_protocol() is other
        transport.write(b"x")
        await until(lambda: bytes(other.data) == b"x")
        transport.abort()
        await other.ended
        assert app.reported == ["made"]


@run
async def test_streams_are_built_on_the_same_pair():
    """A link is the application's protocol under them."""
    async with serving(echo) as server:
        reader, writer = await open_to(server)
        link = link_of(writer)
        assert link.tls.app is link and link.tls.upper.get_protocol() is link
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await closed(writer)


@run
async def test_a_connection_that_has_ended_waits_for_no_garbage_collector():
    """Neither end keeps a cycle of references: their memory is free for the next connection at once."""
    kept: list[weakref.ref[Any]] = []

    async def noted(reader: Any, writer: Any) -> None:
        kept.append(weakref.ref(link_of(writer).tls))
        await echo(reader, writer)

    gc.disable()
    try:
        async with serving(noted) as server:
            reader, writer = await open_to(server)
            kept.append(weakref.ref(link_of(writer).tls))
            await closed(writer)
            transport, app = await open_pair(server)
            kept.append(weakref.ref(transport.tls))
            transport.close()
            await app.ended
            del reader, writer, transport, app
            await until(lambda: len(kept) == 4 and not any(each() for each in kept))
    finally:
        gc.enable()
