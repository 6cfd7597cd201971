"""A connection as a stream of bytes each way, bounded both ways: for the protocols of HTTP on either side."""

from __future__ import annotations

import asyncio
from typing import Any

from bothways.aio.reading import ReadingProtocol
from bothways.aio.transport import TLSTransport
from bothways.errors import without_frames
from bothways.gateway.relay.transported import Transported

BUFFER_LIMIT = 64 * 1024
READ_AT_ONCE = 16 * 1024


class ByteStream(Transported, asyncio.Protocol):
    """The protocol of one connection. `received` and `sent` count its bytes. `error` is why it was lost, if known."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = self.sent = 0
        self.is_lost = self.has_ended = False
        self.error: Exception | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._paused = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    # -- what asyncio and TLS call ---------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """The connection is there."""
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Keep what came; stop reading when there is enough."""
        self.received += len(data)
        self._buffer += data
        if len(self._buffer) > BUFFER_LIMIT and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """Nothing more comes; the other way stays open."""
        self.has_ended = True
        self._news.set()
        return True

    def pause_writing(self) -> None:
        """The peer takes nothing more for now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.is_lost = True
        self.error = error and without_frames(error)
        self._news.set()
        self._room.set()
        if not self.lost.done():
            self.lost.set_result(None)

    # -- what the protocols of HTTP call ---------------------------------------------------------------

    @property
    def is_fresh(self) -> bool:
        """Whether it is there, and nothing has come that was not read, not even its end."""
        return not (self.is_lost or self.has_ended or self._buffer)

    @property
    def has_unread(self) -> bool:
        """Whether something has come that was not read."""
        return bool(self._buffer)

    async def read(self, most: int = READ_AT_ONCE) -> bytes:
        """Return what has come, as soon as there is something; nothing at the end. Raises ConnectionError if lost."""
        while not self._buffer:
            if self.has_ended:
                return b""
            if self.is_lost:
                raise self._loss()
            self._news.clear()
            await self._news.wait()
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        if self._paused and len(self._buffer) <= BUFFER_LIMIT // 2:
            self._paused = False
            if not self.is_lost:
                self.transport.resume_reading()
        return data

    def _loss(self) -> ConnectionResetError:
        """Return the error of a connection that is lost; why it was is its cause."""
        found = ConnectionResetError(_first_line(self.error) or "the connection was lost")
        found.__cause__ = self.error
        return found

    def put_back(self, data: bytes) -> None:
        """Have the next `read` begin with this, which was read too much."""
        self._buffer[:0] = data

    async def write(self, data: bytes, patience: float | None) -> None:
        """Send, and wait until there is room for more. Raises ConnectionError if lost, TimeoutError if stuck.

        patience: seconds in which the peer has to take something of what is to be sent; None waits for ever.
        """
        if self.is_lost:
            raise self._loss()
        self.sent += len(data)
        self.transport.write(data)
        while not self._room.is_set():
            before = self.left
            try:
                async with asyncio.timeout(patience):
                    await self._room.wait()
            except TimeoutError:
                if self.left >= before:
                    raise
        if self.is_lost:
            raise self._loss()

    def close(self, linger: float = 0.0) -> None:
        """Close in order. linger: seconds to wait for the end of a peer that still sends, so that it reads our last."""
        if self.transport is None or self.is_lost:
            return
        if isinstance(self.transport, TLSTransport):
            self.transport.close(linger)
        else:
            self.transport.close()

    def end(self, *, in_order: bool) -> None:
        """End at once: in order if that is wanted and the peer has taken all, else with a reset."""
        if in_order and not self.left:
            self.close()
        else:
            self.cut()


class PlainStream(ByteStream, ReadingProtocol):
    """A stream without TLS."""


def _first_line(error: Exception | None) -> str:
    return "" if error is None else str(error).partition("\n")[0]
