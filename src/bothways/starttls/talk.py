"""The plain text before TLS: bytes in any pieces, read strictly, within limits, and never ahead of a question.

What a script waits for it takes by `yield from`: each `yield` asks for more bytes. Whatever is there when we speak, or
when TLS begins, was sent by somebody who did not wait for us: it is refused (CVE-2011-0411, CVE-2021-23222).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NoReturn, TypeVar

from bothways.describe.escape import visible
from bothways.errors import StartTLSFailed, StartTLSProblem

LINE_LIMIT = 4096  # bytes of a line with its end; RFC 5321 4.5.3.1.5 has 512, IMAP names no limit
LINES_LIMIT = 256  # of all replies together
BYTES_LIMIT = 64 * 1024  # likewise
START = 5  # so many bytes tell which protocol it is
SAID = 200  # characters of a server's words

T = TypeVar("T")
Wait = Generator[None, None, T]


class Talk:
    """What was said, and what came of it. protocol: what it is called in errors."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self._came = bytearray()
        self._out = bytearray()
        self._searched = 0
        self._taken = 0
        self._lines = 0
        self._start = b""
        self._said = ""

    # -- for the caller ----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take bytes of the server."""
        self._start += data[: START - len(self._start)]
        self._came += data

    def outgoing(self) -> bytes:
        """Return what is to be sent, once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    @property
    def has_heard(self) -> bool:
        """Whether anything came that nobody read."""
        return bool(self._came)

    # -- for scripts -------------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Send something, now that the server is silent."""
        self.end()
        self._out += data

    def end(self) -> None:
        """Refuse what was sent without being asked for."""
        if self._came:
            self.fail(StartTLSProblem.SPOKE_AHEAD, self.unread())

    def starts(self, *beginnings: bytes) -> Wait[None]:
        """Wait for the first bytes, and refuse what begins as another protocol does."""
        while len(self._start) < START:
            yield
        if not self._start.startswith(beginnings):
            self.other()

    def line(self) -> Wait[bytes]:
        """Read a line without its CR LF; LF alone, and CR or NUL within, are refused (RFC 5321 2.3.8)."""
        while (end := self._came.find(b"\n", self._searched)) < 0:
            self._searched = len(self._came)
            self._hold(self._searched < LINE_LIMIT, f"a line of more than {LINE_LIMIT} bytes")
            yield
        self._hold(end < LINE_LIMIT, f"a line of more than {LINE_LIMIT} bytes")
        self._lines += 1
        self._hold(self._lines <= LINES_LIMIT, f"more than {LINES_LIMIT} lines")
        raw = self._take(end + 1)
        text = raw[:-2]
        if not raw.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            self.malformed("its lines do not end by CR LF alone", raw)
        self._said = quoted(text)
        return text

    def exactly(self, size: int, most: int = BYTES_LIMIT) -> Wait[bytes]:
        """Read so many bytes. most: what is refused before it is waited for."""
        self._hold(size <= most, f"{size} bytes, and {most} are accepted there")
        while len(self._came) < size:
            yield
        return self._take(size)

    def until(self, byte: bytes, most: int) -> Wait[bytes]:
        """Read up to a byte and that byte itself."""
        while (end := self._came.find(byte, self._searched)) < 0:
            self._searched = len(self._came)
            self._hold(self._searched < most, f"{most} bytes without an end")
            yield
        self._hold(end < most, f"{most} bytes without an end")
        return self._take(end + 1)

    # -- failures ----------------------------------------------------------------------------------------

    def fail(self, problem: StartTLSProblem, words: bytes | None = None, detail: str = "") -> NoReturn:
        """End it. words: what the server said; by default its last line."""
        said = self._said if words is None else quoted(words)
        raise StartTLSFailed(problem, self.protocol, said=said, start=self._start, detail=detail)

    def refused(self, words: bytes | None = None) -> NoReturn:
        """End it, since the server says no."""
        self.fail(StartTLSProblem.REFUSED, words)

    def turned_away(self, words: bytes | None = None) -> NoReturn:
        """End it, since the server serves us not at all."""
        self.fail(StartTLSProblem.TURNED_AWAY, words)

    def not_offered(self, words: bytes | None = None) -> NoReturn:
        """End it, since the server does not offer TLS."""
        self.fail(StartTLSProblem.NOT_OFFERED, words)

    def other(self, words: bytes = b"") -> NoReturn:
        """End it, since it is another protocol. words: what was read before what waits."""
        self.fail(StartTLSProblem.OTHER_PROTOCOL, words + self.unread())

    def too_much(self, detail: str) -> NoReturn:
        """End it, since nothing so large is accepted there."""
        self.fail(StartTLSProblem.TOO_MUCH, self.unread(), detail)

    def malformed(self, detail: str, words: bytes | None = None) -> NoReturn:
        """End it, since the server breaks the rules of its protocol."""
        self.fail(StartTLSProblem.MALFORMED, words, detail)

    def unread(self) -> bytes:
        """Return the beginning of what came and was not read."""
        return bytes(self._came[:SAID])

    def _hold(self, within: bool, detail: str) -> None:
        if not within:
            self.too_much(detail)

    def _take(self, size: int) -> bytes:
        self._taken += size
        self._hold(self._taken <= BYTES_LIMIT, f"more than {BYTES_LIMIT} bytes")
        data = bytes(self._came[:size])
        del self._came[:size]
        self._searched = 0
        return data


def quoted(words: bytes) -> str:
    """Return a server's words as short printable ASCII."""
    text = visible(words.decode("utf-8", "backslashreplace").strip(), SAID)
    return text.encode("ascii", "backslashreplace").decode("ascii")
