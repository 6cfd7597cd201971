"""The side of HTTP/2 that speaks to services: the requests of one client on one connection (RFC 9113)."""

from __future__ import annotations

import asyncio

from h2.exceptions import H2Error

from bothways.diagnosis.causes import Cause
from bothways.gateway.http.link2 import READ_AT_ONCE, BrokenStream, Link2, Stream2
from bothways.gateway.http.messages import (
    RESPONSE_HEAD_LIMIT,
    BodyEnd,
    Field,
    RefusedRequest,
    RequestHead,
    Response,
    ServiceFailed,
)
from bothways.gateway.log.endings import Code
from bothways.gateway.relay.streams import ByteStream
from bothways.http2.heads import split
from bothways.http2.receiver import ReceivedHead
from bothways.http2.violations import ErrorCode, Rule

MOST_HEADS = 8  # of one response that wait to be passed on


class HTTP2Service:
    """A connection to a service that speaks HTTP/2. `stream` is the connection.

    taking: seconds in which the service has to take something of a request.
    """

    def __init__(self, stream: ByteStream, taking: float) -> None:
        self.stream = stream
        self._link = Link2(
            stream, client_side=True, taking=taking, head_limit=RESPONSE_HEAD_LIMIT, headed=self._head
        )
        self._heads: dict[int, list[Response]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to speak. Raises ServiceFailed."""
        try:
            await self._link.start()
        except (ConnectionError, TimeoutError) as error:
            raise ServiceFailed(f"the service: {error}", why=error) from None
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @property
    def may_go_on(self) -> bool:
        """Whether another request can be made on this connection."""
        link = self._link
        is_there = not (self.stream.is_lost or self.stream.has_ended or link.peer_leaves)
        return is_there and self._reading is not None and not self._reading.done()

    @property
    def is_unused(self) -> bool:
        """Whether no request is being made on it."""
        return not self._link.streams

    @property
    def is_full(self) -> bool:
        """Whether the service wants no more requests at once."""
        limit = self._link.http.remote_settings.max_concurrent_streams
        return self._link.http.open_outbound_streams >= limit

    def exchange(self) -> HTTP2ServiceExchange:
        """Return the way for one request."""
        return HTTP2ServiceExchange(self.stream, self._link, self._heads)

    def close(self) -> None:
        """End the connection: in order if no request is being made on it, else with a reset."""
        if self._reading is not None:
            self._reading.cancel()
        is_unused = self.is_unused
        self._link.transport_closed()
        if is_unused:
            self._link.close()
        self.stream.end(in_order=is_unused)

    async def _read(self) -> None:
        try:
            while await self._link.take_some(lambda: self.stream.read(READ_AT_ONCE)):
                pass
        except (ConnectionError, TimeoutError):
            self.stream.cut()
        finally:
            self._link.transport_closed()
            self._reading = None  # a task that is cancelled keeps what it ran

    def _head(self, stream: Stream2, head: ReceivedHead) -> None:
        """Keep a head of a response. Too many of one response end its stream."""
        heads = self._heads.setdefault(stream.number, [])
        if len(heads) >= MOST_HEADS:
            stream.cancel(ErrorCode.ENHANCE_YOUR_CALM)
            stream.end(ErrorCode.ENHANCE_YOUR_CALM, Rule.HEADS)
            return
        pseudo, fields = split(head.fields)
        heads.append(Response(int(pseudo[b":status"]), fields, is_end=head.is_end))
        stream.news.set()


class HTTP2ServiceExchange:
    """One request to a service. Implements `ServiceExchange`. `stream` is the connection."""

    def __init__(self, stream: ByteStream, link: Link2, heads: dict[int, list[Response]]) -> None:
        self.stream = stream
        self._link = link
        self._heads = heads
        self._stream: Stream2 | None = None
        self._has_ended = False

    async def begin(self, request: RequestHead) -> None:
        """Send the head."""
        if request.websocket:
            raise RefusedRequest(501, "this service speaks HTTP/2, by which no WebSockets pass")
        try:
            number = self._link.http.get_next_available_stream_id()
            self._stream = self._link.streams[number] = Stream2(self._link, number)
            fields = [
                (b":method", request.method),
                (b":scheme", b"https"),
                (b":authority", request.authority),
                (b":path", request.target),
                *request.fields,
            ]
            if request.length:
                fields.append((b"content-length", b"%d" % request.length))
            self._has_ended = not request.has_body
            self._link.receiver.requests(number, request.method)
            await self._stream.send_fields(fields, end=not request.has_body)
        except (ConnectionError, TimeoutError, H2Error) as error:
            raise _failed(error, is_unused=True) from None

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        try:
            await self._own.send_data(data)
        except TimeoutError:
            raise ServiceFailed(
                "the service did not read the request", why=Cause.BACKEND_DOWN, code=Code.BACKEND_TIMEOUT
            ) from None
        except (ConnectionError, H2Error) as error:
            raise _failed(error) from None

    async def finish(self, trailers: list[Field]) -> None:
        """End the request; one without a body has ended already."""
        try:
            if self._has_ended:
                return
            self._has_ended = True
            if trailers:
                await self._own.send_fields(trailers, end=True)
            else:
                await self._own.send_end()
        except (ConnectionError, TimeoutError, H2Error) as error:
            raise _failed(error) from None

    async def response(self) -> Response:
        """Return the next head."""
        own = self._own
        heads = self._heads.setdefault(own.number, [])
        while not heads:
            if own.broken is not None:
                raise ServiceFailed(f"the service: {own.broken.text}", why=Cause.PEER_BREAKS_RULES)
            if own.reset is not None:
                refused = own.reset == ErrorCode.REFUSED_STREAM
                unused = refused or own.reset == ErrorCode.CONNECT_ERROR
                raise ServiceFailed("the service reset the request", is_unused=unused, is_refused=refused)
            own.news.clear()
            await own.news.wait()
        return heads.pop(0)

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body."""
        try:
            return await self._own.next_part()
        except (ConnectionError, H2Error) as error:
            raise _failed(error) from None

    def close(self) -> None:
        """Forget the request; if it is not served yet, it is not wanted any more."""
        if self._stream is not None:
            self._stream.cancel(ErrorCode.CANCEL)
            self._heads.pop(self._stream.number, None)
            self._stream.drop()

    @property
    def _own(self) -> Stream2:
        if self._stream is None:
            raise ServiceFailed("no request was begun")
        return self._stream


def _failed(error: Exception, *, is_unused: bool = False) -> ServiceFailed:
    """Return what went wrong with a service: it ended, or does not speak HTTP/2 as it should."""
    why = Cause.PEER_BREAKS_RULES if isinstance(error, BrokenStream) else error
    return ServiceFailed(f"the service: {error}", is_unused=is_unused, why=why)
