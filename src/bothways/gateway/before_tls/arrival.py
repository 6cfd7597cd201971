"""A connection until it is known for which client it is: by a header of the PROXY protocol, or by its address.

From the addresses that a listener names the header is mandatory; from all others what comes is what clients send from
the first byte. Nothing is guessed by what was sent.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from bothways.gateway.before_tls.preliminary import Preliminary
from bothways.gateway.config.proxies import Proxies
from bothways.gateway.log.endings import Code
from bothways.gateway.proxy_protocol.reading import Announced, BadHeader, HeaderReader

if TYPE_CHECKING:
    from bothways.gateway.clients.interfaces import ServingGateway
    from bothways.gateway.config.listener import ListenerConfig


class Arrival(Preliminary):
    """The protocol of a connection to a listener that has proxies in front of it, until its client is known."""

    by_proxy = True
    code = Code.BAD_PROXY_HEADER

    def __init__(self, gateway: ServingGateway, listener: ListenerConfig, proxies: Proxies) -> None:
        super().__init__(gateway, listener.address)
        self._config = listener
        self._proxies = proxies
        self._reader = HeaderReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a proxy; a client that comes by itself is there."""
        self.transport = transport
        name = self.peer_address
        if not self._proxies.include(name[0] if isinstance(name, tuple) else None):
            self._hand_over(None)
            return
        self.wait(
            self.gateway.routes.config.times.hello, partial(self.refuse, "no PROXY header came in time")
        )
        if not self.gateway.before_tls.awaits_header(self):
            self.refuse(
                "too many connections of proxies have sent no PROXY header yet", Code.HANDSHAKES_LIMIT
            )

    def data_received(self, data: bytes) -> None:
        """Take a part of the header."""
        if self.is_done:
            return
        try:
            announced = self._reader.read(data)
        except BadHeader as error:
            self.refuse(str(error))
            return
        if announced is not None:
            self._hand_over(announced)

    def eof_received(self) -> bool:
        """Close, since no header can follow."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - whatever it was
        """The connection is gone before its client was known; one that brought nothing is a health check."""
        if not self.is_done and not self._reader.has_begun:
            self.stop()
        if not self.is_done:
            self.refuse("it ended before its PROXY header")

    def _hand_over(self, announced: Announced | None) -> None:
        """Let the client take its connection."""
        self.pass_on(self.gateway.client_protocol(self._config, announced), self._reader.rest)
