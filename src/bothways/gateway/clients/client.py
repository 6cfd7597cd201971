"""One client of a gateway, from its first byte to its line in the log."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bothways.addresses import host_and_address
from bothways.aio.admission import AdmittedProtocol, Evicted
from bothways.aio.answers import Found
from bothways.describe.recorder import Recorder
from bothways.diagnosis.causes import Cause
from bothways.errors import TimedOut
from bothways.gateway.clients.interfaces import ServingGateway
from bothways.gateway.log.endings import Code, Ending, is_refused_access
from bothways.gateway.log.log import ConnectionEntry, RequestEntry
from bothways.gateway.observe.meter import Metric, Timing
from bothways.gateway.proxy_protocol.reading import Announced
from bothways.gateway.proxy_protocol.writing import ProxiedClient, header
from bothways.gateway.relay.relay import Relay
from bothways.gateway.routes import backends
from bothways.gateway.routes.newly_listed import Leaf
from bothways.gateway.routes.routes import Route, Routes, svid_problem
from bothways.servers.addresses import ListenerAddress
from bothways.servers.places import source_of
from bothways.tls.config import ServerConfig
from bothways.tls.events import EvidenceWanted
from bothways.tls.handshake.server.start import ProtocolRequired, ServiceRequest
from bothways.trust.certificate.parsed import ParsedCertificate

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from bothways.gateway.http.conversation import Conversation
    from bothways.gateway.observe.spans import Spans
    from bothways.gateway.relay.streams import ByteStream

T = TypeVar("T")


class ClientProtocol(AdmittedProtocol):
    """The protocol on the transport of one client: who is it, for which route, and how long may it stay.

    listener: the address at which it came in.  `leaf`: names the certificate of a verified client.  `connected_by`: the
    routes by which its service was reached, and is verified; None before that.  announced: what a proxy in front says
    of the client; None for one that comes by itself.  needs_alpn: the application protocol that it has to offer.
    """

    __slots__ = (
        "_announced", "_asked", "_connecting", "_conversation", "_counted", "_gateway", "_hello",
        "_limit_before_verdict", "_listener", "_needs_alpn", "_reached_by", "_recorder", "_route", "_routes",
        "_span", "_spans", "_turned_away", "connected_by", "entry", "leaf", "relay",
    )  # fmt: skip

    def __init__(
        self,
        gateway: ServingGateway,
        listener: ListenerAddress,
        announced: Announced | None = None,
        *,
        needs_alpn: str | None = None,
    ) -> None:
        times = gateway.routes.config.times
        self._gateway = gateway
        self._listener = listener
        self._announced = announced
        self._needs_alpn = needs_alpn
        self._routes: Routes = gateway.routes
        self._asked: ServiceRequest | None = None
        self._route: Route | None = None
        self._reached_by: Route | None = None
        self.connected_by: Routes | None = None
        self._limit_before_verdict = gateway.routes.config.limits.bytes_before_verdict
        self._connecting: asyncio.Task[None] | None = None
        self._conversation: Conversation | None = None
        self._turned_away = False
        self._hello: asyncio.TimerHandle | None = None
        self._counted = 0, 0  # bytes
        self._source = ""
        self._spans: Spans | None = None
        self._span: Span | None = None
        self.leaf: Leaf = b"", b""
        self.entry = ConnectionEntry(str(listener), "", "", 0.0)
        self.relay = Relay(
            self._serve, self._over, idle=times.idle, half_closed=times.half_closed,
            reached=self._judge_reached,
        )  # fmt: skip
        base = self._routes.all[0]
        self._recorder = None if self._routes.config.status is None else Recorder()
        super().__init__(
            gateway.admission,
            base.server.connection(select=self._select, observer=self._recorder),
            base.watch,
            self.relay.client,
            evidence=self._find,
        )

    # -- what asyncio calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many: then nothing is computed for this one."""
        entry = self.entry
        entry.began = self._loop.time()
        entry.host, entry.client = host_and_address(self.address_of(transport))
        if self._announced is not None:
            entry.proxy = host_and_address(transport.get_extra_info("peername"))[1]
        self._source = source_of(entry.host)
        why = self._gateway.arrived(self, self._source)
        if why is not None:
            self._turned_away, entry.ending = True, why
            self._in_handshake = False  # which never began
            transport.abort()  # type: ignore[attr-defined]
            return
        times = self._routes.config.times
        self._hello = self._loop.call_later(min(times.hello, times.handshake), self._no_hello)
        super().connection_made(transport)

    def address_of(self, transport: asyncio.BaseTransport) -> object:
        """Return the address of the client: what a proxy says, or that of the connection."""
        announced = self._announced
        if announced is not None and announced.client is not None:
            return announced.client
        return transport.get_extra_info("peername")

    def data_received(self, data: bytes) -> None:
        """Take what came; before the verdict no more than may come then."""
        if not self.driver.status.established and self.place.moved + len(data) > self._limit_before_verdict:
            text = f"it sent more than {self._limit_before_verdict} bytes before it was verified"
            self._end_before_verdict(Code.BYTES_LIMIT, TimedOut(text))
            return
        if self._is_behind and not self.closing:
            self._receive(data)
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Process what came before the end."""
        return self._lose() if self._turned_away else super().connection_lost(exc)

    def _lose(self) -> None:
        super()._lose()
        self._leave()

    def _leave(self) -> None:
        """Write the line of this connection."""
        if self._hello is not None:
            self._hello.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        try:
            self._finish_entry()
        finally:
            self._gateway.left(self, self._source)
            self.relay.release()
            self._conversation = self._connecting = None

    # -- the handshake ---------------------------------------------------------------------------------

    def _select(self, asked: ServiceRequest) -> ServerConfig | ProtocolRequired | None:
        """Choose the route by the ClientHello."""
        if self._hello is not None:
            self._hello.cancel()
        self._asked, self.entry.asked = asked, asked.server_name
        if self.entry.asked_at is None:
            self.entry.asked_at = self._loop.time()
            self._gateway.meter.took(Timing.HELLO, self.entry.asked_at - self.entry.began)
        if self._needs_alpn is not None and self._needs_alpn.encode() not in (asked.protocols or ()):
            return ProtocolRequired((self._needs_alpn.encode(),))
        self._route = self._routes.find(self._listener, asked)
        if self._route is None:
            others = self._routes.protocols_for(self._listener, asked)
            return ProtocolRequired(others) if others else None
        self.entry.route = self._route.config.name
        problem = svid_problem(self._route.ends)
        if problem is not None:
            self.entry.ending = Ending.of(Code.SVID_EXPIRED, problem)
            return None
        self.watch_by(self._route.watch)
        return self._route.server

    async def _find(self, wanted: EvidenceWanted) -> Found:
        """Fetch what the verification of this client wants, as its route allows."""
        finder = None if self._route is None else self._route.finder
        found = None if finder is None else finder(wanted)
        return await found if inspect.isawaitable(found) else found

    def _no_hello(self) -> None:
        if self.connection.is_no_tls and not self.eof_received():  # nothing comes that would tell more of it
            self.transport.close()
            return
        what = "only a part of a ClientHello" if self.place.moved else "no ClientHello"
        late = TimedOut(f"{what} came in time", received=self.place.moved)
        self._end_before_verdict(Code.HELLO_TIMEOUT, late)

    def _end_before_verdict(self, code: Code, error: TimedOut) -> None:
        if self.driver.status.failure is None:
            error.situation = self.connection.history.facts()
            why = error if code is Code.HELLO_TIMEOUT else None
            self.entry.ending = Ending.of(code, str(error), why)
            self.fail(error)

    # -- the verified client ---------------------------------------------------------------------------

    def _serve(self, relay: Relay) -> None:
        """The client is verified and allowed: connect it to its service."""
        status, entry = self.driver.status, self.entry
        if status.peer is None or not status.peer.verdict.path_der or self._route is None:
            text = "a client without a verified certificate came this far"
            relay.end(Ending.of(Code.DEFECT, text))
            return
        entry.peer = status.peer
        leaf = ParsedCertificate(status.peer.verdict.path_der[0])
        self.leaf = leaf.normal_issuer, leaf.serial
        entry.verdict, entry.rule = "allowed", self._route.config.access.decision(status.peer.verdict).rule
        self._note_agreed()
        if self._recorder is not None:  # its notes are for those who are refused
            self.connection.stop_observing()
            self._recorder.stop()
            self._recorder.notes.clear()
        self._gateway.meter.established(entry, self._loop.time() - (entry.asked_at or entry.began))
        self._gateway.meter.decided(entry)
        self._spans = self._gateway.spans
        self._span = None if self._spans is None else self._spans.established(entry)
        why = self._gateway.established(self) or self._not_recorded()
        if why is not None:
            relay.end(why)
            return
        if self._routes is not self._gateway.routes:
            self.use_routes(self._gateway.routes)
        self._gateway.when_admitted(self, self._connect)

    def _not_recorded(self) -> Ending | None:
        """Record that this client is let in; nothing passes for one that cannot be recorded."""
        problem = self._gateway.auditor.decision(self.entry)
        return None if problem is None else Ending.of(Code.NOT_RECORDED, problem)

    def _connect(self) -> None:
        """Connect to the service, once the client is judged by what counts now; until then nothing reaches it."""
        self._judge_if_due()
        if self.relay.why is not None or self._route is None:
            return
        self.connected_by = self._routes
        if self._route.config.http is not None:
            self._converse(self._route)
            return
        if self._route.client is not None:
            self.relay.use_tls()
        seconds = self._routes.config.times.connect
        self._reached_by = self._route
        connecting = partial(backends.connect, self.relay, self._route, seconds, self._head(self._route))
        self._connecting = self._loop.create_task(self._timed(connecting))

    def _converse(self, route: Route) -> None:
        """Serve the requests of this client."""
        from bothways.gateway.http.conversation import Conversation  # h11 is loaded only where HTTP is read
        from bothways.gateway.http.identity_fields import identity_fields
        from bothways.gateway.http.served import Served

        peer, http, own = self.entry.peer, route.config.http, route.server.settings.identity.own[0]
        if peer is None or http is None or self._asked is None:
            return
        try:
            told = [] if route.shows_status else identity_fields(peer, own.names.uri, http.identity_fields)
        except OSError as error:
            self.relay.end(Ending.of(Code.FIELDS_LIMIT, str(error)))
            return
        address = self.address_of(self.transport)
        host = self.entry.host if isinstance(address, tuple) else None
        served = Served(self._listener, self._asked, self.connection.alpn, self._routes, route, host, told)
        answer = self._gateway.status if route.shows_status else None
        ended = partial(self.entry.ended_by, self.driver.status)
        self._conversation = Conversation(
            served, self._reach, self._log_request, self._conversation_ended, ended, answer
        )
        self.relay.hand_over(self._conversation.client)
        self._conversation.start()
        if self._gateway.drains:
            self._conversation.drain()

    async def _reach(self, stream: ByteStream) -> backends.Unreached | None:
        """Connect to the service, by what counts now; return what prevents it."""
        route = self._route
        if route is None:
            return backends.Unreached("there is no route any more", why=Cause.NAME_NOT_SERVED)
        seconds = self._routes.config.times.connect
        problem = await self._timed(partial(backends.reach, stream, route, seconds, self._head(route)))
        if problem is None:
            self._judge_service(self._route, route, [stream.transport])
        return problem

    def _judge_reached(self) -> None:
        """The service is there: verify it by what counts now, before anything passes to it."""
        self.catch_up()
        self._judge_service(self._route, self._reached_by, [self.relay.service.transport])

    async def _timed(self, reaching: Callable[[], Awaitable[T]]) -> T:
        """Reach the service, and count how long that took; one that is cancelled before it begins calls nothing."""
        began = self._loop.time()
        result = await reaching()
        self._gateway.meter.took(Timing.BACKEND, self._loop.time() - began)
        return result

    def _log_request(self, request: RequestEntry) -> None:
        self._gateway.lines.request(self.entry, request)
        if self._spans is not None and self._span is not None:
            self._spans.request(self._span, request)
        status = "none" if request.status is None else f"{request.status // 100}xx"
        self._gateway.meter.count(Metric.REQUESTS, self.entry.route or "", status)

    def _conversation_ended(self, why: Ending) -> None:
        """The conversation has ended."""
        self.entry.ending = self.entry.ending or why

    def drain(self) -> None:
        """Take no other request of this client; what is not HTTP goes on."""
        if self._conversation is not None:
            self._conversation.drain()

    def _head(self, route: Route) -> bytes:
        """Return what the service is told of the client before its first byte."""
        peer, form = self.entry.peer, route.config.proxy_protocol
        if peer is None or form is None:
            return b""
        address, local = self.address_of(self.transport), self.transport.get_extra_info("sockname")
        if self._announced is not None and self._announced.local is not None:
            local = self._announced.local
        client = ProxiedClient(
            peer,
            address[:2] if isinstance(address, tuple) and isinstance(local, tuple) else None,
            local[:2] if isinstance(address, tuple) and isinstance(local, tuple) else None,
            self.entry.asked,
            self.connection.alpn,
            self.connection.version or "",
            self.connection.resumed,
        )
        return header(client, form)

    def catch_up(self) -> None:
        """Have an established client verified by the newest routes, now, unless that was done."""
        if self._is_behind:
            self.use_routes(self._gateway.routes)
            self._judge_if_due()

    def judge_soon(self) -> None:
        """Have an established client verified again, ahead of all others for whom that is due."""
        if self._route is not None:
            self._route.watch.call_soon(self._judge_if_due)

    @property
    def _is_behind(self) -> bool:
        return self.entry.peer is not None and self._routes is not self._gateway.routes

    def use_routes(self, routes: Routes) -> None:
        """Have an established client verified again by other routes; one for whom there is none any more is ended."""
        asked = self._asked
        route = None if asked is None else routes.find(self._listener, asked)
        self._routes = routes
        if route is None:
            self._withdraw(Code.ROUTE_GONE, "there is no route for it any more")
            return
        if self.connected_by is not None and self._route is not None and not route.leads_like(self._route):
            self._withdraw(Code.ROUTE_CHANGED, "its route leads to another service now")
            return
        before, self._route = self._route, route
        if self._conversation is not None:
            self._conversation.served.routes, self._conversation.served.route = routes, route
        self.entry.route = route.config.name
        if self.connected_by is not None:
            self.connected_by = routes
            self._judge_service(route, before, self._services_reached())
        if before is not None and route.judges_like(before):
            return
        if self.entry.peer is not None:
            self.entry.rule = route.config.access.decision(self.entry.peer.verdict).rule
        self.judge_by(route.server.settings, route.watch)

    def _services_reached(self) -> list[Any]:
        """Return the transports of all connections to the service."""
        if self._conversation is not None:
            return self._conversation.services_reached()
        return [self.relay.service.transport]

    def _judge_service(self, route: Route | None, before: Route | None, transports: Iterable[Any]) -> None:
        """Have the service verified by a route, if it is reached by TLS and was verified otherwise before."""
        if route is not None and before is not None:
            backends.judge_services(transports, route.client, before.client)

    def _withdraw(self, code: Code, why: str) -> None:
        self.entry.verdict = "withdrawn"
        self.relay.end(Ending.of(code, why))
        self.discard_unsent()  # the service may have sent it after the change

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send data of the service to a client that is verified by what counts now."""
        if self._is_behind:
            self._judge_before_sending()
        super().send(data)

    def _judge_first(self) -> None:
        self.catch_up()
        super()._judge_first()

    def _over(self, relay: Relay) -> None:
        """The relay has ended."""
        self.entry.ending = self.entry.ending or relay.why
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()

    def count_bytes(self) -> None:
        """Note how much has passed, and count what was not counted yet."""
        entry = self.entry
        entry.received, entry.sent = self.relay.client.count, self.relay.service.count
        if self._conversation is not None:
            entry.received, entry.sent = self._conversation.client.received, self._conversation.client.sent
        now = entry.received, entry.sent
        if now != self._counted:
            self._gateway.meter.moved(entry.route or "", now[0] - self._counted[0], now[1] - self._counted[1])
            self._counted = now

    def _finish_entry(self) -> None:
        entry, failure = self.entry, self.driver.status.failure
        self.count_bytes()
        self._note_agreed()
        entry.conclude(failure, asks=self._conversation is None or not self._conversation.is_idle)
        if entry.peer is not None and self._route is not None and is_refused_access(failure):
            entry.rule = self._route.config.access.decision(entry.peer.verdict).rule
        if failure is not None and getattr(failure, "situation", None) is None:
            failure.situation = self.connection.history.facts()  # type: ignore[union-attr]
        seconds = self._loop.time() - entry.began
        self._gateway.meter.ended(entry)
        spans = self._spans or self._gateway.spans
        if spans is not None:
            spans.ended(entry, self._span)
        self._gateway.note_refusal(entry, () if self._recorder is None else self._recorder.notes)
        if entry.verdict in ("refused", "withdrawn"):
            self._gateway.auditor.decision(entry)
        if isinstance(failure, Evicted):
            self._gateway.log.not_logged()
        else:
            self._gateway.lines.connection(entry, seconds)

    def _note_agreed(self) -> None:
        entry, connection = self.entry, self.connection
        entry.version, entry.suite, entry.resumed = connection.version, connection.suite, connection.resumed
