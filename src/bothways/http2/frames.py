"""Frames of HTTP/2, by their heads: how long they may be (RFC 9113 4.1), and how many of them bring nothing.

h2 would collect a whole frame first, and says nothing of some that it ignores. It would collect 1 MiB of one head, too,
and would end every stream at GOAWAY.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

HEAD = 9
LIMIT = 16 * 1024  # RFC 9113 6.5.2: what SETTINGS_MAX_FRAME_SIZE is unless an endpoint says otherwise
END_HEADERS = 0x04  # a flag of HEADERS, PUSH_PROMISE and CONTINUATION
GOAWAY_LENGTH = 8  # bytes of its content without debug data
STREAM_BITS = 2**31 - 1  # of the number of a stream; the highest bit is reserved
PREFACE = 24  # bytes that a client sends before its first frame (RFC 9113 3.4)
# What a peer may cost by frames that bring nothing: so much at once, and so much more each second, for each KiB of a
# body, and for each request. A reset costs more than another frame, since a request was begun for it.
COST_AT_ONCE, COST_PER_SECOND, COST_OF_RESET = 2000.0, 200.0, 20.0
# What a part of a body gives back that we sent: gRPC replies to each by two WINDOW_UPDATE and a PING. Not for a part
# that a small window has cut: a peer could open its window by one byte each time.
ANSWERS_TO_PART = 3.0


class Kind(IntEnum):
    """Types of frames (RFC 9113 6)."""

    HEADERS = 1
    SETTINGS = 4
    PUSH_PROMISE = 5
    GOAWAY = 7
    CONTINUATION = 9


class BadFrame(ValueError):
    """A frame is longer than is allowed, or the first one is no SETTINGS."""


class TooCostly(ConnectionError):
    """The peer sends frames that bring nothing, or too many bytes for one head."""


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


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer takes no stream with a higher number than `last`; the others go on (RFC 9113 6.8)."""

    last: int
    code: int

    @property
    def frame(self) -> bytes:
        """The frame, without debug data."""
        content = self.last.to_bytes(4) + self.code.to_bytes(4)
        return len(content).to_bytes(3) + bytes((Kind.GOAWAY,)) + bytes(5) + content


class FrameReader:
    """Follows the frames of one direction, and takes out each GOAWAY: h2 would take it for the end of all streams.

    head_limit: the most bytes of the frames of one head.  skipped: bytes before the first frame.  limit: the most bytes
    of a frame without its own head.  goaways: those that came.
    """

    def __init__(self, head_limit: int, *, skipped: int = 0, limit: int = LIMIT) -> None:
        self.goaways: list[GoAway] = []
        self._head = bytearray()
        self._left = skipped
        self._limit, self._head_limit = limit, head_limit
        self._is_first = True
        self._in_head = False  # between HEADERS and the last CONTINUATION
        self._head_size = 0
        self._goaway: bytearray | None = None  # the content of one that is coming

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Follow these bytes; return how many frames began in them, and what h2 gets. Raises BadFrame, TooCostly."""
        at, count, rest = 0, 0, bytearray()
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                self._content(rest, data[at : at + step])
            else:
                step = min(HEAD - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                if len(self._head) == HEAD:
                    self._begin(rest)
                    count += 1
            at += step
        return count, bytes(rest)

    def _content(self, rest: bytearray, part: bytes) -> None:
        """Take a part of what a frame contains."""
        if self._goaway is None:
            rest += part
            return
        self._goaway += part[: GOAWAY_LENGTH - len(self._goaway)]
        if not self._left:
            last = int.from_bytes(self._goaway[:4]) & STREAM_BITS
            self.goaways.append(GoAway(last, int.from_bytes(self._goaway[4:])))
            self._goaway = None

    def _begin(self, rest: bytearray) -> None:
        """Take the head of a frame."""
        length, kind, flags = int.from_bytes(self._head[:3]), self._head[3], self._head[4]
        if length > self._limit:
            raise BadFrame(f"a frame of {length} bytes, where {self._limit} are allowed")
        if self._is_first and kind != Kind.SETTINGS:
            raise BadFrame("the first frame is no SETTINGS")
        if kind == Kind.GOAWAY and length >= GOAWAY_LENGTH and not self._in_head and not any(self._head[5:]):
            self._goaway = bytearray()
        else:  # what is wrong with any other is for h2 to find
            self._follow_head(kind, flags, length)
            rest += self._head
        self._is_first, self._left = False, length
        self._head.clear()

    def _follow_head(self, kind: int, flags: int, length: int) -> None:
        """Count the frames of one head together: h2 takes 64 of them."""
        if kind in (Kind.HEADERS, Kind.PUSH_PROMISE):
            self._head_size = 0
        elif kind != Kind.CONTINUATION:
            return
        self._head_size += length
        self._in_head = not flags & END_HEADERS
        if self._head_size > self._head_limit:
            raise TooCostly(f"the frames of a head have more than {self._head_limit} bytes")
