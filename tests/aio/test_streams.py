"""Readers and writers: asyncio's shape, ends told from cuts."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import identities
from aio_talk import ada, closed, echo, open_to, port, quiet, run, serving
from bothways import (
    Truncated,
    UsageError,
)
from bothways.aio import StreamReader, StreamWriter
from bothways.aio.sending import SHORT_WRITE, WRITTEN_A_TURN

pytestmark = pytest.mark.network


@run
async def test_both_peers_know_each_other_and_what_they_agreed_on():
    """Peer, version, suite, group, alpn."""
    seen: list[str] = []

    async def talk(reader, writer) -> None:
        seen.append(writer.peer.names.common_name)
        await echo(reader, writer)

    async with serving(talk, identities.server_config(alpn=("echo/1",))) as server:
        assert server.is_serving()
        reader, writer = await open_to(server, ada(alpn=("echo/1",)), server_name="localhost")
        assert writer.peer.names.common_name == "server"
        assert (writer.version, writer.suite, writer.group) == ("1.3", "TLS_AES_128_GCM_SHA256", "x25519")
        assert (writer.alpn, writer.resumed, writer.warnings) == ("echo/1", False, [])
        assert writer.get_extra_info("peername") == ("127.0.0.1", port(server))
        assert writer.get_extra_info("nothing", 7) == 7
        assert writer.transport is not None
        assert writer.can_write_eof()
        writer.writelines([b"one ", b"two"])
        writer.write_eof()
        assert await reader.read() == b"one two"
        assert reader.at_eof()
        await closed(writer)
    assert seen == ["Ada"]


async def lines(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"one\ntwo\n")
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(b"three-")
    await asyncio.sleep(0.01)
    writer.write(b"-and a rest")


@run
async def test_reader_has_the_ways_of_asyncios_reader():
    """read, readexactly, readline, readuntil, iteration."""
    async with serving(lines) as server:
        reader, writer = await open_to(server)
        assert await reader.read(0) == b""
        assert await reader.readline() == b"one\n"
        assert await reader.read(2) == b"tw"
        assert await reader.readexactly(2) == b"o\n"
        assert await reader.readuntil(b"--") == b"three--"
        assert await reader.readexactly(0) == b""
        assert await reader.readline() == b"and a rest"
        assert await reader.readline() == b""
        assert await reader.read(1) == b""
        await closed(writer)
        reader, writer = await open_to(server)
        assert [line async for line in reader] == [b"one\n", b"two\n", b"three--and a rest"]
        await closed(writer)


@run
async def test_reader_tells_what_is_missing():
    """IncompleteReadError, LimitOverrunError as in asyncio; our caller's mistakes are UsageError."""
    async with serving(lines) as server:
        reader, writer = await open_to(server)
        with pytest.raises(asyncio.IncompleteReadError) as missing:
            await reader.readexactly(100)
        assert missing.value.partial == b"one\ntwo\nthree--and a rest"
        await closed(writer)
        reader, writer = await open_to(server)
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readuntil(b"nowhere")
        with pytest.raises(UsageError):
            await reader.readexactly(-1)
        with pytest.raises(UsageError):
            await reader.readuntil(b"")
        await closed(writer)
        reader, writer = await open_to(server, limit=16)
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil(b"nowhere")
        await closed(writer)


WHOLE = bytes(range(256)) * 800  # more than the buffer of a reader holds


@run
async def test_a_read_that_is_cancelled_or_fails_has_taken_nothing():
    """Whatever it had waited for, and wherever it stopped: the next call returns it, in order."""

    async def in_two(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(WHOLE[:150_000])
        await writer.drain()
        await reader.readexactly(2)  # one for each call that was cancelled
        writer.write(WHOLE[150_000:])
        await writer.drain()
        await reader.read()
        writer.transport.abort()  # no close_notify

    async with serving(in_two) as server:
        reader, writer = await open_to(server)
        for call in (partial(reader.readexactly, len(WHOLE)), reader.read):
            waiting = asyncio.ensure_future(call())
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            writer.write(b".")
        assert await reader.readexactly(10) == WHOLE[:10]
        assert await reader.readexactly(180_000) == WHOLE[10:180_010]
        writer.write_eof()
        for call in (
            partial(reader.readexactly, 100_000),
            reader.read,
            partial(reader.readuntil, b"none of it"),
        ):
            with pytest.raises(Truncated):
                await call()
        assert await reader.readexactly(len(WHOLE) - 180_010) == WHOLE[180_010:]
        with pytest.raises(Truncated):
            await reader.read(1)
        await closed(writer)


@run
async def test_a_long_line_goes_through_a_small_window():
    """A reader that needs more gets more though it had stopped the transport."""

    async def long_lines(reader, writer) -> None:
        for _ in range(20):
            writer.write(b"x" * 50_000 + b"\n")
            await writer.drain()

    async with serving(long_lines) as server:
        reader, writer = await open_to(server)
        for _ in range(20):
            assert len(await reader.readline()) == 50_001
        assert await reader.readline() == b""
        await closed(writer)


@run
async def test_a_reader_that_waits_for_more_gets_more_though_its_buffer_was_full():
    """Half-empty is not empty enough to go on by itself, but enough for a line that is not complete."""

    async def two_lines(reader, writer) -> None:
        writer.write(b"a" * 900 + b"\n" + b"b" * 600)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"c\n")

    async with serving(two_lines) as server:
        reader, writer = await open_to(server, limit=1000)
        await asyncio.sleep(0.02)
        assert len(await reader.readline()) == 901
        assert await reader.readline() == b"b" * 600 + b"c\n"
        await closed(writer)


@run
async def test_only_one_task_reads_at_a_time():
    """As in asyncio, the second is told so."""
    async with serving(quiet) as server:
        reader, writer = await open_to(server)
        first = asyncio.create_task(reader.read(1))
        await asyncio.sleep(0.01)
        with pytest.raises(UsageError):
            await reader.read(1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await closed(writer)
        with pytest.raises(UsageError):
            await reader.read(1)
        with pytest.raises(UsageError):
            await reader.readline()


@run
async def test_a_task_that_only_writes_lets_others_run():
    """However short its pieces are, and though there is always room for more."""
    async with serving(echo) as server:
        _, writer = await open_to(server)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        for _ in range(160):
            writer.write(b"x")
            await writer.drain()
        assert turns >= 160 * SHORT_WRITE // WRITTEN_A_TURN
        other.cancel()
        writer.transport.abort()


@run
async def test_truncation_is_raised_from_read_and_never_an_empty_read():
    """All authenticated data first, then Truncated."""

    async def cut(reader, writer) -> None:
        writer.write(b"half a sent")
        await writer.drain()
        writer.transport.close()

    async with serving(cut) as server:
        reader, writer = await open_to(server)
        assert await reader.read(5) == b"half "
        assert await reader.read(100) == b"a sent"
        for _ in range(2):
            with pytest.raises(Truncated):
                await reader.read(1)
        assert not reader.at_eof()
        with pytest.raises(Truncated):
            await reader.readline()
        with pytest.raises(Truncated):
            writer.write(b"x")
        with pytest.raises(Truncated):
            await writer.drain()
        await closed(writer)


@run
async def test_readline_raises_truncated_with_half_a_line():
    """Half a line is no line where the connection was cut."""

    async def cut(reader, writer) -> None:
        writer.write(b"half a li")
        await writer.drain()
        writer.transport.close()

    async with serving(cut) as server:
        reader, writer = await open_to(server)
        with pytest.raises(Truncated):
            await reader.readline()
        await closed(writer)


@run
async def test_one_side_may_close_while_the_other_continues():
    """RFC 9846 6.1: close_notify ends one direction."""

    async def late(reader, writer) -> None:
        question = await reader.read()
        writer.write(b"answer to " + question)

    async with serving(late) as server:
        reader, writer = await open_to(server)
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"answer to question"
        with pytest.raises(UsageError):
            writer.write(b"more")
        await closed(writer)


@run
async def test_closed_writers_are_not_used_again():
    """Our caller's mistake; a second close is none."""
    async with serving(echo) as server:
        _, writer = await open_to(server)
        assert not writer.is_closing()
        writer.close(linger=0.05)
        writer.close()
        assert writer.is_closing()
        with pytest.raises(UsageError):
            writer.write(b"x")
        await writer.wait_closed()
        assert await writer.confirmed(0) in ("unknown", "accepted")
