"""One request to its service and the response back: bodies pass piece by piece, and each phase has its time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bothways.diagnosis.causes import Cause
from bothways.gateway.http.header_fields import response_fields, trailer_fields
from bothways.gateway.http.messages import (
    BodyEnd,
    ClientGone,
    Field,
    RefusedRequest,
    RequestExchange,
    Response,
    ServiceExchange,
    ServiceFailed,
    length_in,
)
from bothways.gateway.log.endings import Code

BODYLESS = (204, 304)
INFORMATIONAL = 32  # heads of 1xx before the response to one request


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds for the phases of a request. response: from the last of the request to the head of its response.

    body: for the next piece of a request's body, until the response has begun.  idle: the same after that, and for the
    next piece of a response.
    """

    response: float
    body: float
    idle: float


class Forwarding:
    """One request on its way. `switched` is set where the service agreed to go on as a WebSocket."""

    def __init__(self, exchange: RequestExchange, service: ServiceExchange, phases: Phases) -> None:
        self._exchange = exchange
        self._service = service
        self._phases = phases
        self._limit: asyncio.Timeout | None = None
        self.switched = False

    async def run(self) -> None:
        """Pass both ways until the response is whole. Raises RefusedRequest, ClientGone, ServiceFailed."""
        request = self._exchange.request
        await self._service.begin(request)
        if not request.has_body:
            await self._service.finish([])
            await self._pass_response()
            return
        loop = asyncio.get_running_loop()
        upward, downward = loop.create_task(self._pass_request()), loop.create_task(self._pass_response())
        try:
            await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
            if not downward.done():
                self._raise_failure_of_request(upward)
                await downward
            downward.result()
        finally:
            for each in (upward, downward):
                each.cancel()
            await asyncio.gather(upward, downward, return_exceptions=True)

    def _raise_failure_of_request(self, upward: asyncio.Task[None]) -> None:
        """Raise what went wrong with the request; a service that takes no more of it may have answered."""
        if not isinstance(upward.exception(), ServiceFailed):
            upward.result()

    async def _pass_request(self) -> None:
        """Pass the body of the request."""
        while True:
            seconds = self._phases.idle if self._exchange.has_response else self._phases.body
            try:
                async with asyncio.timeout(seconds):
                    part = await self._exchange.receive()
            except TimeoutError:
                if self._exchange.has_response:
                    raise ClientGone("the client sent nothing of a request") from None
                raise RefusedRequest(408, "the body of the request did not come in time") from None
            if isinstance(part, BodyEnd):
                await self._service.finish(trailer_fields(part.trailers))
                self._restart_response_limit()
                return
            await self._service.send(part)
            self._restart_response_limit()

    def _restart_response_limit(self) -> None:
        """Restart the time limit of the response, since something of the request was passed on."""
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._phases.response)

    async def _pass_response(self) -> None:
        """Pass heads and body of the response."""
        try:
            async with asyncio.timeout(self._phases.response) as self._limit:
                response, before = await self._service.response(), 0
                while not response.is_final:
                    before += 1
                    if before > INFORMATIONAL:
                        raise ServiceFailed(
                            f"more than {INFORMATIONAL} informational responses", why=Cause.BEYOND_OUR_LIMITS
                        )
                    await self._exchange.respond(self._checked(response))
                    response = await self._service.response()
        except TimeoutError:
            raise RefusedRequest(504, "the service did not answer in time") from None
        finally:
            self._limit = None
        await self._exchange.respond(self._checked(response))
        if response.status == 101:
            self.switched = True
            return
        await self._pass_body(_may_have_trailers(response))

    async def _pass_body(self, has_trailers: bool) -> None:
        while True:
            try:
                async with asyncio.timeout(self._phases.idle):
                    part = await self._service.receive()
            except TimeoutError:
                raise ServiceFailed(
                    "the service stopped in the middle of a response",
                    why=Cause.NO_ANSWER,
                    code=Code.BACKEND_TIMEOUT,
                ) from None
            if isinstance(part, BodyEnd):
                await self._exchange.finish(trailer_fields(part.trailers) if has_trailers else [])
                return
            await self._exchange.send(part)

    def _checked(self, response: Response) -> Response:
        """Return a head as it passes to the client; only what was asked for switches the protocol (RFC 9110 7.8)."""
        fields = response_fields(response.fields)
        if response.status == 101:
            upgrades = [value.strip().lower() for name, value in response.fields if name == b"upgrade"]
            if not self._exchange.request.websocket or upgrades != [b"websocket"]:
                raise ServiceFailed(
                    "the service switches to a protocol that was not requested", why=Cause.PEER_BREAKS_RULES
                )
            fields += [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
        return Response(response.status, fields + _length(response), response.reason, response.is_end)


def _length(response: Response) -> list[Field]:
    """Return the length of a response if it counts: not beside Transfer-Encoding (RFC 9112 6.3), nor with 204.

    With 204 there must be none (RFC 9110 8.6). Raises ServiceFailed for more than 64 bits hold: some clients take any
    part of such a body for the whole.
    """
    has_none = response.status < 200 or response.status == 204
    if has_none or any(name == b"transfer-encoding" for name, _ in response.fields):
        return []
    lengths = [each for each in response.fields if each[0] == b"content-length"]
    if any(length_in(value) is None for _, value in lengths):
        raise ServiceFailed("the service sent a length that is none", why=Cause.PEER_BREAKS_RULES)
    return lengths


def _may_have_trailers(response: Response) -> bool:
    return not _length(response) and response.status not in BODYLESS
