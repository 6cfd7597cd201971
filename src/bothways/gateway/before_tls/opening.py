"""A connection to a listener with `starttls`, until its client has requested TLS in the protocol of the service.

Nothing reaches the service from here, and nothing that was sent before TLS is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bothways.errors import StartTLSFailed
from bothways.gateway.before_tls.preliminary import Preliminary
from bothways.gateway.log.endings import Code
from bothways.gateway.proxy_protocol.reading import Announced
from bothways.servers.places import Place, source_of_peer
from bothways.starttls import Accepted, AcceptTLS

if TYPE_CHECKING:
    from bothways.gateway.clients.interfaces import ServingGateway
    from bothways.servers.addresses import ListenerAddress


class Opening(Preliminary):
    """The protocol of such a connection. `place`: by which it counts among those that have no TLS yet."""

    code = Code.STARTTLS_FAILED

    def __init__(
        self,
        gateway: ServingGateway,
        listener: ListenerAddress,
        announced: Announced | None,
        protocol: Accepted,
    ) -> None:
        super().__init__(gateway, listener, announced)
        self._protocol = protocol
        self._exchange = AcceptTLS(protocol)
        self.place = Place("", self._evict, 0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, unless there are too many."""
        self.transport = transport
        name = self.peer_address if self.announced is None else self.announced.client or self.peer_address
        self.place.source = source_of_peer(name, self)
        self.place.since = asyncio.get_running_loop().time()
        too_late = partial(self._take, self._exchange.time_limit_reached)
        self.wait(self.gateway.routes.config.times.hello, too_late)
        self.gateway.before_tls.enter(self.place)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Process what the client sent."""
        self.place.moved += len(data)
        self._take(lambda: self._exchange.receive(data))

    def eof_received(self) -> bool:
        """End: the client closed before TLS began."""
        self._take(self._exchange.receive_eof)
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - whatever it was
        """End: the connection is gone."""
        self._take(self._exchange.receive_eof)

    def stop(self) -> None:
        """Wait no more, and release the place."""
        super().stop()
        self.gateway.before_tls.leave(self.place)
        self.place.give_up()

    def _take(self, step: Callable[[], None]) -> None:
        if self.is_done:
            return
        try:
            step()
        except StartTLSFailed as error:
            self.transport.write(self._exchange.data_to_send())
            self.refuse(str(error), error=error)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Send the next reply; at the end pass the connection on before another byte is read."""
        if self.is_done:
            return
        self.transport.write(self._exchange.data_to_send())
        if self._exchange.is_done:
            rest = self._exchange.rest
            needs = self._protocol.alpn if rest else None
            self.pass_on(self.gateway.tls_protocol(self.listener, self.announced, needs_alpn=needs), rest)

    def _evict(self) -> None:
        if not self.is_done:
            self.stop()
            self.gateway.log.not_logged()
            self.transport.abort()
