"""A connection as a stream: bounded both ways, and never longer waited for than said."""

from __future__ import annotations

import asyncio

import pytest

from bothways.gateway.relay.streams import BUFFER_LIMIT, ByteStream
from gateway_http import Wire


def test_data_that_is_not_read_stops_the_peer_until_it_is() -> None:
    async def talk() -> None:
        stream, wire = ByteStream(), Wire()
        stream.connection_made(wire)
        stream.data_received(bytes(BUFFER_LIMIT))
        assert wire.reading
        stream.data_received(b"x")
        assert not wire.reading
        taken = 0
        while taken <= BUFFER_LIMIT // 2:
            assert not wire.reading
            taken += len(await stream.read())
        assert wire.reading and stream.received == BUFFER_LIMIT + 1

    asyncio.run(talk())


def test_a_writer_waits_while_the_peer_takes_something_and_no_longer() -> None:
    async def talk() -> None:
        stream, wire = ByteStream(), Wire()
        stream.connection_made(wire)
        stream.pause_writing()
        wire.left = 100

        async def take() -> None:
            for _ in range(4):
                await asyncio.sleep(0.03)
                wire.left -= 10
            stream.resume_writing()

        taking = asyncio.ensure_future(take())
        await stream.write(b"data", 0.05)
        await taking
        stream.pause_writing()
        with pytest.raises(TimeoutError):
            await stream.write(b"data", 0.02)
        assert stream.sent == 8

    asyncio.run(talk())


def test_the_end_and_the_loss_of_a_connection_are_two_things() -> None:
    async def talk() -> None:
        stream = ByteStream()
        stream.connection_made(Wire())
        assert stream.is_fresh
        stream.data_received(b"last")
        assert not stream.is_fresh
        stream.eof_received()
        assert [await stream.read(), await stream.read()] == [b"last", b""]
        stream.put_back(b"again")
        assert await stream.read() == b"again"
        other = ByteStream()
        other.connection_made(Wire())
        reading = asyncio.ensure_future(other.read())
        await asyncio.sleep(0)
        other.connection_lost(ValueError("an alert\nand more"))
        with pytest.raises(ConnectionError, match="^an alert$"):
            await reading
        with pytest.raises(ConnectionError, match="an alert"):
            await other.write(b"x", 1.0)
        assert other.lost.done() and other.left == 0

    asyncio.run(talk())
