"""The side of HTTP/1.1 that speaks to services: one request after another on a connection of one client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11

from bothways.diagnosis.causes import Cause
from bothways.diagnosis.peer.before_tls import RECORDS
from bothways.errors import without_frames
from bothways.gateway.http.body1 import ReceivedBody, fields_in
from bothways.gateway.http.messages import (
    RESPONSE_HEAD_LIMIT,
    Field,
    RefusedRequest,
    RequestHead,
    Response,
    ServiceFailed,
)
from bothways.gateway.log.endings import Code
from bothways.gateway.relay.streams import ByteStream

_OVER = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED})  # states of a side that has sent its whole message
_HAVE_BODIES = frozenset({b"POST", b"PUT", b"PATCH"})


class HTTP1Service(ReceivedBody):
    """A connection to a service. Implements `ServiceExchange`, for one request at a time.

    taking: seconds in which the service has to take something of a request.
    """

    def __init__(self, stream: ByteStream, taking: float) -> None:
        super().__init__()
        self.stream = stream
        self._taking = taking
        self._http: Any = None
        self._heard = self._has_head = False

    @property
    def may_go_on(self) -> bool:
        """Whether another request can be made on this connection."""
        done = self._http is None or (self._http.our_state is h11.DONE and self._http.their_state is h11.DONE)
        return done and self.stream.is_fresh

    def close(self) -> None:
        """End the connection: in order after a whole response, with a reset within a request."""
        states = () if self._http is None else (self._http.our_state, self._http.their_state)
        self.stream.end(in_order=_OVER.issuperset(states))

    async def begin(self, request: RequestHead) -> None:
        """Send the head."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=RESPONSE_HEAD_LIMIT)
        self._heard = self._has_head = False
        self._ended = None
        fields = [(b"host", request.authority), *request.fields]
        if request.websocket:
            fields += [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
        if request.length is None:
            fields.append((b"transfer-encoding", b"chunked"))
        elif request.length or request.method in _HAVE_BODIES:
            fields.append((b"content-length", b"%d" % request.length))
        await self._write(h11.Request, method=request.method, target=request.target, headers=fields)

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._write(h11.Data, data=data)

    async def finish(self, trailers: list[Field]) -> None:
        """End the request."""
        await self._write(h11.EndOfMessage, headers=trailers)

    async def _write(self, event: Callable[..., Any], **content: Any) -> None:
        """Send an event of h11, which checks its content when it is made and when it is sent."""
        try:
            data = self._http.send(event(**content))
        except h11.LocalProtocolError as error:
            raise RefusedRequest(400, f"the request cannot be passed on: {error}") from None
        try:
            await self.stream.write(data or b"", self._taking)
        except TimeoutError:
            raise ServiceFailed(
                "the service did not read the request", why=Cause.BACKEND_DOWN, code=Code.BACKEND_TIMEOUT
            ) from None
        except ConnectionError as error:
            raise ServiceFailed(f"the service: {error}", is_unused=not self._heard, why=error) from None

    async def response(self) -> Response:
        """Return the next head."""
        while True:
            event = self._next_event()
            if isinstance(event, (h11.InformationalResponse, h11.Response)):
                self._has_head = True
                return Response(event.status_code, fields_in(event.headers), bytes(event.reason))
            await self._more()

    def rest(self) -> bytes:
        """Return what came after a response that switched to another protocol."""
        return bytes(self._http.trailing_data[0])

    def _read_event(self) -> Any:
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            without_frames(error)  # one of them keeps it, and another one us
            if self._is_cut_off:
                raise ServiceFailed("the service ended in the middle of its response") from None
            raise ServiceFailed(
                f"the service does not speak HTTP/1.1: {error}", why=Cause.OTHER_SERVICE
            ) from None
        if isinstance(event, h11.ConnectionClosed):
            raise ServiceFailed("the service ended before its response")
        if isinstance(event, h11.EndOfMessage) and self._http.trailing_data[0]:
            self.stream.put_back(
                self._http.trailing_data[0]
            )  # nobody asked: the connection is not used again
        return event

    @property
    def _is_cut_off(self) -> bool:
        """Whether the service has ended after the beginning of a response; what is no HTTP may end so, too."""
        rest, has_ended = self._http.trailing_data
        return has_ended and (self._has_head or rest.startswith(b"HTTP/1."))

    async def _more(self) -> None:
        try:
            data = await self.stream.read()
        except ConnectionError as error:
            raise ServiceFailed(f"the service: {error}", is_unused=not self._heard, why=error) from None
        if not data and not self._heard:
            raise ServiceFailed("the service ended before its response", is_unused=True)
        if not self._heard and data.startswith(RECORDS):
            raise ServiceFailed(
                "the service expects TLS: it answered by a record of TLS; add backend_tls",
                why=Cause.TLS_AT_ONCE,
            )
        self._heard = True
        self._http.receive_data(data)
