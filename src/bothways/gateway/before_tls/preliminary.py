"""What comes before TLS on a connection of a gateway: it is complete in time, or the connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bothways.addresses import host_and_address
from bothways.aio.reading import ReadingProtocol
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.proxy_protocol.reading import Announced

LAST_SECONDS = 1.0  # for the last words to be taken

if TYPE_CHECKING:
    from bothways.gateway.clients.interfaces import ServingGateway
    from bothways.servers.addresses import ListenerAddress


class Preliminary(ReadingProtocol):
    """The protocol of a connection until TLS can begin.

    listener: the address at which it came in.  announced: what a proxy in front says of its client; None where that is
    not known, or it comes by itself.  `by_proxy`: whether it is the connection of a proxy, which has yet to say it.
    `code`: why the connection ends where what has to come does not.
    """

    by_proxy = False
    code: Code

    def __init__(
        self, gateway: ServingGateway, listener: ListenerAddress, announced: Announced | None = None
    ) -> None:
        self.gateway = gateway
        self.listener = listener
        self.announced = announced
        self.transport: Any = None
        self.is_done = False
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0

    @property
    def peer_address(self) -> object:
        """The address of whoever has connected, a client or a proxy."""
        return self.transport.get_extra_info("peername")

    def wait(self, seconds: float, too_late: Callable[[], object]) -> None:
        """Wait so long for what has to come. too_late: ends the connection then."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._timer = loop.call_later(seconds, too_late)
        self.gateway.before_tls.add(self)

    def end(self) -> None:
        """End it, since the gateway ends."""
        if not self.is_done:
            self.refuse("the gateway ends", Code.GATEWAY_ENDED)

    def pass_on(self, protocol: asyncio.Protocol, rest: bytes) -> None:
        """Give the connection to another protocol. rest: what was received for that one."""
        self.stop()
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if rest and not self.transport.is_closing():
            protocol.data_received(rest)

    def refuse(self, why: str, code: Code | None = None, error: Exception | None = None) -> None:
        """End it, and write its line. code: by default `self.code`.  error: what made the end, if one did."""
        self.stop()
        host, text = host_and_address(self.peer_address)
        proxy = text if self.by_proxy or self.announced is not None else None
        if self.announced is not None and self.announced.client is not None:
            host, text = host_and_address(self.announced.client)
        entry = ConnectionEntry(str(self.listener), text, host, self._began, proxy=proxy)
        entry.ending = Ending.of(code or self.code, why, error)
        self.transport.close()
        asyncio.get_running_loop().call_later(LAST_SECONDS, self.transport.abort)
        self.gateway.meter.ended(entry)
        self.gateway.note_refusal(entry, ())
        self.gateway.lines.connection(entry, asyncio.get_running_loop().time() - self._began)

    def stop(self) -> None:
        """Wait no more."""
        self.is_done = True
        if self._timer is not None:
            self._timer.cancel()
        self.gateway.before_tls.discard(self)
