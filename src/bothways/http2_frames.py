"""Frames of HTTP/2, by their heads: how long they may be (RFC 9113 4.1), and how many of them bring nothing.

h2 would collect a whole frame first, and says nothing of some that it ignores.
"""

from __future__ import annotations

from collections.abc import Callable

HEAD = 9
LIMIT = 16 * 1024  # RFC 9113 6.5.2: what SETTINGS_MAX_FRAME_SIZE is unless an endpoint says otherwise
SETTINGS = 0x04
PREFACE = 24  # bytes that a client sends before its first frame (RFC 9113 3.4)
# What a peer may cost by frames that bring nothing: so much at once, and so much more each second, for each KiB of a
# body, and for each request. A reset costs more than another frame, since a request was begun for it.
COST_AT_ONCE, COST_PER_SECOND, COST_OF_RESET = 2000.0, 200.0, 20.0


class BadFrame(ValueError):
    """A frame is longer than is allowed, or the first one is no SETTINGS."""


class TooCostly(ConnectionError):
    """The peer sends frames that bring nothing."""


class Budget:
    """How much a peer may still cost. clock: the time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = COST_AT_ONCE
        self._since = clock()

    def spend(self, cost: float) -> None:
        """Take something. Raises TooCostly."""
        now = self._clock()
        self.earn((now - self._since) * COST_PER_SECOND)
        self._since = now
        self._left -= cost
        if self._left < 0:
            raise TooCostly("it sent too many frames that bring nothing")

    def earn(self, credit: float) -> None:
        """Give something back, since the peer brought something."""
        self._left = min(self._left + credit, COST_AT_ONCE)


class FrameLengths:
    """Follows the frames of one direction.

    skipped: bytes before the first frame.  limit: the most bytes of a frame without its head.
    """

    def __init__(self, *, skipped: int = 0, limit: int = LIMIT) -> None:
        self._head = bytearray()
        self._left = skipped
        self._limit = limit
        self._is_first = True

    def check(self, data: bytes) -> int:
        """Follow the frames in these bytes, and return how many heads of frames end in them. Raises BadFrame."""
        at = heads = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = min(HEAD - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                if len(self._head) == HEAD:
                    self._begin(int.from_bytes(self._head[:3]), self._head[3])
                    heads += 1
            at += step
        return heads

    def _begin(self, length: int, kind: int) -> None:
        if length > self._limit:
            raise BadFrame(f"a frame of {length} bytes, where {self._limit} are allowed")
        if self._is_first and kind != SETTINGS:
            raise BadFrame("the first frame is no SETTINGS")
        self._is_first, self._left = False, length
        self._head.clear()
