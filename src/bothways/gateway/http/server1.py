"""The side of HTTP/1.1 that clients speak to: requests one after another, read by h11 and refused where in doubt.

What is ambiguous by RFC 9112 is refused and not repaired: a request is understood by the service as it was by us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11

from bothways.describe.escape import visible
from bothways.diagnosis.causes import Cause
from bothways.errors import without_frames
from bothways.gateway.http.body1 import ReceivedBody, fields_in
from bothways.gateway.http.chunk_lines import ChunkLines
from bothways.gateway.http.head_lines import HeadParser
from bothways.gateway.http.header_fields import nominated
from bothways.gateway.http.messages import (
    FIELDS_LIMIT,
    HEAD_LIMIT,
    ClientGone,
    Field,
    RefusedRequest,
    RequestHead,
    Response,
    ServiceFailed,
    body_length,
)
from bothways.gateway.relay.streams import ByteStream

LINGER_SECONDS = 1.0
TEXT_LIMIT = 300  # characters of what a client is told


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds. between: from a response to the next request.  head: for a head.

    taking: for taking something of what is sent.
    """

    between: float
    head: float
    taking: float


class HTTP1Exchange(ReceivedBody):
    """One request and its response. Implements `RequestExchange`.

    is_last: a response that begins from here on says that the connection ends after it (RFC 9112 9.6).
    """

    is_last = False

    def __init__(self, stream: ByteStream, http: Any, request: RequestHead, patience: Patience) -> None:
        super().__init__()
        self.request = request
        self._has_response = False
        self._stream = stream
        self._http = http
        self._patience = patience
        self._chunks = ChunkLines() if request.length is None else None

    @property
    def has_response(self) -> bool:
        """Whether a response has begun."""
        return self._has_response

    @property
    def may_go_on(self) -> bool:
        """Whether the connection can have another request after this one."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _read_event(self) -> Any:
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise RefusedRequest(400, f"the body of the request: {without_frames(error)}") from None
        if isinstance(event, h11.ConnectionClosed):
            raise ClientGone("the client ended within a request")
        if isinstance(event, h11.EndOfMessage):
            self._stream.put_back(self._http.trailing_data[0])
        return event

    async def _more(self) -> None:
        try:
            data = await self._stream.read()
        except ConnectionError as error:
            raise ClientGone(str(error)) from None
        if not data:
            raise ClientGone("the client ended within a request")
        if self._chunks is not None:
            self._chunks.take(data)
        self._http.receive_data(data)

    async def respond(self, response: Response) -> None:
        """Send a head, also an informational one."""
        kind, fields = (h11.InformationalResponse if response.status < 200 else h11.Response), response.fields
        if self.is_last and kind is h11.Response:
            fields = [*fields, (b"connection", b"close")]
        event = self._sent(kind, status_code=response.status, headers=fields, reason=response.reason)
        self._has_response = self._has_response or response.is_final
        await self._write(event)

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._write(self._sent(h11.Data, data=data))

    async def finish(self, trailers: list[Field]) -> None:
        """End the response. Trailers pass where the length was not said before."""
        await self._write(self._sent(h11.EndOfMessage, headers=trailers))

    def _sent(self, event: Callable[..., Any], **content: Any) -> bytes:
        """Return an event in bytes. Raises ServiceFailed where the service has sent what HTTP/1.1 has not."""
        try:
            return self._http.send(event(**content)) or b""
        except h11.LocalProtocolError as error:
            raise ServiceFailed(
                f"the response cannot be passed on: {error}", why=Cause.PEER_BREAKS_RULES
            ) from None

    async def _write(self, data: bytes) -> None:
        try:
            await self._stream.write(data, self._patience.taking)
        except TimeoutError:
            raise ClientGone("the client took nothing of the response") from None
        except ConnectionError as error:
            raise ClientGone(str(error)) from None


class HTTP1Server:
    """Reads the requests of one client. takes_http10: also those of HTTP/1.0, without a body and perhaps a host."""

    def __init__(self, stream: ByteStream, patience: Patience, *, takes_http10: bool = False) -> None:
        self._stream = stream
        self._patience = patience
        self._takes_http10 = takes_http10
        self._is_first = True
        self._head = HeadParser()
        self._exchange: HTTP1Exchange | None = None

    @property
    def is_within_head(self) -> bool:
        """Whether the head of the next request has come in part."""
        return self._head.has_begun and not self._head.is_whole

    def drain(self) -> None:
        """Let the request that is being served be the last one."""
        if self._exchange is not None:
            self._exchange.is_last = True

    async def next_exchange(self) -> HTTP1Exchange | None:
        """Return the next request; None when the client asks nothing more. Raises RefusedRequest, ClientGone."""
        head = await self._next_head()
        if head is None:
            return None
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        http.receive_data(head)
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            text = f"the head of the request: {without_frames(error)}"
            raise RefusedRequest(_status(error), text) from None
        if not isinstance(event, h11.Request):
            raise RefusedRequest(400, "no request")
        is_old = self._takes_http10 and event.http_version == b"1.0"
        request = checked_request10(event) if is_old else checked_request(event)
        if not request.has_body:
            http.next_event()  # its end
        self._exchange = HTTP1Exchange(self._stream, http, request, self._patience)
        return self._exchange

    async def refuse(self, refused: RefusedRequest) -> None:
        """Answer what cannot be read as a request, or is not served."""
        text = refusal_text(refused)
        http = h11.Connection(h11.SERVER)
        fields = [*refusal_fields(text), (b"connection", b"close")]
        data = http.send(
            h11.Response(status_code=refused.status, headers=fields, reason=reason(refused.status))
        )
        try:
            await self._stream.write((data or b"") + text, self._patience.taking)
        except (ConnectionError, TimeoutError):
            return

    async def _next_head(self) -> bytes | None:
        """Return the head of the next request."""
        head = self._head = HeadParser()
        patience = self._patience.head if self._is_first else self._patience.between
        self._is_first = False
        try:
            async with asyncio.timeout(patience) as limit:
                while not head.is_whole:
                    data = await self._read()
                    if not data and not head.has_begun:
                        return None
                    if not data:
                        raise ClientGone("the client ended within the head of a request")
                    if not head.has_begun:
                        data = data.removeprefix(b"\r\n")  # RFC 9112 2.2
                        if data:  # empty lines give no more time
                            limit.reschedule(asyncio.get_running_loop().time() + self._patience.head)
                    head.take(data)
        except TimeoutError:
            if head.has_begun:
                raise RefusedRequest(408, "the head of the request did not come in time") from None
            return None
        self._stream.put_back(head.rest)
        return head.text

    async def _read(self) -> bytes:
        try:
            return await self._stream.read()
        except ConnectionError as error:
            raise ClientGone(str(error)) from None


def checked_request(event: h11.Request) -> RequestHead:
    """Return a request of HTTP/1.1 whose meaning is beyond doubt. Raises RefusedRequest."""
    if event.http_version != b"1.1":
        raise RefusedRequest(505, "HTTP/1.1 is needed")
    fields = _bounded(event)
    lengths = [value for name, value in fields if name == b"content-length"]
    is_chunked = any(name == b"transfer-encoding" for name, _ in fields)
    if is_chunked and lengths:
        raise RefusedRequest(400, "Content-Length beside Transfer-Encoding")
    length = None if is_chunked else body_length(lengths[0]) if lengths else 0
    [host] = (value for name, value in fields if name == b"host")
    target, authority = _origin_form(event.target, host)
    request = RequestHead(event.method, target, authority, fields, length)
    request.websocket = _asks_for_websocket(request)
    return request


def checked_request10(event: h11.Request) -> RequestHead:
    """Return a request of HTTP/1.0, whose host is empty if it names none. Raises RefusedRequest for one with a body."""
    fields = _bounded(event)
    names = [name for name, _ in fields]
    if b"content-length" in names or b"transfer-encoding" in names:
        raise RefusedRequest(400, "HTTP/1.0 with a body")
    host = next((value for name, value in fields if name == b"host"), b"")
    return RequestHead(event.method, event.target, host, fields)


def _bounded(event: h11.Request) -> list[Field]:
    fields = fields_in(event.headers)
    if len(fields) > FIELDS_LIMIT:
        raise RefusedRequest(431, f"more than {FIELDS_LIMIT} header fields")
    return fields


def _origin_form(target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """Return the target as a path, and the authority; both of an absolute-form (RFC 9112 3.2)."""
    if target == b"*" or target.startswith(b"/"):
        return target, host
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() != b"https":
        raise RefusedRequest(400, "the target of the request is neither a path nor a URL of https")
    cut = min((at for at in (rest.find(each) for each in b"/?#") if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    if authority.lower() != host.lower():
        raise RefusedRequest(400, "the target of the request names another host than Host")
    return path if path.startswith(b"/") else b"/" + path, host


def _asks_for_websocket(request: RequestHead) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455 4.1); nothing else is ever switched to."""
    protocols = [value.strip().lower() for name, value in request.fields if name == b"upgrade"]
    is_upgrade = b"upgrade" in nominated(request.fields) and protocols == [b"websocket"]
    return is_upgrade and request.method == b"GET" and not request.has_body


def _status(error: h11.RemoteProtocolError) -> int:
    return error.error_status_hint if error.error_status_hint in (400, 431, 501) else 400


REASONS = {
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}

OF_SERVICES = {
    502: "the service behind this gateway could not be reached, or did not answer in HTTP",
    504: "the service behind this gateway did not answer in time",
}


def reason(status: int) -> bytes:
    """Return the reason phrase of a status of ours."""
    return REASONS[status]


def refusal_text(refused: RefusedRequest) -> bytes:
    """Return the body of a refusal: the status, and why, in one line; what is wrong with the service is for the log."""
    text = OF_SERVICES.get(refused.status) or str(refused)
    return b"%d %s: %s\n" % (
        refused.status,
        reason(refused.status),
        visible(text, TEXT_LIMIT).encode("ascii", "backslashreplace"),
    )


def refusal_fields(text: bytes) -> list[Field]:
    """Return the header fields of a refusal."""
    return [
        (b"content-type", b"text/plain; charset=us-ascii"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", b"no-store"),
    ]
