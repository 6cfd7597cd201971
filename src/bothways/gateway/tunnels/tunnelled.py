"""The connections of local programs that tunnels of a gateway's file lead to servers: reached, counted and told.

A server is verified again by what a change of the files says, before anything more passes in either direction.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from bothways.addresses import host_and_address
from bothways.aio.transport import TLSTransport
from bothways.aio.turns import turns_of
from bothways.describe.escape import visible
from bothways.describe.recorder import Recorder
from bothways.errors import PeerAlert
from bothways.gateway.clients.interfaces import ServingGateway
from bothways.gateway.config.tunnel import TunnelConfig
from bothways.gateway.log.endings import Code, Ending, ending_of, is_verdict
from bothways.gateway.log.log import NAME_LIMIT, ConnectionEntry
from bothways.gateway.observe.meter import Timing
from bothways.gateway.relay.relay import Relay
from bothways.gateway.routes.backends import judge_services
from bothways.gateway.routes.newly_listed import Leaf
from bothways.gateway.routes.routes import Routes, TunnelRoute, svid_problem
from bothways.gateway.tunnels.tunnel import ProgramEnd, TunnelSettings, judge_service, reach
from bothways.servers.addresses import ListenerAddress
from bothways.trust.certificate.parsed import ParsedCertificate

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from bothways.gateway.observe.spans import Spans


class OpenTunnels:
    """The connections of all tunnels of a process."""

    def __init__(self) -> None:
        self._all: dict[TunnelledProgram, ListenerAddress] = {}
        self._counts: Counter[ListenerAddress] = Counter()
        self._closing: set[TunnelledProgram] = set()
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[TunnelledProgram]:
        return iter(tuple(self._all))

    def count(self, listener: ListenerAddress) -> int:
        """Return how many connections the tunnel at a listener has."""
        return self._counts[listener]

    def newest(self, most: int) -> list[TunnelledProgram]:
        """Return those that began last, the last one first."""
        return list(islice(reversed(self._all), most))

    def enter(self, program: TunnelledProgram, listener: ListenerAddress, most: int) -> Ending | None:
        """Count a connection; returns why there is no place for it. most: that its tunnel may have."""
        self._all[program] = listener
        self._counts[listener] += 1
        if self._counts[listener] <= most:
            return None
        return Ending.of(Code.CONNECTIONS_LIMIT, f"there are {most} connections, and no more are taken")

    def leave(self, program: TunnelledProgram) -> None:
        """Count a connection no more; it has ended, and may have last bytes to deliver until it is gone."""
        listener = self._all.pop(program, None)
        if listener is not None:
            self._counts[listener] -= 1
        self._closing.add(program)

    def gone(self, program: TunnelledProgram) -> None:
        """Nothing is left of a connection."""
        self._closing.discard(program)
        self._emptied.set()

    async def until_empty(self) -> None:
        """Wait until nothing is left of any connection."""
        while self._all or self._closing:
            self._emptied.clear()
            await self._emptied.wait()


def tunnel_row(tunnel: TunnelConfig, opened: OpenTunnels) -> dict[str, Any]:
    """Return what is shown of a tunnel."""
    texts = {
        "name": tunnel.name,
        "listener": str(tunnel.listener.address),
        "server": str(tunnel.server),
        "server_name": tunnel.tls.server_name,
    }
    shown = {key: visible(each, NAME_LIMIT) for key, each in texts.items()}
    return {**shown, "open": opened.count(tunnel.listener.address)}


class LocalEnd(ProgramEnd):
    """The end of a local program. What passes does so only while the server is verified by what counts now.

    program: whose end it is, until it is gone.
    """

    program: TunnelledProgram | None = None

    def data_received(self, data: bytes) -> None:
        """Pass on what the program sends."""
        if self.program is not None:
            self.program.catch_up()
            if self.relay.is_open:
                super().data_received(data)

    def write(self, data: bytes) -> None:
        """Send to the program what the server has sent."""
        if self.program is not None:
            self.program.catch_up()
            self.program.stop_recording()
            if self.relay.is_open:
                super().write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The program is gone, and keeps nothing that would wait for the garbage collector."""
        super().connection_lost(error)
        program, self.program = self.program, None
        if program is not None:
            program.release()


class TunnelledProgram:
    """The connection of one local program. listener: the address at which it came in."""

    def __init__(self, gateway: ServingGateway, opened: OpenTunnels, listener: ListenerAddress) -> None:
        self._gateway = gateway
        self._opened = opened
        self._listener = listener
        self._routes: Routes = gateway.routes
        self._tunnel: TunnelRoute | None = self._routes.tunnel_at(listener)
        self._connecting: asyncio.Task[None] | None = None
        self._reached_by: TunnelRoute | None = None
        self._counted = 0, 0  # bytes
        self.leaf: Leaf = b"", b""
        self.entry = ConnectionEntry(str(listener), "", "", 0.0, leads_to="")
        self._recorder = None if self._routes.config.status is None else Recorder()
        self._spans: Spans | None = None
        self._span: Span | None = None
        times = self._routes.config.times
        self.relay = Relay(
            self._begin, self._over, idle=times.idle, half_closed=times.half_closed, client=LocalEnd,
            reached=self._reached,
        )  # fmt: skip
        self.relay.use_tls()
        if isinstance(self.relay.client, LocalEnd):
            self.relay.client.program = self
            self.relay.client.gone = partial(opened.gone, self)

    # -- the connection to the server ------------------------------------------------------------------

    def _begin(self, relay: Relay) -> None:
        """The program is there: connect it to the server."""
        entry, loop = self.entry, asyncio.get_running_loop()
        entry.began = loop.time()
        entry.host, entry.client = host_and_address(relay.client.transport.get_extra_info("peername"))
        tunnel = self._tunnel
        if tunnel is None:
            relay.failed(Ending.of(Code.ROUTE_GONE, "there is no tunnel for it any more"))
            return
        entry.route, entry.asked = tunnel.config.name, tunnel.config.tls.server_name
        entry.leads_to = str(tunnel.config.server)
        why = self._opened.enter(self, self._listener, tunnel.config.connections)
        problem = svid_problem(tunnel.ends)
        if why is None and problem is not None:
            why = Ending.of(Code.SVID_EXPIRED, problem)
        if why is not None:
            relay.failed(why)
            return
        self._reached_by = tunnel
        self._connecting = loop.create_task(self._connect(tunnel))

    async def _connect(self, tunnel: TunnelRoute) -> None:
        config = tunnel.config
        settings = TunnelSettings(
            tunnel.client, config.server, config.tls.server_name, config.starttls,
            connect=self._routes.config.times.connect,
        )  # fmt: skip
        await reach(self.relay, settings, self._recorder)

    def _reached(self) -> None:
        """The server is there: verify it by what counts now and record that, before anything passes."""
        gateway, entry, transport = self._gateway, self.entry, self.relay.service.transport
        self._note_server()
        self.catch_up()
        if self._tunnel is not None and self._reached_by is not None:
            judge_services([transport], self._tunnel.client, self._reached_by.client)
        if entry.peer is None or self.relay.why is not None or transport.is_closing():
            return
        entry.verdict = "allowed"
        gateway.saw(entry.peer)
        gateway.meter.took(Timing.BACKEND, asyncio.get_running_loop().time() - entry.began)
        gateway.meter.decided(entry)
        self._spans = gateway.spans
        self._span = None if self._spans is None else self._spans.established(entry)
        problem = gateway.auditor.decision(entry)
        if problem is not None:
            self.relay.end(Ending.of(Code.NOT_RECORDED, problem))

    def stop_recording(self) -> None:
        """The server has sent something: it refuses us no more, and nothing has to be shown of its handshake."""
        recorder, self._recorder = self._recorder, None
        transport = self.relay.service.transport
        if recorder is not None and isinstance(transport, TLSTransport):
            transport.tls.connection.stop_observing()
            recorder.stop()

    def _note_server(self) -> None:
        """Note who the server is, for the line of this connection."""
        transport, entry = self.relay.service.transport, self.entry
        if not isinstance(transport, TLSTransport):
            return
        connection = transport.tls.connection
        entry.version, entry.suite, entry.resumed = connection.version, connection.suite, connection.resumed
        entry.peer = connection.peer
        if connection.peer is not None and connection.peer.verdict.path_der:
            leaf = ParsedCertificate(connection.peer.verdict.path_der[0])
            self.leaf = leaf.normal_issuer, leaf.serial

    # -- change ----------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Go by the newest routes, unless that was done: the server is verified by them now, or the connection ends."""
        routes = self._gateway.routes
        if self._routes is routes or self.relay.why is not None:
            return
        before, self._routes = self._tunnel, routes
        self._tunnel = tunnel = routes.tunnel_at(self._listener)
        if tunnel is None or before is None:
            self._withdraw(Code.ROUTE_GONE, "there is no tunnel for it any more")
        elif not tunnel.leads_like(before):
            self._withdraw(Code.ROUTE_CHANGED, "its tunnel leads elsewhere now")
        else:
            self.entry.route = tunnel.config.name
            judge_services([self.relay.service.transport], tunnel.client, before.client)

    def _withdraw(self, code: Code, why: str) -> None:
        self.entry.verdict = "withdrawn"
        self.relay.end(Ending.of(code, why))

    def judge_soon(self) -> None:
        """Have the server verified again, ahead of all others for which that is due."""
        turns_of(asyncio.get_running_loop()).verify_soon(partial(judge_service, self.relay))

    def release(self) -> None:
        """Keep nothing of a connection that is over."""
        self.relay.release()
        self.relay.error = self._connecting = self._recorder = None

    # -- the end ---------------------------------------------------------------------------------------

    def count_bytes(self) -> None:
        """Note how much has passed, and count what was not counted yet."""
        entry = self.entry
        entry.received, entry.sent = now = self.relay.client.count, self.relay.service.count
        if now != self._counted:
            self._gateway.meter.moved(entry.route or "", now[0] - self._counted[0], now[1] - self._counted[1])
            self._counted = now

    def drain(self) -> None:
        """Let it go on until it ends by itself."""

    def close(self, linger: float) -> None:  # noqa: ARG002 - a program without TLS says nothing more
        """End it after what was sent."""
        self.relay.client.close()

    def abort(self) -> None:
        """End it at once."""
        self.relay.client.cut()

    def _over(self, relay: Relay) -> None:
        """The relay has ended: write the line of this connection."""
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()
        entry = self.entry
        self.count_bytes()
        entry.ending, error = relay.why, relay.error
        if error is not None and (isinstance(error, PeerAlert) or is_verdict(error)):
            entry.ending = ending_of(
                error, is_verified=True
            )  # though it comes when the server was let in already
        entry.conclude(relay.error)
        gateway, now = self._gateway, asyncio.get_running_loop().time()
        gateway.meter.ended(entry)
        spans = self._spans or gateway.spans
        if spans is not None:
            spans.ended(entry, self._span)
        gateway.note_refusal(entry, () if self._recorder is None else self._recorder.notes)
        if entry.verdict in ("refused", "withdrawn"):
            gateway.auditor.decision(entry)
        gateway.lines.connection(entry, now - entry.began)
        self._opened.leave(self)
