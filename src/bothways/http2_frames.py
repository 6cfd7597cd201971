"""The lengths of HTTP/2 frames, checked by their heads (RFC 9113 4.1): h2 would collect a whole frame first."""

from __future__ import annotations

HEAD = 9
LIMIT = 16 * 1024  # RFC 9113 6.5.2: what SETTINGS_MAX_FRAME_SIZE is unless an endpoint says otherwise
SETTINGS = 0x04
PREFACE = 24  # bytes that a client sends before its first frame (RFC 9113 3.4)


class BadFrame(ValueError):
    """A frame is longer than is allowed, or the first one is no SETTINGS."""


class FrameLengths:
    """Follows the frames of one direction.

    skipped: bytes before the first frame.  limit: the most bytes of a frame without its head.
    """

    def __init__(self, *, skipped: int = 0, limit: int = LIMIT) -> None:
        self._head = bytearray()
        self._left = skipped
        self._limit = limit
        self._is_first = True

    def check(self, data: bytes) -> None:
        """Follow the frames in these bytes. Raises BadFrame."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = min(HEAD - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                if len(self._head) == HEAD:
                    self._begin(int.from_bytes(self._head[:3]), self._head[3])
            at += step

    def _begin(self, length: int, kind: int) -> None:
        if length > self._limit:
            raise BadFrame(f"a frame of {length} bytes, where {self._limit} are allowed")
        if self._is_first and kind != SETTINGS:
            raise BadFrame("the first frame is no SETTINGS")
        self._is_first, self._left = False, length
        self._head.clear()
