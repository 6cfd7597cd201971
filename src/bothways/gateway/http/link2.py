"""One connection of HTTP/2, on either side: its streams, their windows, and how much a peer may make us do (RFC 9113).

The frames are those of h2. Here is what a peer could cost: events are taken in small portions, frames that bring
nothing are counted, and what is received stays within windows that open again only when it was passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import h2.events
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from bothways.gateway.http.messages import BodyEnd, Field
from bothways.gateway.relay.streams import ByteStream
from bothways.http2.budget import ANSWERS_TO_PART, COST_OF_RESET
from bothways.http2.frames import GoAway
from bothways.http2.receiver import HeadKind, ReceivedHead, Receiver, StreamFailed
from bothways.http2.violations import ErrorCode, Rule, Violation

STREAMS = 100  # requests at once on one connection
STREAM_WINDOW = 64 * 1024 - 1
CONNECTION_WINDOW = 1024 * 1024  # bytes of bodies that may be held for all streams
READ_AT_ONCE = 4 * 1024


class BrokenStream(ConnectionAbortedError):
    """A stream, or its connection, was ended since the peer does not speak HTTP/2 as it should."""


class Stream2:
    """One stream: parts of a body that came, and room for parts of the other."""

    def __init__(self, link: Link2, number: int) -> None:
        self.link = link
        self.number = number
        self.reset: int | None = None  # the code of an error by which it ended
        self.broken: Rule | None = None  # what the peer did wrong, where that ended it
        self._body = bytearray()  # what came and was not taken yet
        self._taken_of_window = 0  # by that, with its padding
        self._end: BodyEnd | None = None
        self.news = asyncio.Event()
        self.room = asyncio.Event()

    def came(self, data: bytes, size: int) -> None:
        """Keep a part of a body. size: how much of the window it took.

        Parts are joined, since a client may send thousands of a byte each.
        """
        self._body += data
        self._taken_of_window += size
        self.news.set()

    def came_to_end(self, end: BodyEnd) -> None:
        """Note the end of the body; of one with trailers h2 tells twice."""
        if self._end is None:
            self._end = end
        self.news.set()

    def end(self, code: int, broken: Rule | None = None) -> None:
        """End it by an error. broken: what the peer did wrong, where that is why."""
        if self.reset is None:
            self.reset, self.broken = code, broken
        self.news.set()
        self.room.set()

    async def next_part(self) -> bytes | BodyEnd:
        """Return what came, and open the window again by it. Raises ConnectionError if the stream was reset."""
        while not self._taken_of_window:
            if self._end is not None:
                return self._end
            self._check()
            self.news.clear()
            await self.news.wait()
        data = bytes(self._body)
        self._body.clear()
        self._open_window()
        if self.reset is None:
            await self.link.flush()
        return data

    async def send_fields(self, fields: list[Field], *, end: bool = False) -> None:
        """Send a head, or trailers."""
        self._check()
        self.link.http.send_headers(self.number, fields, end_stream=end)
        await self.link.flush()

    async def send_data(self, data: bytes) -> None:
        """Send a part of a body, as far as the windows allow. Raises TimeoutError, ConnectionError."""
        view, was_cut = memoryview(data), False
        while view:
            self._check()
            window = self.link.http.local_flow_control_window(self.number)
            was_cut = was_cut or window < len(view)
            size = min(window, self.link.http.max_outbound_frame_size, len(view))
            if size <= 0:
                self.room.clear()
                async with asyncio.timeout(self.link.taking):
                    await self.room.wait()
                continue
            self.link.http.send_data(self.number, bytes(view[:size]))
            self.link.budget.earn(size / 1024)
            view = view[size:]
            await self.link.flush()
        if not was_cut:
            self.link.budget.earn(ANSWERS_TO_PART)

    async def send_end(self) -> None:
        """End our side."""
        self._check()
        self.link.http.end_stream(self.number)
        await self.link.flush()

    def cancel(self, code: ErrorCode) -> None:
        """Reset it, if it is still there."""
        self.link.receiver.reset(self.number, code)
        self.link.flush_soon()

    def drop(self) -> None:
        """Give back the window of what nobody will read, and forget the stream."""
        self._open_window()
        self.link.streams.pop(self.number, None)
        self.link.flush_soon()

    def _open_window(self) -> None:
        """Open the windows again for what came and was not taken yet."""
        size, self._taken_of_window = self._taken_of_window, 0
        if size:
            self.link.acknowledge(self.number, size)

    def _check(self) -> None:
        if self.broken is not None:
            raise BrokenStream(self.broken.text)
        if self.reset is not None:
            raise ConnectionResetError(f"the stream was reset with the code {self.reset}")


class Link2:
    """One connection. client_side: whether we make the requests.  taking: seconds in which the peer takes something.

    begun: is called with a stream and its head, when the peer has made a request.  headed: with those of responses.
    failed: is called for a request that was malformed, or one too many.
    """

    def __init__(
        self,
        wire: ByteStream,
        *,
        client_side: bool,
        taking: float,
        head_limit: int,
        begun: Callable[[Stream2, ReceivedHead], None] | None = None,
        headed: Callable[[Stream2, ReceivedHead], None] | None = None,
        failed: Callable[[StreamFailed], None] | None = None,
    ) -> None:
        self.wire = wire
        self.taking = taking
        self.streams: dict[int, Stream2] = {}
        self.peer_leaves = False  # it takes no more requests, or makes none
        self._client_side = client_side
        self._last_taken: int | None = None  # the last stream of the peer, where we have said so
        self._has_said_end = False
        self._begun, self._headed, self._failed = begun, headed, failed
        settings = {
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        }
        self.receiver = Receiver(
            client_side=client_side,
            head_limit=head_limit,
            clock=asyncio.get_running_loop().time,
            settings=settings,
        )
        self.http, self.budget = self.receiver.http, self.receiver.budget

    async def start(self) -> None:
        """Send our preface and settings."""
        self.http.initiate_connection()
        self.http.increment_flow_control_window(CONNECTION_WINDOW - 65535)
        await self.flush()

    async def flush(self) -> None:
        """Send what is to be sent, and wait until the peer has taken enough of it."""
        await self.wire.write(self.http.data_to_send(), self.taking)

    def flush_soon(self) -> None:
        """Send what is to be sent, without waiting."""
        if not self.wire.is_lost and (data := self.http.data_to_send()):
            self._write_soon(data)

    def _write_soon(self, data: bytes) -> None:
        self.wire.sent += len(data)
        self.wire.transport.write(data)

    def acknowledge(self, number: int, size: int) -> None:
        """Open the windows again for what was passed on."""
        try:
            self.http.acknowledge_received_data(size, number)
        except H2Error:
            return  # the connection has ended

    async def take_some(self, read: Callable[[], Awaitable[bytes]]) -> bool:
        """Read and take what comes; false at the peer's end. Raises ConnectionError where it breaks the protocol."""
        data = await read()
        if not data:
            return False
        try:
            for event in self.receiver.take(data):
                self._take(event)
        except Violation as violation:
            self._has_said_end = self._has_said_end or violation.is_told
            self.close(violation.rule.code)
            self.flush_soon()
            for stream in tuple(self.streams.values()):
                stream.end(violation.rule.code, violation.rule)
            raise BrokenStream(f"not valid HTTP/2: {violation}") from None
        await self.flush()
        await asyncio.sleep(0)
        return True

    def refuse_after(self, last: int) -> None:
        """Say once that streams of the peer after this one are not taken; the others go on (RFC 9113 6.8).

        h2 does not learn of it, since it takes a GOAWAY for the end of all.
        """
        if self._last_taken is None and not self.wire.is_lost:
            self._last_taken = last
            self.flush_soon()
            self._write_soon(GoAway(last, ErrorCode.NO_ERROR).wire)

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Say that the connection ends, unless that was said."""
        if self._has_said_end:
            return
        self._has_said_end = True
        with contextlib.suppress(H2Error):
            self.http.close_connection(code, last_stream_id=self._last_taken)
        self.flush_soon()

    def transport_closed(self) -> None:
        """End every stream, since nothing more is read; call nobody any more, so that it is freed with its owner."""
        for stream in tuple(self.streams.values()):
            stream.end(ErrorCode.CONNECT_ERROR)
        self.streams.clear()
        self._begun = self._headed = self._failed = None
        self.http.receive_no_more()

    def _take(self, event: Any) -> None:
        """Take what a frame meant. The frame was paid for already; what it brought is given back."""
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        match event:
            case ReceivedHead():
                self._take_head(event)
            case StreamFailed():
                self._take_failure(event)
            case GoAway():
                self._take_goaway(event)
            case h2.events.DataReceived():
                self._take_data(stream, event)
            case h2.events.StreamEnded() if stream is not None:
                stream.came_to_end(BodyEnd())
            case h2.events.StreamReset():
                self.budget.spend(COST_OF_RESET - 1)
                if stream is not None:
                    stream.end(int(event.error_code))
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for each in (stream,) if stream is not None else tuple(self.streams.values()):
                    each.room.set()

    def _take_head(self, head: ReceivedHead) -> None:
        stream = self.streams.get(head.stream)
        match head.kind:
            case HeadKind.REQUEST:
                self.budget.earn(1 + COST_OF_RESET / 2)
                made = self.streams[head.stream] = Stream2(self, head.stream)
                if self._begun is not None:
                    self._begun(made, head)
            case HeadKind.TRAILERS:
                self.budget.earn(1)
                if stream is not None:
                    stream.came_to_end(BodyEnd(head.fields))
            case _:
                if head.kind is HeadKind.RESPONSE:
                    self.budget.earn(1 + COST_OF_RESET / 2)
                if stream is not None and self._headed is not None:
                    self._headed(stream, head)

    def _take_failure(self, failure: StreamFailed) -> None:
        """End a stream that the peer broke; a request that was none is told."""
        stream = self.streams.get(failure.stream)
        if stream is not None:
            stream.end(failure.rule.code, failure.rule)
        elif failure.fields is not None and self._failed is not None:
            self._failed(failure)

    def _take_goaway(self, goaway: GoAway) -> None:
        """End those of our streams that the peer does not take; the others go on."""
        self.peer_leaves = True
        for stream in tuple(self.streams.values()):
            if self._client_side and stream.number > goaway.last:
                stream.end(ErrorCode.REFUSED_STREAM)

    def _take_data(self, stream: Stream2 | None, event: Any) -> None:
        if event.data:
            self.budget.earn(1 + len(event.data) / 1024)
        if stream is None:
            self.acknowledge(event.stream_id, event.flow_controlled_length)
        elif event.flow_controlled_length:
            stream.came(event.data, event.flow_controlled_length)
