"""The connections of local programs that tunnels of a gateway's file lead to servers: reached, counted and told.

A server is verified again by what a change of the files says, before anything more passes in either direction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from bothways.addresses import host_and_address
from bothways.aio.transport import TLSTransport
from bothways.aio.turns import turns_of
from bothways.errors import TLSError
from bothways.gateway.clients.interfaces import ServingGateway
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.observe.meter import Metric, Timing, counted_code
from bothways.gateway.relay.relay import PlainEnd, Relay
from bothways.gateway.routes.backends import judge_services
from bothways.gateway.routes.newly_listed import Leaf
from bothways.gateway.routes.routes import Routes, TunnelRoute, svid_problem
from bothways.gateway.tunnels.tunnel import TunnelSettings, reach
from bothways.servers.addresses import ListenerAddress
from bothways.trust.certificate.parsed import ParsedCertificate


class OpenTunnels:
    """The connections of all tunnels of a process."""

    def __init__(self) -> None:
        self._all: dict[TunnelledProgram, ListenerAddress] = {}
        self._counts: Counter[ListenerAddress] = Counter()
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[TunnelledProgram]:
        return iter(tuple(self._all))

    def enter(self, program: TunnelledProgram, listener: ListenerAddress, most: int) -> Ending | None:
        """Count a connection; returns why there is no place for it. most: that its tunnel may have."""
        self._all[program] = listener
        self._counts[listener] += 1
        if self._counts[listener] <= most:
            return None
        return Ending.of(Code.CONNECTIONS_LIMIT, f"there are {most} connections, and no more are taken")

    def leave(self, program: TunnelledProgram) -> None:
        """Count a connection no more."""
        listener = self._all.pop(program, None)
        if listener is not None:
            self._counts[listener] -= 1
        self._emptied.set()

    async def until_empty(self) -> None:
        """Wait until there is no connection."""
        while self._all:
            self._emptied.clear()
            await self._emptied.wait()


class LocalEnd(PlainEnd):
    """The end of a local program. What passes does so only while the server is verified by what counts now."""

    catch_up: Callable[[], None]

    def data_received(self, data: bytes) -> None:
        """Pass on what the program sends."""
        self.catch_up()
        if self.relay.is_open:
            super().data_received(data)

    def write(self, data: bytes) -> None:
        """Send to the program what the server has sent."""
        self.catch_up()
        if self.relay.is_open:
            super().write(data)


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
        self.entry = ConnectionEntry(str(listener), "", "", 0.0)
        times = self._routes.config.times
        self.relay = Relay(
            self._begin, self._over, idle=times.idle, half_closed=times.half_closed, client=LocalEnd,
            reached=self._judge_reached,
        )  # fmt: skip
        self.relay.use_tls()
        if isinstance(self.relay.client, LocalEnd):
            self.relay.client.catch_up = self.catch_up

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
        config, loop = tunnel.config, asyncio.get_running_loop()
        settings = TunnelSettings(
            tunnel.client, config.server, config.tls.server_name, config.starttls,
            connect=self._routes.config.times.connect,
        )  # fmt: skip
        began = loop.time()
        if not await reach(self.relay, settings):
            return
        self._gateway.meter.took(Timing.BACKEND, loop.time() - began)
        self._note_server()

    def _judge_reached(self) -> None:
        """The server is there: verify it by what counts now, before anything passes to it."""
        self.catch_up()
        if self._tunnel is not None and self._reached_by is not None:
            judge_services([self.relay.service.transport], self._tunnel.client, self._reached_by.client)

    def _note_server(self) -> None:
        """Note who the server is, for the line of this connection."""
        transport, entry = self.relay.service.transport, self.entry
        if not isinstance(transport, TLSTransport):
            return
        connection = transport.tls.connection
        entry.version, entry.suite, entry.resumed = connection.version, connection.suite, connection.resumed
        if connection.peer is None:
            return
        entry.peer, entry.verdict = connection.peer, "allowed"
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
        turns_of(asyncio.get_running_loop()).verify_soon(self._judge)

    def _judge(self) -> None:
        transport = self.relay.service.transport
        if isinstance(transport, TLSTransport) and not transport.is_closing():
            with contextlib.suppress(TLSError, OSError):  # the relay hears of it
                transport.tls.judge_again()

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
        entry.ending = relay.why
        entry.conclude(relay.error)
        self._gateway.meter.count(Metric.CONNECTIONS_ENDED, counted_code(entry.code))
        self._gateway.lines.connection(entry, asyncio.get_running_loop().time() - entry.began)
        self._opened.leave(self)
