"""A connection until it is known for which client it is: by a header of the PROXY protocol, or by its address.

From the addresses that a listener names the header is mandatory; from all others what comes is TLS from the first byte.
Nothing is guessed by what was sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bothways.aio.reading import ReadingProtocol
from bothways.gateway.client import ClientProtocol, spelled
from bothways.gateway.endings import Code, Ending
from bothways.gateway.log import Entry
from bothways.gateway.proxies import Proxies
from bothways.gateway.proxy_header import Announced, BadHeader, HeaderReader

if TYPE_CHECKING:
    from bothways.gateway.addresses import ListenerAddress
    from bothways.gateway.server import Gateway


class Arrival(ReadingProtocol):
    """The protocol of a connection to a listener that has proxies in front of it, until its client is known."""

    def __init__(self, gateway: Gateway, listener: ListenerAddress, proxies: Proxies) -> None:
        self._gateway = gateway
        self._listener = listener
        self._proxies = proxies
        self._reader = HeaderReader()
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a proxy; a client that comes by itself is there."""
        self._transport = transport
        name = transport.get_extra_info("peername")
        if not self._proxies.include(name[0] if isinstance(name, tuple) else None):
            self._hand_over(None)
            return
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._timer = loop.call_later(self._gateway.routes.config.times.hello, self._late)
        if not self._gateway.awaits(self):
            self._refuse(
                "too many connections of proxies have sent no PROXY header yet", Code.HANDSHAKES_LIMIT
            )

    def data_received(self, data: bytes) -> None:
        """Take a part of the header."""
        if self._done:
            return
        try:
            announced = self._reader.read(data)
        except BadHeader as error:
            self._refuse(str(error))
            return
        if announced is not None:
            self._hand_over(announced)

    def eof_received(self) -> bool:
        """Close, since no header can follow."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - whatever it was
        """The connection is gone before its client was known; one that brought nothing is a health check."""
        if not self._done and not self._reader.has_begun:
            self._stop()
        if not self._done:
            self._refuse("it ended before its PROXY header")

    def end(self) -> None:
        """End it, since the gateway ends."""
        if not self._done:
            self._refuse("the gateway ends", Code.GATEWAY_ENDED)

    def _late(self) -> None:
        self._refuse("no PROXY header came in time")

    def _hand_over(self, announced: Announced | None) -> None:
        """Let the client take its connection."""
        self._stop()
        client = ClientProtocol(self._gateway, self._listener, announced)
        self._transport.set_protocol(client)
        client.connection_made(self._transport)
        if self._reader.rest and not self._transport.is_closing():
            client.data_received(self._reader.rest)

    def _refuse(self, why: str, code: Code = Code.BAD_PROXY_HEADER) -> None:
        self._stop()
        name = self._transport.get_extra_info("peername")
        host, text = spelled(name)
        entry = Entry(str(self._listener), text, host, self._began, proxy=text)
        entry.ending = Ending.of(code, why)
        self._gateway.log.connection(entry, asyncio.get_running_loop().time() - self._began)
        self._transport.abort()

    def _stop(self) -> None:
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
        self._gateway.awaits_no_more(self)
