"""When bytes last passed on a connection, either way, and how long may pass without any.

A limit for each single call would not do: whoever downloads for hours says nothing himself meanwhile.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from bothways.errors import TimedOut
from bothways.net.channel import Channel

LOOK_SECONDS = 15.0  # how long a call waits at most before it looks whether the other way is alive
HALF_CLOSED_SECONDS = 600.0  # for a connection of which one way has ended
CHUNK = 64 * 1024


class Activity:
    """The idle limit of one connection, for all threads that serve it.

    limit: seconds without a byte either way, None for any; a connection that is half closed has ten minutes at
    most.  stirred: is called whenever something passed.
    """

    def __init__(self, limit: float | None, stirred: Callable[[], object] = lambda: None) -> None:
        self.limit = limit
        self._stirred = stirred
        self._last = time.monotonic()

    def watch(self, *ends: Channel | socket.socket) -> None:
        """Have calls on these return in time to look."""
        limit = HALF_CLOSED_SECONDS if self.limit is None else self.limit
        for each in ends:
            each.settimeout(min(limit / 4, LOOK_SECONDS))

    def half_close(self) -> None:
        """One way has ended: the other may be silent for ten minutes, or the limit where that is shorter."""
        self.limit = HALF_CLOSED_SECONDS if self.limit is None else min(self.limit, HALF_CLOSED_SECONDS)

    def receive(self, source: Channel | socket.socket) -> bytes:
        """Return what comes next, b"" at the end; raises TimeoutError when nothing passed for too long."""
        while True:
            try:
                data = source.recv(CHUNK)
            except TimeoutError as late:
                self._look(late)
            else:
                self._stir()
                return data

    def send(self, target: Channel | socket.socket, data: bytes) -> None:
        """Send all of `data`; raises TimeoutError when nothing passed for too long."""
        if isinstance(target, Channel):
            self._send_sealed(target, data)
        else:
            self._send_plain(target, data)

    def _send_sealed(self, target: Channel, data: bytes) -> None:
        left = data
        while True:
            try:
                target.sendall(left)
            except TimeoutError as late:
                self._look(late)
                left = b""  # the channel keeps what it could not send yet, and goes on with it
            else:
                self._stir()
                return

    def _send_plain(self, target: socket.socket, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[target.send(view) :]
            except TimeoutError as late:
                self._look(late)
            else:
                self._stir()

    def _stir(self) -> None:
        self._last = time.monotonic()
        self._stirred()

    def _look(self, late: TimeoutError) -> None:
        """Go on unless nothing passed for too long, or it was the network that gave up."""
        if late.errno is not None:
            raise late
        if self.limit is not None and time.monotonic() - self._last >= self.limit:
            raise TimedOut(
                f"the connection timed out: no data was sent or received for {self.limit:g} seconds"
            ) from None
