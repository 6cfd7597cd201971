"""The side of HTTP/2 that clients speak to: many requests at once on one connection (RFC 9113)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from h2.exceptions import H2Error

from bothways.diagnosis.causes import Cause
from bothways.gateway.http.link2 import READ_AT_ONCE, BrokenStream, Link2, Stream2
from bothways.gateway.http.messages import (
    FIELDS_LIMIT,
    HEAD_LIMIT,
    BodyEnd,
    ClientGone,
    Field,
    RefusedRequest,
    RequestHead,
    Response,
    ServiceFailed,
    body_length,
)
from bothways.gateway.http.server1 import Patience, refusal_fields, refusal_text
from bothways.gateway.log.endings import NO_REQUEST, Code
from bothways.gateway.relay.streams import ByteStream
from bothways.http2.heads import split
from bothways.http2.receiver import ReceivedHead, StreamFailed
from bothways.http2.violations import ErrorCode, Rule

# What becomes the first line of a request of HTTP/1.1 (RFC 9112 3, RFC 9110 5.6.2).
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"\*|/[\x21-\x7e]*")


class HTTP2Exchange:
    """One request and its response. Implements `RequestExchange`. problem: why `check` refuses it, if it does."""

    def __init__(self, stream: Stream2, request: RequestHead, problem: RefusedRequest | None) -> None:
        self.request = request
        self._problem = problem
        self._stream = stream
        self._has_response = self._request_ended = self._response_ended = False

    @property
    def has_response(self) -> bool:
        """Whether a response has begun."""
        return self._has_response

    @property
    def broken(self) -> Rule | None:
        """What the client did wrong, where that ended the request."""
        return self._stream.broken

    def check(self) -> None:
        """Raise RefusedRequest for what is no request that could be passed on."""
        if self._problem is not None:
            raise self._problem

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body."""
        try:
            part = await self._stream.next_part()
        except (ConnectionError, H2Error) as error:
            raise _gone(error) from None
        self._request_ended = isinstance(part, BodyEnd)
        return part

    async def respond(self, response: Response) -> None:
        """Send a head, also an informational one."""
        if response.status == 101:
            raise ServiceFailed(
                "the service switches to another protocol, which HTTP/2 has not", why=Cause.PEER_BREAKS_RULES
            )
        self._has_response = self._has_response or response.is_final
        fields = [(b":status", b"%d" % response.status), *response.fields]
        self._response_ended = response.is_end and response.is_final
        await self._sent(self._stream.send_fields(fields, end=self._response_ended))

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._sent(self._stream.send_data(data))

    async def finish(self, trailers: list[Field]) -> None:
        """End the response."""
        if self._response_ended:
            return
        if trailers:
            await self._sent(self._stream.send_fields(trailers, end=True))
        else:
            await self._sent(self._stream.send_end())

    async def refuse(self, refused: RefusedRequest) -> None:
        """Answer a request that is not served."""
        text = refusal_text(refused)
        await self.respond(Response(refused.status, refusal_fields(text)))
        if self.request.method != b"HEAD":
            await self.send(text)
        await self.finish([])

    def cut(self) -> None:
        """End the stream by an error, so that a part is not taken for the whole."""
        self._stream.cancel(ErrorCode.INTERNAL_ERROR)

    def close(self) -> None:
        """Forget the stream; what is left of a request is not wanted (RFC 9113 8.1)."""
        self._problem = None
        if self.request.has_body and not self._request_ended:
            self._stream.cancel(ErrorCode.NO_ERROR)
        self._stream.drop()

    async def _sent(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except TimeoutError:
            raise ClientGone("the client took nothing of the response") from None
        except (ConnectionError, H2Error) as error:
            raise _gone(error) from None


class HTTP2Server:
    """Reads the requests of one client, and serves each in a task.

    serve: serves one.  idle: is called when none is being served any more.  refused: is called for what is no request,
    or one too many, with as much of it as is known.  Attribute: `ended_between_requests`, whether its connection did.
    """

    def __init__(
        self,
        wire: ByteStream,
        patience: Patience,
        serve: Callable[[HTTP2Exchange], Awaitable[None]],
        idle: Callable[[], None],
        refused: Callable[[RequestHead, Rule], None],
    ) -> None:
        self._patience = patience
        self._serve, self._idle, self._refused = serve, idle, refused
        self._tasks: dict[asyncio.Task[None], Stream2] = {}
        self._draining = self.ended_between_requests = False
        self._asks_until = 0.0  # until then a request has to begin, whatever else the client sends
        self._link = Link2(
            wire,
            client_side=False,
            taking=patience.taking,
            head_limit=HEAD_LIMIT,
            begun=self._begin,
            failed=self._refuse,
        )

    async def run(self) -> str:
        """Serve until the client ends or has asked nothing for its time, and return why. Raises ClientGone."""
        wire, self._asks_until = self._link.wire, self._after(self._patience.head)
        try:
            await self._link.start()
            while True:
                try:
                    async with asyncio.timeout_at(self._asks_until):
                        if not await self._link.take_some(lambda: wire.read(READ_AT_ONCE)):
                            return NO_REQUEST
                except TimeoutError:
                    if self._tasks:
                        self._asks_until = self._after(self._patience.between)
                    elif self._after(0.0) >= self._asks_until:
                        return NO_REQUEST
                self._cancel_reset_requests()
                if self._link.peer_leaves and self.is_idle:
                    return NO_REQUEST
        except (ConnectionError, TimeoutError) as error:
            raise _gone(error) from None
        finally:
            self.ended_between_requests = self.is_between_requests
            await self._end()

    def drain(self) -> None:
        """Take no other request."""
        self._draining = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served."""
        return not self._tasks

    @property
    def is_between_requests(self) -> bool:
        """Whether no request is being served, and nothing has come of another one."""
        return self.is_idle and not self._link.receiver.is_within_frame

    @staticmethod
    def _after(seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    def _cancel_reset_requests(self) -> None:
        """End the requests whose streams the client has reset."""
        for task, stream in tuple(self._tasks.items()):
            if stream.reset is not None:
                task.cancel()

    def _refuse(self, failure: StreamFailed) -> None:
        """Tell of what is no request, or one too many."""
        self._refused(_head_of(*split(failure.fields or [])), failure.rule)

    def _begin(self, stream: Stream2, head: ReceivedHead) -> None:
        """Serve a request."""
        if self._draining:
            self._link.refuse_after(max(0, stream.number - 2))
            stream.cancel(ErrorCode.REFUSED_STREAM)
            stream.drop()
            return
        request, problem = request_of(head)
        exchange = HTTP2Exchange(stream, request, problem)
        task = asyncio.get_running_loop().create_task(self._serve_one(exchange))
        self._tasks[task] = stream
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not self._tasks:
            self._asks_until = self._after(self._patience.between)
            self._idle()

    async def _serve_one(self, exchange: HTTP2Exchange) -> None:
        try:
            await self._serve(exchange)
        except BaseException:  # a defect too: a stream is never left without an end
            exchange.cut()
            raise
        finally:
            exchange.close()

    async def _end(self) -> None:
        self._link.transport_closed()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._link.close()


def _gone(error: Exception) -> ClientGone:
    """Return that a client is gone; whether it ended, or was ended since it does not speak HTTP/2."""
    if isinstance(error, BrokenStream):
        return ClientGone(f"the client: {error}", Cause.PEER_BREAKS_RULES, Code.REQUEST_REFUSED)
    return ClientGone(f"the client: {error}")


def request_of(head: ReceivedHead) -> tuple[RequestHead, RefusedRequest | None]:
    """Return a request, and why it is refused if it is; its head is no malformed one of HTTP/2."""
    pseudo, fields = split(head.fields)
    request = _head_of(pseudo, fields)
    request.length = 0 if head.is_end else None
    try:
        if head.is_too_large:
            raise RefusedRequest(431, f"the head of the request has more than {HEAD_LIMIT} bytes")
        _check_length(request, is_empty=head.is_end)
        _check_head(request, pseudo.get(b":scheme"))
    except RefusedRequest as refused:
        return request, refused.with_traceback(None)  # whose frames would keep the connection
    return request, None


def _head_of(pseudo: dict[bytes, bytes], fields: list[Field]) -> RequestHead:
    """Return as much of a request as its fields say, which may be malformed."""
    hosts = [value for name, value in fields if name == b"host"]
    authority = pseudo.get(b":authority", hosts[0] if hosts else b"")
    return RequestHead(pseudo.get(b":method", b""), pseudo.get(b":path", b"*"), authority, fields)


def _check_length(request: RequestHead, *, is_empty: bool) -> None:
    """Note the length that a request has by a field of its own. Raises RefusedRequest."""
    lengths = [value for name, value in request.fields if name == b"content-length"]
    if len(lengths) > 1:
        raise RefusedRequest(400, "the request has more than one length")
    for each in lengths:
        length = body_length(each)
        request.length = 0 if is_empty else length


def _check_head(request: RequestHead, scheme: bytes | None) -> None:
    """Raise RefusedRequest for what is no head of one request of HTTP/1.1."""
    if len(request.fields) > FIELDS_LIMIT:
        raise RefusedRequest(431, f"more than {FIELDS_LIMIT} header fields")
    if not _METHOD.fullmatch(request.method):
        raise RefusedRequest(400, "the method of the request is no token")
    if request.method == b"CONNECT":
        raise RefusedRequest(501, "CONNECT is not passed on, nor WebSockets over HTTP/2")
    if scheme != b"https":
        raise RefusedRequest(400, "the scheme of the request is not https")
    if not _TARGET.fullmatch(request.target):
        raise RefusedRequest(400, "the path of the request does not begin with /, or has other characters")
