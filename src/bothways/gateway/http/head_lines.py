"""The lines of a head of HTTP/1.1 as they come: what parsers disagree about is refused."""

from __future__ import annotations

from bothways.gateway.http.messages import HEAD_LIMIT, RefusedRequest


class HeadParser:
    """The head of a request as it comes; what parsers disagree about is refused. `rest` came after it.

    That is lines that do not end in CR LF, and lines that go on in the next one (RFC 9112 2.2, 5.2).
    """

    def __init__(self) -> None:
        self._came = bytearray()
        self._line = 0  # where the last line begins
        self._end: int | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything came."""
        return bool(self._came)

    @property
    def is_whole(self) -> bool:
        """Whether its last line has come."""
        return self._end is not None

    @property
    def text(self) -> bytes:
        """All of it, with the empty line."""
        return bytes(self._came[: self._end])

    @property
    def rest(self) -> bytes:
        """What came after it."""
        return bytes(self._came[self._end :])

    def take(self, data: bytes) -> None:
        """Take what came. Raises RefusedRequest."""
        at = len(self._came)
        self._came += data
        while self._end is None and (at := self._came.find(b"\n", at)) >= 0:
            at += 1
            self._check(bytes(self._came[self._line : at]))
            if at - self._line == 2:
                self._end = at
            self._line = at
        if (self._end or len(self._came)) > HEAD_LIMIT:
            raise RefusedRequest(431, f"the head of the request has more than {HEAD_LIMIT} bytes")

    def _check(self, line: bytes) -> None:
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise RefusedRequest(400, "a line of the head does not end in CR LF")
        if self._line and line[:1] in (b" ", b"\t"):
            raise RefusedRequest(400, "a header field goes on in a second line")
