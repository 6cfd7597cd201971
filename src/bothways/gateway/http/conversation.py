"""The requests of one verified client: checked, passed to the service with who the client is, told in the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bothways.diagnosis.causes import Cause
from bothways.gateway.config.http import HTTP2
from bothways.gateway.http.client1 import HTTP1Service
from bothways.gateway.http.counting import Counted
from bothways.gateway.http.forward import Forwarding, Phases
from bothways.gateway.http.header_fields import forwarded_fields, request_fields
from bothways.gateway.http.messages import (
    ClientGone,
    Field,
    NotServed,
    RefusedRequest,
    RequestExchange,
    RequestHead,
    Response,
    ServiceFailed,
)
from bothways.gateway.http.request_authority import check_authority, check_target
from bothways.gateway.http.served import Served
from bothways.gateway.http.server1 import LINGER_SECONDS, HTTP1Exchange, HTTP1Server, Patience, reason
from bothways.gateway.http.server2 import HTTP2Exchange, HTTP2Server
from bothways.gateway.http.services import Services, ToService
from bothways.gateway.http.websocket import pass_bytes
from bothways.gateway.log.endings import NO_REQUEST, Code, Ending
from bothways.gateway.log.log import RequestEntry
from bothways.gateway.relay.streams import ByteStream, PlainStream
from bothways.http2.violations import Rule

if TYPE_CHECKING:
    from bothways.gateway.config.gateway import Times
    from bothways.gateway.observe.pages import PageAnswer
    from bothways.gateway.routes.backends import Unreached

NOT_SERVED = {b"CONNECT": 501, b"TRACE": 405}
TRAILERS = (b"te", b"trailers")
REFUSALS = 8  # of one request by a service of HTTP/2, each on another connection
REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
ENDED = Ending.of(Code.GATEWAY_ENDED, "the gateway ends")


class Conversation:
    """One client's connection, from its first request to its end.

    reach: connects a stream to the service; returns what prevents it.  tell: is called for each request.  over: is
    called once, with why it ended.  ended_by: returns what has ended the connection, None while nothing has.
    answer: answers requests instead of a service; raises RefusedRequest.
    """

    def __init__(
        self,
        served: Served,
        reach: Callable[[ByteStream], Awaitable[Unreached | None]],
        tell: Callable[[RequestEntry], None],
        over: Callable[[Ending], None],
        ended_by: Callable[[], Ending | None],
        answer: Callable[[RequestHead], Awaitable[PageAnswer]] | None = None,
    ) -> None:
        self.served = served
        self.client = ByteStream()
        self._tell = tell
        self._over = over
        self._ended_by = ended_by
        self._answer = answer
        http, times = served.route.config.http, served.routes.config.times
        version = "1.1" if http is None else http.version
        self._services = Services(partial(connected, served, reach), version, times.response)
        self._server1: HTTP1Server | None = None
        self._server2: HTTP2Server | None = None
        self._draining = self._is_idle = False
        self._task: asyncio.Task[None] | None = None

    @property
    def _times(self) -> Times:
        return self.served.routes.config.times

    def start(self) -> None:
        """Begin to read requests; the client's connection is there."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run())
        self.client.lost.add_done_callback(lambda _: self._stop())

    def services_reached(self) -> list[Any]:
        """Return the transports of all connections to the service."""
        return [each.transport for each in self._services.reached()]

    @property
    def is_idle(self) -> bool:
        """Whether every request that has come is answered, and nothing has come of another one."""
        if self.client.has_unread:
            return False
        if self._server2 is not None:
            return self._server2.is_between_requests
        return self._is_idle and (self._server1 is None or not self._server1.is_within_head)

    def drain(self) -> None:
        """Take no other request after those that are being served."""
        self._draining = True
        if self._server2 is not None:
            self._server2.drain()
            self._end_if_idle()
        elif self._is_idle:
            self._stop()
        elif self._server1 is not None:
            self._server1.drain()

    def _end_if_idle(self) -> None:
        """End a connection of HTTP/2 whose last request was served while it drains."""
        if self._draining and self._server2 is not None and self._server2.is_idle:
            self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # -- the requests ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Serve one request after another."""
        why, is_cut = ENDED, False
        try:
            why = await self._serve()
        except ClientGone as error:
            why, is_cut = self._how_gone(error), True
        except asyncio.CancelledError:
            is_cut = self.client.is_lost
        finally:
            self._over(why)
            self._services.close()
            if is_cut:
                self.client.cut()
            else:
                self.client.close(LINGER_SECONDS)

    async def _serve(self) -> Ending:
        times = self._times
        patience = Patience(times.keep_alive, times.request_head, times.request_body)
        if self.served.protocol == HTTP2 and not self._draining:
            self._server2 = HTTP2Server(
                self.client, patience, self._serve_stream, self._end_if_idle, self._tell_refused
            )
            try:
                return Ending.of(Code.CLOSED, await self._server2.run())
            finally:
                self._is_idle = self._server2.ended_between_requests
                self._server2 = None  # it calls us: a cycle would wait for the garbage collector
        server = self._server1 = HTTP1Server(self.client, patience)
        while not self._draining:
            self._is_idle = True
            try:
                exchange = await server.next_exchange()
            except RefusedRequest as refused:
                await server.refuse(refused)
                self._tell(RequestEntry("-", "-", "-", 0.0, status=refused.status, ending=refused.ending))
                return refused.ending
            self._is_idle = False
            if exchange is None:
                return Ending.of(Code.CLOSED, NO_REQUEST)
            why = await self._serve_one(exchange, server)
            if why is not None:
                return why
        return ENDED

    async def _serve_one(self, exchange: HTTP1Exchange, server: HTTP1Server) -> Ending | None:
        """Serve a request; return why the connection ends with it, or None."""
        entry = self.entry_of(exchange.request)
        try:
            return await self._pass(exchange, entry)
        except RefusedRequest as refused:
            entry.ending = refused.ending
            if exchange.has_response:
                raise _cut_within(refused) from None
            entry.status = refused.status
            await server.refuse(refused)
            return refused.ending
        except ClientGone as gone:
            entry.ending = self._how_gone(gone)
            raise
        except asyncio.CancelledError:
            entry.ending = self._how_it_ended()
            raise
        finally:
            self._finish(entry)

    async def _pass(self, exchange: HTTP1Exchange, entry: RequestEntry) -> Ending | None:
        service = await self._forward(Counted(exchange, entry))
        if isinstance(service, HTTP1Service):
            return await self._websocket(self._services.let_go(service), entry)
        if exchange.may_go_on or self._draining:
            return None
        return Ending.of(Code.CLOSED, "the connection was for one more request")

    async def _serve_stream(self, exchange: HTTP2Exchange) -> None:
        """Serve a request of HTTP/2; what goes wrong with it ends its stream and not the connection."""
        entry = self.entry_of(exchange.request)
        try:
            exchange.check()
            await self._forward(Counted(exchange, entry))
        except RefusedRequest as refused:
            entry.ending = refused.ending
            if exchange.has_response:
                exchange.cut()
                return
            entry.status = refused.status
            with contextlib.suppress(ClientGone):
                await exchange.refuse(refused)
        except (ClientGone, ServiceFailed) as error:
            entry.ending = self._how_gone(error)
            exchange.cut()
        except asyncio.CancelledError:
            broken = exchange.broken
            entry.ending = self._how_it_ended() if broken is None else ending_by_rule(broken)
            raise
        finally:
            self._finish(entry)

    def _tell_refused(self, request: RequestHead, rule: Rule) -> None:
        """Tell of what is no request of HTTP/2, or of one too many; its client has been told."""
        entry = self.entry_of(request)
        entry.ending = ending_by_rule(rule)
        self._finish(entry)

    async def _websocket(self, service: ByteStream, entry: RequestEntry) -> Ending:
        received, sent = self.client.received, service.received
        try:
            times = self._times
            await pass_bytes(self.client, service, times.idle, times.half_closed)
        except BaseException:
            service.cut()
            raise
        finally:
            entry.received, entry.sent = self.client.received - received, service.received - sent
        service.close()
        return Ending.of(Code.CLOSED, "both sides closed")

    async def _forward(self, exchange: Counted) -> ToService | None:
        """Pass a request to the service and its response back; return a service that goes on as a WebSocket.

        Raises RefusedRequest or ClientGone.
        """
        times = self._times
        self.check(exchange.request)
        if self._answer is not None:
            await give(exchange, await self._answer(exchange.request))
            return None
        exchange.request = replace(exchange.request, fields=self._fields_for_service(exchange.request))
        phases = Phases(times.response, times.request_body, times.idle)
        has_body, refusals = exchange.request.has_body, 0
        must_be_new = has_body or exchange.request.method not in REPEATABLE
        while True:
            try:
                return await self._forward_once(exchange, phases, must_be_new=must_be_new)
            except ServiceFailed as failed:
                refusals += failed.is_refused
                if failed.is_refused and not (has_body or exchange.has_response) and refusals < REFUSALS:
                    continue  # a connection that ends in order takes no more, and the next one may be as old
                is_lost = failed.is_unused and not failed.is_refused
                if is_lost and not must_be_new and not exchange.has_response:
                    must_be_new = True  # it had been used before, and ended meanwhile (RFC 9112 9.3.1)
                    continue
                if exchange.has_response:
                    raise _cut_within(failed) from None
                status = 503 if failed.why is Cause.SERVICE_BUSY else 502
                raise RefusedRequest(status, str(failed), failed.why, failed.code) from None

    async def _forward_once(
        self, exchange: Counted, phases: Phases, *, must_be_new: bool
    ) -> ToService | None:
        service = await self._services.take(new=must_be_new)
        forwarding = Forwarding(exchange, service, phases)
        try:
            await forwarding.run()
            if exchange.start:
                exchange.note_refusal(service.stream.transport)
        finally:
            if not forwarding.switched:
                self._services.give_back(service)
        return service if forwarding.switched else None

    def check(self, request: RequestHead) -> None:
        """Raise RefusedRequest for a request that is for another route, or that no service should get."""
        served = self.served
        check_authority(request.authority, served.routes, served.route, served.listener, served.asked)
        if request.method in NOT_SERVED:
            raise RefusedRequest(NOT_SERVED[request.method], f"{request.method.decode()} is not passed on")
        check_target(request.method, request.target)

    def _fields_for_service(self, request: RequestHead) -> list[Field]:
        """Return what passes of the client's fields, and what the service is told of the client."""
        served = self.served
        own = [*forwarded_fields(served.host, request.authority), *served.identity]
        http = served.route.config.http
        if http is not None and http.version == "2" and TRAILERS in request.fields:
            own.append(TRAILERS)  # gRPC asks for it; in HTTP/1.1 it is about one connection only
        return [*request_fields(request.fields), *own]

    # -- the log ---------------------------------------------------------------------------------------

    def _how_it_ended(self) -> Ending:
        """Return why a request is not served on: its connection was ended, or its client has reset it or is gone."""
        return self._ended_by() or Ending.of(
            Code.CLIENT_LOST, "the client reset the request, or is gone", Cause.GAVE_UP
        )

    def _how_gone(self, error: NotServed) -> Ending:
        """Return how a request ended; of a client that is gone, why that is, where its connection knows more."""
        return (self._ended_by() if error.code is Code.CLIENT_LOST else None) or error.ending

    def entry_of(self, request: RequestHead) -> RequestEntry:
        """Return what the log tells of a request: its path without the query, which may hold secrets."""
        path = request.target.partition(b"?")[0]
        words = (request.method, request.authority, path)
        method, authority, path_text = (each.decode("ascii", "replace") for each in words)
        return RequestEntry(method, authority, path_text, asyncio.get_running_loop().time())

    def _finish(self, entry: RequestEntry) -> None:
        entry.seconds = asyncio.get_running_loop().time() - entry.began
        self._tell(entry)


async def connected(served: Served, reach: Callable[[ByteStream], Awaitable[Unreached | None]]) -> ByteStream:
    """Return a new connection to the service. Raises RefusedRequest."""
    stream = PlainStream() if served.route.client is None else ByteStream()
    problem = await reach(stream)
    if problem is not None:
        stream.cut()
        status, code = (502, Code.BACKEND_UNREACHABLE) if problem.in_time else (504, Code.BACKEND_TIMEOUT)
        raise RefusedRequest(status, problem.text, problem.why, code)
    return stream


def ending_by_rule(rule: Rule) -> Ending:
    """Return how a stream ended that the client broke."""
    cause = Cause.SERVICE_BUSY if rule is Rule.TOO_MANY_STREAMS else Cause.PEER_BREAKS_RULES
    return Ending.of(Code.REQUEST_REFUSED, rule.text, cause)


def _cut_within(error: NotServed) -> ClientGone:
    """Return that a client is cut off, so that it does not take a part of a response for the whole."""
    return ClientGone(f"cut within a response: {error}", error.why, error.code)


async def give(exchange: RequestExchange, page: PageAnswer) -> None:
    """Send an answer of our own."""
    fields = [
        (b"content-type", page.media_type.encode()),
        (b"content-length", b"%d" % len(page.content)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *((name.encode(), value.encode()) for name, value in page.fields),
    ]
    phrase = b"OK" if page.status == 200 else reason(page.status)
    await exchange.respond(Response(page.status, fields, phrase))
    if exchange.request.method != b"HEAD":
        await exchange.send(page.content)
    await exchange.finish([])
