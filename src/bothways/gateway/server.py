"""The gateway of one process: its listeners, its clients, and the change of its files while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from bothways.addresses import TCPAddress, UnixAddress, is_loopback
from bothways.aio.admission import Admission
from bothways.aio.server import Server
from bothways.aio.turns import turns_of
from bothways.gateway.before_tls.arrival import Arrival
from bothways.gateway.before_tls.opening import Opening
from bothways.gateway.before_tls.preliminary import Preliminary
from bothways.gateway.clients.client import ClientProtocol
from bothways.gateway.clients.connections_before_tls import ConnectionsBeforeTLS
from bothways.gateway.clients.counted_clients import CountedClients
from bothways.gateway.clients.interfaces import GatewayClient
from bothways.gateway.config.gateway import suffix
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.listening import bound_address, change_modes, check_kept, open_listener
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.lines_in_turn import LinesInTurn
from bothways.gateway.log.log import ConnectionEntry, Log
from bothways.gateway.observe.audit_file import AuditFile
from bothways.gateway.observe.auditor import Auditor
from bothways.gateway.observe.board import DRAINING, GENERATION, SERVING, Board
from bothways.gateway.observe.meter import CurrentState, Meter
from bothways.gateway.observe.pages import operator_pages
from bothways.gateway.observe.refusals import Refusals
from bothways.gateway.observe.snapshot import live_row, program_row, publish
from bothways.gateway.proxy_protocol.reading import Announced
from bothways.gateway.relay.relay import PlainEnd, TLSEnd
from bothways.gateway.routes.newly_listed import found_in_time, listed_in, newly_listed
from bothways.gateway.routes.routes import Routes
from bothways.gateway.shared.sharing import Sharing
from bothways.gateway.tunnels.tunnelled import OpenTunnels, TunnelledProgram, tunnel_row
from bothways.no_op import do_nothing
from bothways.servers.addresses import ListenerAddress
from bothways.servers.listening import ACCEPTED_AT_ONCE, remove_socket_file
from bothways.servers.shortage import report_shortages
from bothways.tls.events import Peer
from bothways.trust.evidence.http_exchange import Evidence

if TYPE_CHECKING:
    from bothways.describe.recorder import Noted
    from bothways.gateway.http.messages import RequestHead
    from bothways.gateway.http.operator import Operator, OperatorStream
    from bothways.gateway.observe.pages import PageAnswer
    from bothways.gateway.observe.spans import Spans

CONNECTIONS, PROGRAMS = 100, 50  # that are shown of each process
OBSERVE_SECONDS = 1.0  # how often our numbers are brought up to date
COUNTED_IN_A_TURN = 1000  # connections, which take 1 to 3 ms


class Gateway:
    """Serves the routes of a file until it is told to stop.

    `routes` are those of new clients; `clients` all that are there; `before_tls` the connections without TLS.  listen:
    returns a listening socket.  board: what all processes know of each other.  number: of this one among the workers.
    """

    def __init__(
        self,
        routes: Routes,
        log: Log,
        listen: Callable[[ListenerConfig], socket.socket] = open_listener,
        *,
        board: Board | None = None,
        number: int = 1,
    ) -> None:
        self.board = board or Board()
        self.meter = Meter(self.board.worker(number))
        self._operator: Operator | None = None
        self.auditor = Auditor(f"worker {number}", log.event)
        # One thread and one page at a time, since each more takes from the event loop.
        self._drawing = ThreadPoolExecutor(1, "drawing")
        self._one_page = asyncio.Lock()
        self._refusals = Refusals(run=self._drawing.submit, tell=log.event)
        self.lines = LinesInTurn(log)
        self._spans: Spans | None = None
        self.routes = routes
        self.log = log
        self._listen_on = listen
        self._owns_files = listen is open_listener
        limits = routes.config.limits
        self.admission = Admission(limits.handshakes, do_nothing)  # a failed handshake has its line later
        self.clients = CountedClients()
        self.before_tls = ConnectionsBeforeTLS(limits.handshakes)
        self.tunnelled = OpenTunnels()
        self._sharing = Sharing(self, log.event, self.meter)
        self._listening: dict[ListenerAddress, Server] = {}
        self._accepts, self.drains = True, False
        # What verifies those that are not verified by the newest routes yet.
        self._behind: dict[GatewayClient, Callable[[], None]] = {}
        self._observing: asyncio.Task[None] | None = None

    # -- listening -------------------------------------------------------------------------------------

    async def start(self) -> list[str]:
        """Listen on every address, or on none: raises OSError or ConfigError. Returns the addresses."""
        audit = self.auditor.opened(self.routes.config.audit)
        self._listening = await self._listen_or_discard(self.routes, audit)
        self.auditor.use(audit)
        self._share(self.routes)
        for server in self._listening.values():
            await server.accept()
        self.meter.slot.state.set(SERVING, 1.0)
        self._observing = asyncio.get_running_loop().create_task(self._observe())
        report_shortages(asyncio.get_running_loop(), self.log.event)
        return self.addresses()

    def addresses(self) -> list[str]:
        """Return where clients can connect."""
        config = self.routes.config
        return [
            bound_address(address, server.sockets[0]) + suffix(config, address)
            for address, server in self._listening.items()
        ]

    def _share(self, routes: Routes) -> None:
        self._sharing.use(routes, self.clients.established.items())
        for client in self._verified:
            if client.entry.peer is not None:
                self.saw(client.entry.peer)

    @property
    def _metrics_address(self) -> ListenerAddress | None:
        metrics = self.routes.config.metrics
        return None if metrics is None else metrics.address

    async def _listen_or_discard(
        self, routes: Routes, audit: AuditFile | None
    ) -> dict[ListenerAddress, Server]:
        """Listen as the routes say; if that is not possible, what was opened for them is closed."""
        opened: dict[ListenerAddress, Server] = {}
        try:
            opened = await self._listen(routes.config.all_listeners)
            if self._owns_files:
                change_modes(self.routes.config.all_listeners, routes.config.all_listeners)
        except BaseException:
            for server in opened.values():
                server.close()
            self.auditor.discard(audit)
            raise
        return opened

    async def _listen(self, listeners: tuple[ListenerConfig, ...]) -> dict[ListenerAddress, Server]:
        """Listen anew where nothing listens yet; what was opened is closed again if one of them fails."""
        opened: dict[ListenerAddress, Server] = {}
        try:
            for each in listeners:
                if each.address in self._listening:
                    before = self.routes.config.all_listeners
                    check_kept(self._listening[each.address].sockets[0], each, before)
                else:
                    opened[each.address] = await self._open(each)
        except BaseException:
            for server in opened.values():
                server.close()
            raise
        return opened

    async def _open(self, listener: ListenerConfig) -> Server:
        server, made = Server(self.admission), partial(self._protocol, listener.address)
        if self._owns_files and isinstance(listener.address, TCPAddress):  # its host may be a name to resolve
            sock = await asyncio.get_running_loop().run_in_executor(None, self._listen_on, listener)
        else:
            sock = self._listen_on(listener)
        sock.setblocking(False)
        await server.listen(
            made, None, None, sock=sock, path=None, reuse_port=None, backlog=ACCEPTED_AT_ONCE, accepts=False
        )  # `made` goes by the routes in use, and these may be for others
        return server

    def _protocol(
        self, address: ListenerAddress
    ) -> ClientProtocol | Preliminary | OperatorStream | TLSEnd | PlainEnd:
        """Return the protocol of a new connection, by what the file says of its listener now."""
        if address == self._metrics_address:
            return self._operator_at(address).protocol()
        if self.routes.tunnel_at(address) is not None:
            return TunnelledProgram(self, self.tunnelled, address).relay.client
        listeners = self.routes.config.listeners
        listener = next((each for each in listeners if each.address == address), None)
        if listener is None:
            return ClientProtocol(self, address)
        if listener.proxies is not None:
            return Arrival(self, listener, listener.proxies)
        return self.client_protocol(listener, None)

    def client_protocol(
        self, listener: ListenerConfig, announced: Announced | None
    ) -> ClientProtocol | Opening:
        """Return the protocol of a client. announced: what a proxy in front says of it, if one does."""
        if listener.starttls is None:
            return ClientProtocol(self, listener.address, announced)
        return Opening(self, listener.address, announced, listener.starttls)

    def tls_protocol(
        self, listener: ListenerAddress, announced: Announced | None, *, needs_alpn: str | None
    ) -> ClientProtocol:
        """Return the protocol of a client with which TLS begins. needs_alpn: what it has to offer."""
        return ClientProtocol(self, listener, announced, needs_alpn=needs_alpn)

    # -- clients ---------------------------------------------------------------------------------------

    def arrived(self, client: GatewayClient, source: str) -> Ending | None:
        """Count a client; returns why there is no place for it."""
        return self.clients.arrive(client, source, self.routes.config.limits)

    def established(self, client: GatewayClient) -> Ending | None:
        """Count a verified client; returns why there is no place for it."""
        peer = client.entry.peer
        if peer is None:
            return Ending.of(Code.DEFECT, "it is not verified")
        why = self.clients.establish(client, peer.names, self.routes.config.limits)
        if why is None:
            self.saw(peer)
        return why

    def saw(self, peer: Peer) -> None:
        """Note the CAs of a verified client, or of the server of a tunnel: news of theirs are for it."""
        self._sharing.saw(peer.verdict.path_der[1:])

    def when_admitted(self, client: GatewayClient, go_on: Callable[[], None]) -> None:
        """Go on with an established client, or end it if all gateways together have too many with its names."""
        limit = self.routes.config.limits.per_identity
        self._sharing.when_admitted(client, self.clients.established[client], limit, go_on, client.relay.end)

    def left(self, client: GatewayClient, source: str) -> None:
        """Count a client no more."""
        follow = self._behind.pop(client, None)
        if follow is not None:
            turns_of(asyncio.get_running_loop()).drop(follow)
        if self.clients.leave(client, source):
            self._sharing.leaves(client)

    # -- change ----------------------------------------------------------------------------------------

    async def take(self, routes: Routes, *, until: float | None = None) -> None:
        """Use other routes from here on; nothing of an open connection passes before it is verified by them.

        until: on the monotonic clock; from then on nobody is served before that.

        Raises OSError or ConfigError where a listener cannot be opened; then the routes stay as they are. Clients whose
        certificates are listed newly are ended first, before this returns; all others follow in the next turns.
        """
        audit = self.auditor.opened(routes.config.audit)
        opened = await self._listen_or_discard(routes, audit) if self._accepts else {}
        leaves = {client: client.leaf for client in self._verified}
        looking = partial(newly_listed, set(leaves.values()), self.routes, routes)
        listed = await found_in_time(looking, until)
        wanted = {each.address for each in routes.config.all_listeners}
        for address in [each for each in self._listening if each not in wanted]:
            self._close_listener(address)
        self._listening |= opened
        self.auditor.use(audit)
        self.routes, self.log.form = routes, routes.config.log_format
        self._share(routes)
        self.admission.places.resize(routes.config.limits.handshakes)
        self.before_tls.resize(routes.config.limits.handshakes)
        now = dict.fromkeys(self._verified)
        first = [client for client, leaf in leaves.items() if leaf in listed and client in now]
        self._follow_soon(dict.fromkeys((*first, *now)))
        for server in opened.values():
            await server.accept()

    @property
    def _verified(self) -> Iterator[GatewayClient]:
        """Those who are verified again when something changes: clients, and local programs for their servers."""
        yield from self.clients.established
        yield from self.tunnelled

    def _follow_soon(self, clients: Iterable[GatewayClient]) -> None:
        """Have open connections verified by the newest routes in the next turns of the loop, in this order."""
        self._forget_behind()
        turns = turns_of(asyncio.get_running_loop())
        for client in clients:
            self._behind[client] = follow = partial(self._follow, client)
            turns.verify_soon(follow)

    def _follow(self, client: GatewayClient) -> None:
        self._behind.pop(client, None)
        try:
            client.catch_up()
        except Exception as error:  # noqa: BLE001 - all others are verified nevertheless
            self.log.event(f"a client that cannot be verified again is ended: {error!r}")
            client.relay.end(Ending.of(Code.DEFECT, "it could not be verified again"))
            client.abort()

    def _forget_behind(self) -> None:
        turns = turns_of(asyncio.get_running_loop())
        while self._behind:
            turns.drop(self._behind.popitem()[1])

    async def revoked(self, news: Sequence[Evidence]) -> None:
        """Verify those clients again first that are in news, which are in use already."""
        leaves = {client: client.leaf for client in self._verified}
        listed = await found_in_time(partial(listed_in, set(leaves.values()), news))
        now = set(self._verified)
        for client, leaf in leaves.items():
            if leaf in listed and client in now:
                client.judge_soon()

    # -- seen from outside -----------------------------------------------------------------------------

    def serves(self, generation: int) -> None:
        """Tell all processes which configuration this one goes by."""
        self.meter.slot.state.set(GENERATION, generation)

    async def refresh(self) -> None:
        """Bring the numbers of this process up to date; other work has its turns meanwhile."""
        for number, client in enumerate((*self.clients, *self.tunnelled), 1):
            client.count_bytes()
            if number % COUNTED_IN_A_TURN == 0:
                await asyncio.sleep(0)
        self._publish()

    def _publish(self) -> None:
        self.meter.state(CurrentState.CONNECTIONS, len(self.clients.established) + len(self.tunnelled))
        waiting = len(self.clients) - len(self.clients.established) + len(self.before_tls)
        self.meter.state(CurrentState.HANDSHAKES_OPEN, waiting)
        if self.routes.config.status is None:
            publish(self.meter.slot, self.clients.by_text)
            return
        now = asyncio.get_running_loop().time()
        newest = islice(reversed(self.clients.established), CONNECTIONS)
        live = [live_row(each.entry, now - each.entry.began) for each in newest]
        tunnels = [tunnel_row(each.config, self.tunnelled) for each in self.routes.tunnels]
        programs = [
            program_row(each.entry, now - each.entry.began) for each in self.tunnelled.newest(PROGRAMS)
        ]
        publish(self.meter.slot, self.clients.by_text, live, self._refusals.facts(), tunnels, programs)

    @property
    def spans(self) -> Spans | None:
        """What makes spans, where the configuration wants them."""
        if not self.routes.config.spans:
            return None
        if self._spans is None:
            from bothways.gateway.observe.spans import (
                Spans,  # OpenTelemetry is loaded only where it is wanted
            )

            self._spans = Spans(asyncio.get_running_loop().time)
        return self._spans

    def note_refusal(self, entry: ConnectionEntry, notes: Sequence[Noted]) -> None:
        """Note a connection that has ended, where refusals are shown. notes: of its handshake."""
        if self.routes.config.status is not None:
            self._refusals.note(entry, notes)

    async def status(self, request: RequestHead) -> PageAnswer:
        """Answer a request for the status. Raises RefusedRequest."""
        from bothways.gateway.http.messages import RefusedRequest
        from bothways.gateway.observe.status_page import status_of, status_page

        if request.target.partition(b"?")[0] != b"/":
            raise RefusedRequest(404, "there is /")
        if request.method not in (b"GET", b"HEAD") or request.has_body:
            raise RefusedRequest(405, "only GET and HEAD, without a body")
        async with self._one_page:
            await self.refresh()
            held, loop = self.routes.held, asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._drawing, lambda: status_page(status_of(self.board, held, datetime.now(UTC)))
            )

    def _operator_at(self, address: ListenerAddress) -> Operator:
        from bothways.gateway.http.operator import Operator  # h11 is loaded only where HTTP is read

        if self._operator is None:
            pages = operator_pages(self.board, lambda: self.routes.held)
            is_local = not isinstance(address, TCPAddress) or is_loopback(address.host)
            self._operator = Operator(pages, self.refresh, checks_host=is_local)
        return self._operator

    async def _observe(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(OBSERVE_SECONDS)

    # -- the end ---------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Accept nobody any more, and wait for those who are there as long as the file says; then end them."""
        self.close_listeners(but_metrics=True)
        self.drains = True  # for those, too, whose handshake ends later
        for client in tuple(self.clients):
            client.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.routes.config.times.drain):
                await self._until_empty()
        await self.close()

    async def _until_empty(self) -> None:
        await self.admission.until_empty()
        await self.tunnelled.until_empty()

    async def retire(self) -> None:
        """Accept nobody any more, and wait until all connections have ended, however long that takes."""
        self.close_listeners()
        await self._until_empty()
        self.lines.write_all()

    def close_listeners(self, *, but_metrics: bool = False) -> None:
        """Accept nobody any more. but_metrics: the operator may still ask."""
        self._accepts = False
        self.meter.slot.state.set(DRAINING, 1.0)
        metrics = self._metrics_address if but_metrics else None
        for address in [each for each in self._listening if each != metrics]:
            self._close_listener(address)

    def _close_listener(self, address: ListenerAddress) -> None:
        self._listening.pop(address).close()
        if isinstance(address, UnixAddress) and self._owns_files:
            remove_socket_file(address.path)

    async def close(self) -> None:
        """End everything now."""
        self.close_listeners()
        self._forget_behind()
        self.before_tls.end_all()
        for client in (*self.clients, *self.tunnelled):
            client.relay.end(Ending.of(Code.GATEWAY_ENDED, "the gateway ends"))
            client.close(1.0)
        await self._until_empty()
        self.lines.write_all()
        if self._observing is not None:
            self._observing.cancel()
        if self._operator is not None:
            await self._operator.close()
        await self._sharing.close()
        self._drawing.shutdown(wait=False)
        self.auditor.use(None)
