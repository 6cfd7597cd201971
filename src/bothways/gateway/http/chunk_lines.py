"""The lines of a chunked body that h11 reads: checked as those of a head, as parsers disagree about others.

h11 takes LF for CR LF after the last chunk, and joins lines that go on in the next one (RFC 9112 2.2, 5.2, 7.1).
"""

from __future__ import annotations

import re

from bothways.gateway.http.head_lines import HeadParser
from bothways.gateway.http.messages import RefusedRequest

_SIZE = re.compile(rb"([0-9a-fA-F]{1,20})(?:;[^\r\n]*)?[ \t]*\r\n")


class ChunkLines:
    """Follows the chunks as they come, up to the end of the body; what they contain is of no interest here."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._left = 0  # bytes of a chunk, with its line end
        self._trailers: HeadParser | None = None

    def take(self, data: bytes) -> None:
        """Look at what came. Raises RefusedRequest."""
        at = 0
        while at < len(data) and self._trailers is None:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = self._take_line(data, at)
            at += step
        if self._trailers is not None and not self._trailers.is_whole:
            self._take_trailers(data[at:])

    def _take_line(self, data: bytes, at: int) -> int:
        """Take a part of the line with the size of a chunk, and return how long it is."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        if not end:
            return len(data) - at
        size = _SIZE.fullmatch(bytes(self._line))
        if size is None:
            raise RefusedRequest(400, "the body of the request: illegal chunk header")
        self._line.clear()
        self._left = int(size[1], 16)
        if self._left:
            self._left += len(b"\r\n")
        else:
            self._trailers = HeadParser()
        return end - at

    def _take_trailers(self, data: bytes) -> None:
        if self._trailers is None:
            return
        try:
            self._trailers.take(data)
        except RefusedRequest as refused:
            raise RefusedRequest(400, f"after the body of the request: {refused}") from None
