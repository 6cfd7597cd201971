"""Frames of HTTP/2: cut from the bytes of a peer, and checked alone, before anything is done with them (RFC 9113 6).

A frame that is too long is refused by its head, before its content is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from bothways.http2.violations import Rule, Violation

HEAD = 9
LIMIT = 16 * 1024  # RFC 9113 6.5.2: what SETTINGS_MAX_FRAME_SIZE is unless an endpoint says otherwise
STREAM_BITS = 2**31 - 1  # of the number of a stream; the highest bit is reserved
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # what a client sends before its first frame (RFC 9113 3.4)
ACK = END_STREAM = 0x01
END_HEADERS, PADDED, PRIORITY_FIELDS = 0x04, 0x08, 0x20
PRIORITY_LENGTH = 5


class Kind(IntEnum):
    """Types of frames (RFC 9113 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


OF_CONNECTION = frozenset({Kind.SETTINGS, Kind.PING, Kind.GOAWAY})
OF_EITHER = frozenset({Kind.WINDOW_UPDATE})
LENGTHS = {Kind.RST_STREAM: 4, Kind.PING: 8, Kind.WINDOW_UPDATE: 4}  # those with one length
SETTING_LENGTH = 6
GOAWAY_LENGTH = 8  # bytes of its content without debug data


class Setting(IntEnum):
    """The settings whose values are limited (RFC 9113 6.5.2, RFC 8441 3)."""

    ENABLE_PUSH = 2
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    ENABLE_CONNECT_PROTOCOL = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: type, flags, number of the stream, and content."""

    kind: int
    flags: int
    stream: int
    content: bytes = b""

    @property
    def wire(self) -> bytes:
        """Its bytes."""
        head = len(self.content).to_bytes(3) + bytes((self.kind, self.flags)) + self.stream.to_bytes(4)
        return head + self.content


@dataclass(frozen=True, slots=True)
class GoAway:
    """The peer takes no stream with a higher number than `last`; the others go on (RFC 9113 6.8)."""

    last: int
    code: int

    @classmethod
    def of(cls, frame: Frame) -> GoAway:
        """Return what a frame says, without debug data."""
        last = int.from_bytes(frame.content[:4]) & STREAM_BITS
        return cls(last, int.from_bytes(frame.content[4:GOAWAY_LENGTH]))

    @property
    def wire(self) -> bytes:
        """The bytes of the frame, without debug data."""
        return Frame(Kind.GOAWAY, 0, 0, self.last.to_bytes(4) + self.code.to_bytes(4)).wire


class FrameReader:
    """Cuts the bytes of one direction into frames. preface: what has to come before them.

    limit: the most bytes of a frame without its own head.
    """

    def __init__(self, preface: bytes = b"", limit: int = LIMIT) -> None:
        self._preface = preface
        self._limit = limit
        self._came = bytearray()
        self._is_first = True

    @property
    def is_within_frame(self) -> bool:
        """Whether a frame has come in part."""
        return bool(self._came)

    def take(self, data: bytes) -> Iterator[Frame]:
        """Take bytes, and yield each frame that is whole. Raises Violation; then nothing more may be taken."""
        self._came += data
        at = 0
        try:
            at = self._after_preface()
            while not self._preface and (frame := self._frame(at)) is not None:
                at += HEAD + len(frame.content)
                yield frame
        finally:
            del self._came[:at]

    def _after_preface(self) -> int:
        """Compare what came with the preface; return how much of it that was."""
        size = min(len(self._preface), len(self._came))
        if self._came[:size] != self._preface[:size]:
            raise Violation(Rule.PREFACE)
        self._preface = self._preface[size:]
        return size

    def _frame(self, at: int) -> Frame | None:
        """Return the frame that begins there; None where it is not whole."""
        came = self._came
        if len(came) < at + HEAD:
            return None
        length, kind, flags = int.from_bytes(came[at : at + 3]), came[at + 3], came[at + 4]
        if self._is_first and (kind != Kind.SETTINGS or flags & ACK):
            raise Violation(Rule.FIRST_FRAME)
        if length > self._limit:
            raise Violation(Rule.TOO_LONG)
        if len(came) < at + HEAD + length:
            return None
        self._is_first = False
        stream = int.from_bytes(came[at + 5 : at + HEAD]) & STREAM_BITS
        return Frame(kind, flags, stream, bytes(came[at + HEAD : at + HEAD + length]))


def check(frame: Frame, *, from_client: bool) -> None:
    """Raise Violation for what is wrong with a frame by itself; its type is one of `Kind`.

    from_client: whether a client sent it.
    """
    if frame.kind in OF_CONNECTION:
        if frame.stream:
            raise Violation(Rule.WITH_STREAM)
    elif not frame.stream and frame.kind not in OF_EITHER:
        raise Violation(Rule.WITHOUT_STREAM)
    length = len(frame.content)
    if length != LENGTHS.get(Kind(frame.kind), length):
        raise Violation(Rule.LENGTH)
    match frame.kind:
        case Kind.SETTINGS:
            _check_settings(frame, from_client=from_client)
        case Kind.GOAWAY if length < GOAWAY_LENGTH:
            raise Violation(Rule.LENGTH)
        case Kind.PUSH_PROMISE:
            raise Violation(Rule.PUSH)
        case Kind.WINDOW_UPDATE if not int.from_bytes(frame.content) & STREAM_BITS:
            rule = Rule.STREAM_INCREMENT if frame.stream else Rule.CONNECTION_INCREMENT
            raise Violation(rule, frame.stream)
        case Kind.PRIORITY if length != PRIORITY_LENGTH:
            raise Violation(Rule.PRIORITY_LENGTH, frame.stream)


def _check_settings(frame: Frame, *, from_client: bool) -> None:
    """Check each setting of a frame, also one that another in it follows (RFC 9113 6.5.3)."""
    content = frame.content
    if len(content) % SETTING_LENGTH or (frame.flags & ACK and content):
        raise Violation(Rule.LENGTH)
    for at in range(0, len(content), SETTING_LENGTH):
        value = int.from_bytes(content[at + 2 : at + SETTING_LENGTH])
        match int.from_bytes(content[at : at + 2]):
            case Setting.ENABLE_PUSH if value > from_client:
                raise Violation(Rule.SETTING)
            case Setting.INITIAL_WINDOW_SIZE if value > STREAM_BITS:
                raise Violation(Rule.WINDOW_SETTING)
            case Setting.MAX_FRAME_SIZE if not LIMIT <= value < 2**24:
                raise Violation(Rule.SETTING)
            case Setting.ENABLE_CONNECT_PROTOCOL if value > 1:
                raise Violation(Rule.SETTING)


def unpadded(frame: Frame) -> bytes:
    """Return the content of DATA or HEADERS without padding, and without fields of priority. Raises Violation."""
    content = frame.content
    if frame.flags & PADDED:
        if not content:
            raise Violation(Rule.LENGTH)
        if content[0] >= len(content):
            raise Violation(Rule.PADDING)
        content = content[1 : len(content) - content[0]]
    if frame.kind == Kind.HEADERS and frame.flags & PRIORITY_FIELDS:
        if len(content) < PRIORITY_LENGTH:
            raise Violation(Rule.PADDING if frame.flags & PADDED else Rule.LENGTH)
        content = content[PRIORITY_LENGTH:]
    return content
