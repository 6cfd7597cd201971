"""What a peer may do wrong in HTTP/2, and what that ends: one of its streams, or the connection (RFC 9113 5.4).

A row has what it ends, the error code, the section of RFC 9113 that demands it, and a sentence. Nothing else decides
what an error ends. A stream error leaves the connection as it was: what it was found in had been decompressed already.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Ends(Enum):
    """What an error ends (RFC 9113 5.4.1, 5.4.2)."""

    CONNECTION = "connection"
    STREAM = "stream"


class ErrorCode(IntEnum):
    """Error codes of RST_STREAM and GOAWAY (RFC 9113 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


_CONNECTION, _STREAM = Ends.CONNECTION, Ends.STREAM
_WRONG, _SIZE = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR
_CALM = ErrorCode.ENHANCE_YOUR_CALM


class Rule(Enum):
    """What is wrong: what it ends, code, section of RFC 9113, and a sentence about the peer."""

    # frames
    PREFACE = (_CONNECTION, _WRONG, "3.4", "it does not begin with the preface of HTTP/2")
    FIRST_FRAME = (_CONNECTION, _WRONG, "3.4", "the first frame is no SETTINGS")
    TOO_LONG = (_CONNECTION, _SIZE, "4.2", "a frame is longer than is allowed")
    LENGTH = (_CONNECTION, _SIZE, "4.2", "a frame has a length that its type does not have")
    WITHOUT_STREAM = (_CONNECTION, _WRONG, "6", "a frame of a stream names none")
    WITH_STREAM = (_CONNECTION, _WRONG, "6", "a frame of the connection names a stream")
    PADDING = (_CONNECTION, _WRONG, "6.1", "a frame has more padding than content")
    WITHIN_HEAD = (_CONNECTION, _WRONG, "6.10", "another frame within a head")
    CONTINUATION = (_CONNECTION, _WRONG, "6.10", "a CONTINUATION without the beginning of a head")
    IDLE_STREAM = (_CONNECTION, _WRONG, "5.1", "a frame of a stream that was never opened")
    STREAM_NUMBER = (_CONNECTION, _WRONG, "5.1.1", "it opens a stream whose number it may not use")
    PUSH = (_CONNECTION, _WRONG, "8.4", "it pushes a response")
    SETTING = (_CONNECTION, _WRONG, "6.5.2", "a setting has a value that it cannot have")
    WINDOW_SETTING = (
        _CONNECTION, ErrorCode.FLOW_CONTROL_ERROR, "6.5.2", "the setting of the windows is above 2^31-1",
    )  # fmt: skip
    CONNECTION_INCREMENT = (_CONNECTION, _WRONG, "6.9", "it opens the window of the connection by nothing")
    STREAM_INCREMENT = (_STREAM, _WRONG, "6.9", "it opens the window of a stream by nothing")
    PRIORITY_LENGTH = (_STREAM, _SIZE, "6.3", "a PRIORITY has not 5 bytes")
    TOO_MANY_STREAMS = (_STREAM, ErrorCode.REFUSED_STREAM, "5.1.2", "too many requests at once")
    # what depends on the state of streams, which h2 knows
    STATE = (_CONNECTION, _WRONG, "5.1", "a frame that its stream, or the connection, does not allow now")
    ENDED_STREAM = (_CONNECTION, ErrorCode.STREAM_CLOSED, "5.1", "a frame of a stream that has ended")
    WINDOW = (
        _CONNECTION, ErrorCode.FLOW_CONTROL_ERROR, "6.9.1", "a window is exceeded, or opened beyond 2^31-1",
    )  # fmt: skip
    # what costs more than it brings
    FLOOD = (_CONNECTION, _CALM, "10.5", "it sent too many frames that bring nothing")
    HEAD_BYTES = (_CONNECTION, _CALM, "10.5.1", "the frames of a head have too many bytes")
    # heads
    COMPRESSION = (_CONNECTION, ErrorCode.COMPRESSION_ERROR, "4.3", "a head cannot be decompressed")
    NAME = (_STREAM, _WRONG, "8.2.1", "a field has a name that is none")
    VALUE = (_STREAM, _WRONG, "8.2.1", "a field has a value with NUL, a line end, or spaces around it")
    CONNECTION_FIELD = (_STREAM, _WRONG, "8.2.2", "a field is about one connection of HTTP/1.1")
    PSEUDO_FIELD = (
        _STREAM,
        _WRONG,
        "8.3",
        "a pseudo-header field is unknown here, repeated, or after other fields",
    )
    REQUEST_FIELDS = (_STREAM, _WRONG, "8.3.1", "the request lacks a pseudo-header field, or one is empty")
    AUTHORITY = (
        _STREAM,
        _WRONG,
        "8.3.1",
        "the authority of the request is missing, repeated, or not that of Host",
    )
    STATUS = (_STREAM, _WRONG, "8.3.2", "the response has no valid status")
    CONNECT = (_STREAM, _WRONG, "8.5", "CONNECT has a scheme or a path, or no authority")
    SWITCH = (_STREAM, _WRONG, "8.6", "the response switches to another protocol, which HTTP/2 has not")
    # messages
    CONTENT_LENGTH = (_STREAM, _WRONG, "8.1.1", "the body has another length than Content-Length says")
    ORDER = (_STREAM, _WRONG, "8.1", "the parts of the message are not in order")
    HEADS = (_STREAM, _CALM, "10.5", "heads of a response come faster than they can be passed on")
    FIELDS_BYTES = (_STREAM, _CALM, "10.5.1", "the fields of the head have too many bytes")

    @property
    def ends(self) -> Ends:
        """What it ends."""
        return self.value[0]

    @property
    def code(self) -> ErrorCode:
        """What the peer is told."""
        return self.value[1]

    @property
    def text(self) -> str:
        """What is wrong, and where that is said."""
        return f"{self.value[3]} (RFC 9113 {self.value[2]})"


class Violation(Exception):
    """A peer broke a rule. stream: the number of the stream where it did; 0 where that does not matter.

    is_told: whether the GOAWAY for it is among what is to be sent.
    """

    def __init__(self, rule: Rule, stream: int = 0, *, is_told: bool = False) -> None:
        self.rule = rule
        self.stream = stream
        self.is_told = is_told
        super().__init__(rule.text)
