"""Where an event loop puts what it reads: one buffer for all connections of a thread, which each empties at once.

A transport that makes its own buffer for each read takes 256 KiB from the system for a message of 1 kB.
"""

from __future__ import annotations

import asyncio
import threading

READ_AT_ONCE = 64 * 1024


class _Buffer(threading.local):
    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_AT_ONCE))


_buffer = _Buffer()


class ReadingProtocol(asyncio.BufferedProtocol):
    """A protocol that is read for into the buffer of its thread, and gets what came by `data_received`.

    A loop asks for the buffer when there is something to read, and tells of it before it does anything else.
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes."""
        del sizehint
        return _buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """Take it from there."""
        self.data_received(bytes(_buffer.view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Called with what came."""
