"""What a tunnel tells its operator: the metrics, health and readiness of a gateway, as far as it has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bothways.addresses import Address, TCPAddress, UnixAddress, is_loopback
from bothways.gateway.config.http import check_installed
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.files.held import Held
from bothways.gateway.listeners.listening import bound_address, open_listener
from bothways.gateway.log.endings import Ending
from bothways.gateway.observe.board import DRAINING, GENERATION, SERVING, Board
from bothways.gateway.observe.meter import CurrentState, Meter, Metric, Timing, counted_code
from bothways.gateway.observe.pages import operator_pages
from bothways.gateway.relay.relay import Relay
from bothways.servers.listening import remove_socket_file

if TYPE_CHECKING:
    from bothways.gateway.http.operator import Operator

ROUTE = "tunnel"


class TunnelMetrics:
    """Counts the connections of a tunnel, and answers who asks for the numbers.

    held: returns the files in use.  Raises ConfigError where a package for it is not installed.
    """

    def __init__(self, held: Callable[[], Held]) -> None:
        check_installed("--metrics", ("prometheus_client", "h11"))
        self._board = Board()
        self._meter = Meter(self._board.worker(1))
        for slot in self._board.all:
            slot.state.set(GENERATION, 1.0)
        self._held = held
        self._counted: dict[Relay, tuple[int, int]] = {}
        self._operator: Operator | None = None
        self._server: asyncio.Server | None = None
        self._address: Address | None = None

    async def start(self, address: Address) -> str:
        """Answer there, and return where that is. Raises OSError."""
        from bothways.gateway.http.operator import Operator  # h11 is loaded only where it is wanted

        checks_host = not isinstance(address, TCPAddress) or is_loopback(address.host)
        operator = self._operator = Operator(
            operator_pages(self._board, self._held), self._refresh, checks_host=checks_host
        )
        loop, sock = asyncio.get_running_loop(), open_listener(ListenerConfig("metrics", address))
        sock.setblocking(False)
        where, self._address = bound_address(address, sock), address
        if isinstance(address, UnixAddress):
            self._server = await loop.create_unix_server(operator.protocol, sock=sock)
        else:
            self._server = await loop.create_server(operator.protocol, sock=sock)
        self._meter.slot.state.set(SERVING, 1.0)
        return where

    def drains(self) -> None:
        """Tell that nobody is accepted any more."""
        self._board.supervisor.state.set(DRAINING, 1.0)

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
        if isinstance(self._address, UnixAddress):
            remove_socket_file(self._address.path)
        if self._operator is not None:
            await self._operator.close()

    def began(self, relay: Relay) -> None:
        """Count a connection of a local program."""
        self._counted[relay] = (0, 0)

    def reached(self, seconds: float) -> None:
        """Count how long it took to reach the server."""
        self._meter.took(Timing.BACKEND, seconds)

    def ended(self, relay: Relay, why: Ending | None) -> None:
        """Count a connection that has ended."""
        self._count_bytes([relay])
        self._counted.pop(relay, None)
        if why is not None:
            self._meter.count(Metric.CONNECTIONS_ENDED, counted_code(why.code))

    async def _refresh(self) -> None:
        self._count_bytes(tuple(self._counted))
        self._meter.state(CurrentState.CONNECTIONS, len(self._counted))

    def _count_bytes(self, relays: Iterable[Relay]) -> None:
        for each in relays:
            before = self._counted.get(each, (0, 0))
            now = self._counted[each] = each.client.count, each.service.count
            self._meter.moved(ROUTE, now[0] - before[0], now[1] - before[1])
