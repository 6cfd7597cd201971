"""What a tunnel tells its operator: the metrics, health and readiness of a gateway, as far as it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bothways.addresses import Address, TCPAddress, is_loopback
from bothways.gateway.config.http import check_installed
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.files.held import Held
from bothways.gateway.listeners.serving import ServedListener, served
from bothways.gateway.log.endings import Ending
from bothways.gateway.observe.board import DRAINING, GENERATION, SERVING, Board
from bothways.gateway.observe.meter import CurrentState, Meter, Metric, Timing, counted_code
from bothways.gateway.observe.pages import operator_pages
from bothways.gateway.relay.relay import Relay

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
        self._listener: ServedListener | None = None

    async def start(self, address: Address) -> str:
        """Answer there, and return where that is. Raises OSError."""
        from bothways.gateway.http.operator import Operator  # h11 is loaded only where it is wanted

        checks_host = not isinstance(address, TCPAddress) or is_loopback(address.host)
        operator = self._operator = Operator(
            operator_pages(self._board, self._held), self._refresh, checks_host=checks_host
        )
        self._listener = await served(ListenerConfig("metrics", address), operator.protocol)
        self._meter.slot.state.set(SERVING, 1.0)
        return self._listener.where

    def drains(self) -> None:
        """Tell that nobody is accepted any more."""
        self._board.supervisor.state.set(DRAINING, 1.0)

    async def close(self) -> None:
        """Answer no more."""
        if self._listener is not None:
            self._listener.close()
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
