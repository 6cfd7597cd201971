"""What comes on one connection of HTTP/2: checked frame by frame, and then given to h2, which keeps the streams.

Each frame is checked by itself, each head is decompressed and checked, and bodies are compared with Content-Length.
What is wrong ends a stream or the connection, as `violations` say. h2 gets only what is right by all that, and of a
head only what the state of its stream depends on; what it still refuses ends the connection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import h2.events
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hpack import HeaderTuple, HPACKError, OversizedHeaderListError

from bothways.http2.budget import COST_OF_RESET, Budget
from bothways.http2.engine import BoundedDecoder, http2_connection
from bothways.http2.frames import (
    END_HEADERS,
    END_STREAM,
    PREFACE,
    Frame,
    FrameReader,
    GoAway,
    Kind,
    check,
    unpadded,
)
from bothways.http2.heads import BODYLESS, Field, check_request, check_response, check_trailers, length_of
from bothways.http2.violations import Ends, ErrorCode, Rule, Violation

# Fields of up to so many times of what the peer was told are decompressed still, so that they end a stream at most.
DECOMPRESSED = 2
COST_OF_FIELD = 32  # bytes of the table of HPACK (RFC 7541 4.1)
KNOWN = frozenset(map(int, Kind))
# What h2 says of a head, from which we keep the fields.
HEADS = (
    h2.events.RequestReceived,
    h2.events.InformationalResponseReceived,
    h2.events.ResponseReceived,
    h2.events.TrailersReceived,
)
# What h2 refuses in the end, by the code that it tells.
BY_CODE: Mapping[int, Rule] = {each.code: each for each in (Rule.ENDED_STREAM, Rule.WINDOW)}


class HeadKind(Enum):
    """Which head of a message it is."""

    REQUEST = "request"
    INFORMATIONAL = "informational response"
    RESPONSE = "response"
    TRAILERS = "trailers"


@dataclass(frozen=True, slots=True)
class ReceivedHead:
    """A head that came. is_end: nothing follows.  is_too_large: its fields have more bytes than the peer was told."""

    stream: int
    kind: HeadKind
    fields: list[Field] = field(repr=False)
    is_end: bool = False
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """A stream ended by what the peer did wrong; it was told so. fields: of the head that began it, where that did."""

    stream: int
    rule: Rule
    fields: list[Field] | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Message:
    """What comes on one stream: its length and what has come of it, after its final head. has_content: it may."""

    has_begun: bool = False
    has_content: bool = True
    length: int | None = None
    came: int = 0


class Receiver:
    """One side of a connection. `http` is h2, for all that is sent; `budget` is what the peer may cost.

    head_limit: bytes of the fields of one head, as HPACK counts them.  clock: the time in seconds.  settings: more of
    ours than that limit.
    """

    def __init__(
        self,
        *,
        client_side: bool,
        head_limit: int,
        clock: Callable[[], float],
        settings: Mapping[SettingCodes, int] | None = None,
    ) -> None:
        self.http = http2_connection(client_side=client_side, head_limit=head_limit, settings=settings)
        self.budget = Budget(clock)
        self._client_side = client_side
        self._head_limit = head_limit
        self._most_streams = (settings or {}).get(SettingCodes.MAX_CONCURRENT_STREAMS, 0)
        self._frames = FrameReader(b"" if client_side else PREFACE)
        self._decoder = BoundedDecoder()
        self._decoder.max_header_list_size = DECOMPRESSED * head_limit
        self._messages: dict[int, _Message] = {}  # by the number of the stream, until the message has ended
        self._head: Frame | None = None  # HEADERS whose block has not ended
        self._block = bytearray()
        if not client_side:
            self.http.receive_data(PREFACE)

    # -- what is sent ----------------------------------------------------------------------------------

    def requests(self, stream: int, method: bytes) -> None:
        """Note that a request is made on a stream, before it is sent, so that its response is understood."""
        self._messages[stream] = _Message(has_content=method != b"HEAD")

    def reset(self, stream: int, code: int) -> None:
        """End a stream by an error, if it has not ended."""
        self._messages.pop(stream, None)
        with contextlib.suppress(H2Error):
            self.http.reset_stream(stream, code)

    # -- what comes ------------------------------------------------------------------------------------

    @property
    def is_within_frame(self) -> bool:
        """Whether a frame has come in part, or a head whose other frames are to come."""
        return self._head is not None or self._frames.is_within_frame

    def take(self, data: bytes) -> Iterator[Any]:
        """Take bytes, and yield what they mean: `ReceivedHead`, `StreamFailed`, `GoAway`, and other events of h2.

        Raises Violation; then the connection has to end.
        """
        for frame in self._frames.take(data):
            self.budget.spend(1)
            try:
                yield from self._take(frame)
            except Violation as violation:
                if violation.rule.ends is Ends.CONNECTION:
                    raise
                yield from self._fail(violation)

    def _take(self, frame: Frame) -> Iterator[Any]:
        if self._head is not None and (frame.kind != Kind.CONTINUATION or frame.stream != self._head.stream):
            raise Violation(Rule.WITHIN_HEAD)
        if frame.kind not in KNOWN:  # RFC 9113 5.5
            return
        self._check(frame)
        match frame.kind:
            case Kind.HEADERS:
                self._head = frame
                self._block = bytearray(unpadded(frame))
                yield from self._go_on_with_head(frame)
            case Kind.CONTINUATION if self._head is None:
                raise Violation(Rule.CONTINUATION)
            case Kind.CONTINUATION:
                self._block += frame.content
                yield from self._go_on_with_head(frame)
            case Kind.GOAWAY:
                yield GoAway.of(frame)
            case Kind.PRIORITY:  # RFC 9113 5.3.2
                return
            case Kind.DATA:
                yield from self._data(frame)
            case _:
                yield from self._given(frame)

    def _check(self, frame: Frame) -> None:
        """Raise Violation for a frame that is wrong by itself, or on a stream that was never opened (RFC 9113 5.1)."""
        is_idle = bool(frame.stream) and self._is_idle(frame.stream)
        try:
            check(frame, from_client=not self._client_side)
        except Violation as violation:
            if is_idle and violation.rule.ends is Ends.STREAM:
                raise Violation(Rule.IDLE_STREAM) from None
            raise
        if is_idle and frame.kind not in (Kind.HEADERS, Kind.PRIORITY, Kind.CONTINUATION):
            raise Violation(Rule.IDLE_STREAM)

    def _is_idle(self, stream: int) -> bool:
        if stream % 2 == self._client_side:
            return stream > self.http.highest_outbound_stream_id
        return stream > self.http.highest_inbound_stream_id

    def _given(self, frame: Frame, *fields: HeaderTuple) -> list[Any]:
        """Give a frame to h2; return its events but those of a head. fields: what it gets of a head."""
        self.http.head.fields = list(fields)
        try:
            events = [each for each in self.http.receive_data(frame.wire) if not isinstance(each, HEADS)]
        except H2Error as error:
            code = int(getattr(error, "error_code", ErrorCode.PROTOCOL_ERROR))
            raise Violation(BY_CODE.get(code, Rule.STATE), frame.stream, is_told=True) from None
        for event in events:
            if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self._messages.pop(event.stream_id, None)
        return events

    def _fail(self, violation: Violation, fields: list[Field] | None = None) -> Iterator[StreamFailed]:
        """End a stream by what is wrong with it. Raises Violation where that was done too often."""
        self.reset(violation.stream, violation.rule.code)
        self.budget.spend(COST_OF_RESET)
        yield StreamFailed(violation.stream, violation.rule, fields)

    # -- heads -----------------------------------------------------------------------------------------

    def _go_on_with_head(self, frame: Frame) -> Iterator[Any]:
        """Take a head if this was its last frame."""
        if len(self._block) > self._head_limit:
            raise Violation(Rule.HEAD_BYTES)
        if self._head is not None and frame.flags & END_HEADERS:
            head, self._head = self._head, None
            fields = self._decompressed(bytes(self._block))
            self._block.clear()
            yield from self._take_head(head.stream, fields, is_end=bool(head.flags & END_STREAM))

    def _decompressed(self, block: bytes) -> list[Field]:
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise Violation(Rule.HEAD_BYTES) from None
        except HPACKError:
            raise Violation(Rule.COMPRESSION) from None

    def _take_head(self, stream: int, fields: list[Field], *, is_end: bool) -> Iterator[Any]:
        message = self._messages.get(stream)
        frame = Frame(Kind.HEADERS, END_HEADERS | (END_STREAM if is_end else 0), stream)
        if message is None and self._is_idle(stream):
            if self._client_side or stream % 2 == 0:
                raise Violation(Rule.STREAM_NUMBER)
            yield from self._take_request(frame, fields)
        elif message is None:  # it has ended: h2 knows how
            yield from self._given(frame)
        elif message.has_begun:
            yield from self._take_trailers(frame, message, fields)
        else:
            yield from self._take_response(frame, message, fields)

    def _take_request(self, frame: Frame, fields: list[Field]) -> Iterator[Any]:
        """Take the head of a request. h2 learns of each, so that it knows the stream and what still comes on it."""
        is_end = bool(frame.flags & END_STREAM)
        message = self._messages[frame.stream] = _Message(has_begun=True)
        events = self._given(frame)
        try:
            if self.http.open_inbound_streams > self._most_streams:
                raise Violation(Rule.TOO_MANY_STREAMS)
            message.length = check_request(fields)
            if is_end:
                _check_end(message)
        except Violation as violation:
            yield from self._fail(Violation(violation.rule, frame.stream), fields)
            return
        yield ReceivedHead(
            frame.stream, HeadKind.REQUEST, _joined(fields), is_end, self._is_too_large(fields)
        )
        yield from events

    def _take_response(self, frame: Frame, message: _Message, fields: list[Field]) -> Iterator[Any]:
        is_end = bool(frame.flags & END_STREAM)
        with _on(frame.stream):
            status = check_response(fields, is_end=is_end)
            self._check_size(fields)
            if status >= 200:
                message.has_begun = True
                message.has_content = message.has_content and status not in BODYLESS
                message.length = length_of(fields) if message.has_content else None
                if is_end:
                    _check_end(message)
        events = self._given(frame, HeaderTuple(b":status", b"%d" % status))
        kind = HeadKind.RESPONSE if message.has_begun else HeadKind.INFORMATIONAL
        yield ReceivedHead(frame.stream, kind, fields, is_end)
        yield from events

    def _take_trailers(self, frame: Frame, message: _Message, fields: list[Field]) -> Iterator[Any]:
        with _on(frame.stream):
            check_trailers(fields, is_end=bool(frame.flags & END_STREAM))
            self._check_size(fields)
            _check_end(message)
        events = self._given(frame)
        yield ReceivedHead(frame.stream, HeadKind.TRAILERS, fields, is_end=True)
        yield from events

    def _is_too_large(self, fields: list[Field]) -> bool:
        return sum(len(name) + len(value) + COST_OF_FIELD for name, value in fields) > self._head_limit

    def _check_size(self, fields: list[Field]) -> None:
        if self._is_too_large(fields):
            raise Violation(Rule.FIELDS_BYTES)

    # -- bodies ----------------------------------------------------------------------------------------

    def _data(self, frame: Frame) -> Iterator[Any]:
        """Take a part of a body. h2 gets each, since it counts for the window of the connection."""
        size = len(unpadded(frame))
        message = self._messages.get(frame.stream)
        if message is not None:
            try:
                _count(message, size, is_end=bool(frame.flags & END_STREAM))
            except Violation as violation:
                yield from self._fail(Violation(violation.rule, frame.stream))
        yield from self._given(frame)


def _count(message: _Message, size: int, *, is_end: bool) -> None:
    """Count a part of a body. Raises Violation where none may come, or so much."""
    if not message.has_begun:
        raise Violation(Rule.ORDER)
    message.came += size
    if message.came > (message.length if message.length is not None else message.came):
        raise Violation(Rule.CONTENT_LENGTH)
    if message.came and not message.has_content:
        raise Violation(Rule.CONTENT_LENGTH)
    if is_end:
        _check_end(message)


def _check_end(message: _Message) -> None:
    """Raise Violation for a message that ends with another length than it said."""
    if message.length is not None and message.length != message.came:
        raise Violation(Rule.CONTENT_LENGTH)


@contextlib.contextmanager
def _on(stream: int) -> Iterator[None]:
    """Name the stream of a violation."""
    try:
        yield
    except Violation as violation:
        raise Violation(violation.rule, stream) from None


def _joined(fields: list[Field]) -> list[Field]:
    """Return fields with all cookies in one, as HTTP/1.1 has them (RFC 9113 8.2.3)."""
    cookies = [value for name, value in fields if name == b"cookie"]
    if len(cookies) < 2:
        return fields
    return [*(each for each in fields if each[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]
