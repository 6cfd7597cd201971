"""The receive buffer of an event loop: one for all connections of a thread, emptied after each read.

A transport that creates its own buffer allocates 256 KiB for each read, even of a short message.
"""

from __future__ import annotations

import asyncio
import threading

READ_AT_ONCE = 64 * 1024
READ_TO_WAIT = (
    17 * 1024
)  # a record, of what cannot be processed in this turn of the loop: that is read in little time


class _Buffer(threading.local):
    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_AT_ONCE))
        self.small_view = self.view[:READ_TO_WAIT]


_buffer = _Buffer()


class ReadingProtocol(asyncio.BufferedProtocol, asyncio.Protocol):
    """A protocol that gets bytes by `data_received`; asyncio's transports read them into the buffer of the thread.

    The event loop calls `get_buffer` and `buffer_updated` without another callback between them. uvloop calls
    `data_received` itself: it has such a buffer of its own, and takes for a BufferedProtocol only what is no Protocol.
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer of this thread."""
        del sizehint
        return _buffer.view if self.has_room else _buffer.small_view

    @property
    def has_room(self) -> bool:
        """Whether what is read can be processed in this turn of the loop."""
        return True

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the received bytes on."""
        self.data_received(_buffer.view[:nbytes].tobytes())

    def data_received(self, data: bytes) -> None:
        """Called with the received bytes."""
