"""The idle time of a connection: how long no byte was sent or received in either direction.

A limit for each call would not do: a client that downloads for hours sends nothing meanwhile.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from bothways.errors import TimedOut
from bothways.net.channel import Channel

LOOK_SECONDS = 15.0  # seconds of one wait, after which the other direction is checked
HALF_CLOSED_SECONDS = 600.0  # seconds, for a connection with one direction closed
CHUNK = 64 * 1024


class Activity:
    """The idle limit of one connection, used by all of its threads.

    limit: seconds without a byte in either direction, None for no limit; a half-closed connection has at most ten
    minutes. on_activity: called after each transfer.
    """

    def __init__(self, limit: float | None, on_activity: Callable[[], object] = lambda: None) -> None:
        self.limit = limit
        self._on_activity = on_activity
        self._last = time.monotonic()

    def watch(self, *ends: Channel | socket.socket) -> None:
        """Set time limits on these ends, so that their calls return in time for a check."""
        limit = HALF_CLOSED_SECONDS if self.limit is None else self.limit
        for each in ends:
            each.settimeout(min(limit / 4, LOOK_SECONDS))

    def half_close(self) -> None:
        """One direction has ended: the other may be idle for ten minutes, or for the limit if that is shorter."""
        self.limit = HALF_CLOSED_SECONDS if self.limit is None else min(self.limit, HALF_CLOSED_SECONDS)

    def receive(self, source: Channel | socket.socket) -> bytes:
        """Return received bytes, b"" at the end; raises TimeoutError when the connection was idle for too long."""
        while True:
            try:
                data = source.recv(CHUNK)
            except TimeoutError as late:
                self._check_idle(late)
            else:
                self._note_activity()
                return data

    def send(self, target: Channel | socket.socket, data: bytes) -> None:
        """Send all of `data`; raises TimeoutError when the connection was idle for too long."""
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
                self._check_idle(late)
                left = b""  # the channel keeps what it could not send, and continues with it
            else:
                self._note_activity()
                return

    def _send_plain(self, target: socket.socket, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[target.send(view) :]
            except TimeoutError as late:
                self._check_idle(late)
            else:
                self._note_activity()

    def _note_activity(self) -> None:
        self._last = time.monotonic()
        self._on_activity()

    def _check_idle(self, late: TimeoutError) -> None:
        """Return if the connection was not idle for too long; else raise `late`, as for a timeout of the network."""
        if late.errno is not None:
            raise late
        if self.limit is not None and time.monotonic() - self._last >= self.limit:
            raise TimedOut(
                f"the connection timed out: no data was sent or received for {self.limit:g} seconds"
            ) from None
