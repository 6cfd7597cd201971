"""The exchange before TLS: decoded strictly, within limits, and never ahead of the dialogue.

A script waits with `yield from`; each `yield` requests more bytes. Bytes that are already there when we send, or when
TLS starts, may be injected by an attacker: they are refused (CVE-2011-0411, CVE-2021-23222).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from bothways.describe.escape import visible
from bothways.errors import StartTLSFailed, StartTLSProblem

LINE_LIMIT = 4096  # bytes of a line with its end; RFC 5321 4.5.3.1.5 has 512, IMAP has no limit
LINES_LIMIT = 256  # lines of all replies together
BYTES_LIMIT = 64 * 1024  # bytes of all replies together
MESSAGE_LIMIT = 16 * 1024  # bytes of one binary message: of LDAP, or of a database
START = 5  # bytes needed to recognize a protocol
SAID = 200  # characters of a server's text in an error

# Of what a client says no more is told than the first of these commands: what follows may be a password.
NEED_TLS = (
    "MAIL", "RCPT", "DATA", "BDAT", "VRFY", "EXPN", "AUTH", "LOGIN", "AUTHENTICATE", "ENABLE", "SELECT", "EXAMINE",
    "NAMESPACE", "STATUS", "LIST", "IDLE",
)  # fmt: skip

T = TypeVar("T")
Wait = Generator[None, None, T]


@dataclass(frozen=True, slots=True)
class TalkLimits:
    """What a peer may send before TLS: bytes of a line, lines and bytes in total."""

    line: int = LINE_LIMIT
    lines: int = LINES_LIMIT
    total: int = BYTES_LIMIT


class Talk:
    """The bytes of one exchange, and its failures.

    protocol: its name in errors.  peer: "server" or "client": who sends what is read here.  `rest`: bytes that belong
    to TLS, where it began without a request.
    """

    def __init__(self, protocol: str, peer: str = "server", limits: TalkLimits | None = None) -> None:
        self.protocol = protocol
        self.rest = b""
        self._peer = peer
        self._limits = limits or TalkLimits()
        self._came = bytearray()
        self._out = bytearray()
        self._searched = 0
        self._taken = 0
        self._lines = 0
        self._start = b""
        self._said = ""

    # -- calls of `StartTLS` -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Add bytes received from the peer."""
        self._start += data[: START - len(self._start)]
        self._came += data

    def outgoing(self) -> bytes:
        """Return the bytes to be sent; each is returned once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    # -- calls of scripts ----------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes; refuse the peer if it has sent something unrequested."""
        self.end()
        self._out += data

    def end(self) -> None:
        """Finish; refuse the peer if it has sent something unrequested."""
        if self._came:
            self.fail(StartTLSProblem.SPOKE_AHEAD, self.unread())

    def reply_last(self, data: bytes) -> None:
        """Send bytes before the exchange fails, whatever the peer has sent meanwhile."""
        self._out += data

    def begin_tls(self, read: bytes) -> None:
        """Finish with the first bytes of TLS: those that were read, and all that wait."""
        self.rest = read + bytes(self._came)
        self._came.clear()

    def expect_start(self, *beginnings: bytes) -> Wait[None]:
        """Wait for the first bytes, and refuse a peer that starts with another protocol."""
        while len(self._start) < START:
            yield
        if not self._start.startswith(beginnings):
            self.other_protocol()

    def line(self) -> Wait[bytes]:
        """Read a line and return it without CR LF; a single LF, and CR or NUL within, are refused (RFC 5321 2.3.8)."""
        limits = self._limits
        while (end := self._came.find(b"\n", self._searched)) < 0:
            self._searched = len(self._came)
            self._require(self._searched < limits.line, f"a line of more than {limits.line} bytes")
            yield
        self._require(end < limits.line, f"a line of more than {limits.line} bytes")
        self._lines += 1
        self._require(self._lines <= limits.lines, f"more than {limits.lines} lines")
        raw = self._take(end + 1)
        text = raw[:-2]
        if not raw.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            self.malformed("its lines do not end by CR LF alone", raw)
        self._hear(text)
        return text

    def _hear(self, text: bytes) -> None:
        """Note a line; of a client the first command that needs TLS."""
        if self._peer == "server":
            self._said = quoted(text)
        elif not self._said:
            self._said = command_in(text)

    def read_exactly(self, size: int, most: int = BYTES_LIMIT) -> Wait[bytes]:
        """Read so many bytes. most: the limit, which is checked before waiting."""
        self._require(size <= most, f"{size} bytes, and {most} are accepted there")
        while len(self._came) < size:
            yield
        return self._take(size)

    def read_until(self, byte: bytes, most: int) -> Wait[bytes]:
        """Read up to a byte, and return all including it."""
        while (end := self._came.find(byte, self._searched)) < 0:
            self._searched = len(self._came)
            self._require(self._searched < most, f"{most} bytes without an end")
            yield
        self._require(end < most, f"{most} bytes without an end")
        return self._take(end + 1)

    # -- failures ----------------------------------------------------------------------------------------

    def fail(self, problem: StartTLSProblem, words: bytes | None = None, detail: str = "") -> NoReturn:
        """Raise StartTLSFailed. words: the peer's text; by default its last line, and of a client a command."""
        said = self._said
        if words is not None and self._peer == "server":
            said = quoted(words)
        raise StartTLSFailed(
            problem, self.protocol, said=said, start=self._start, detail=detail, peer=self._peer
        )

    def refused(self, words: bytes | None = None) -> NoReturn:
        """Raise StartTLSFailed: the peer refuses TLS."""
        self.fail(StartTLSProblem.REFUSED, words)

    def not_accepted(self, words: bytes | None = None) -> NoReturn:
        """Raise StartTLSFailed: the server accepts no client now, or not this one."""
        self.fail(StartTLSProblem.TURNED_AWAY, words)

    def not_offered(self, words: bytes | None = None) -> NoReturn:
        """Raise StartTLSFailed: the server does not offer TLS."""
        self.fail(StartTLSProblem.NOT_OFFERED, words)

    def other_protocol(self, words: bytes = b"") -> NoReturn:
        """Raise StartTLSFailed: the peer uses another protocol. words: bytes read before the ones that wait."""
        self.fail(StartTLSProblem.OTHER_PROTOCOL, words + self.unread())

    def limit_exceeded(self, detail: str) -> NoReturn:
        """Raise StartTLSFailed: a limit is exceeded."""
        self.fail(StartTLSProblem.TOO_MUCH, self.unread(), detail)

    def malformed(self, detail: str, words: bytes | None = None) -> NoReturn:
        """Raise StartTLSFailed: the peer violates its protocol."""
        self.fail(StartTLSProblem.MALFORMED, words, detail)

    def unread(self) -> bytes:
        """Return the first of the bytes that were not read."""
        return bytes(self._came[:SAID])

    def _require(self, within: bool, detail: str) -> None:
        if not within:
            self.limit_exceeded(detail)

    def _take(self, size: int) -> bytes:
        self._taken += size
        most = self._limits.total
        self._require(self._taken <= most, f"more than {most} bytes")
        data = bytes(self._came[:size])
        del self._came[:size]
        self._searched = 0
        return data


def command_in(line: bytes) -> str:
    """Return the command of a client's line that needs TLS, behind a tag or not; "" where there is none."""
    words = line[: 2 * SAID].decode("ascii", "replace").upper().split(maxsplit=2)[:2]
    return next((each for each in words if each in NEED_TLS), "")


def quoted(words: bytes) -> str:
    """Return a peer's text as short printable ASCII."""
    text = visible(words.decode("utf-8", "backslashreplace").strip(), SAID)
    return text.encode("ascii", "backslashreplace").decode("ascii")
