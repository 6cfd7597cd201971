"""What is said before the protocol of a transport begins, such as STARTTLS: then the transport is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from bothways.errors import StartTLSFailed
from bothways.starttls import Exchange


class StartTLSOpening(asyncio.Protocol):
    """Does one exchange; `finished` is done when the transport has been passed on, or has the StartTLSFailed.

    exchange: what is said before TLS.  made: makes the protocol that the transport is passed to.
    """

    def __init__(self, exchange: Exchange, made: Callable[[], asyncio.BaseProtocol]) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._made = made
        self._transport: asyncio.Transport | None = None
        self._failure: StartTLSFailed | None = None
        self._is_passed_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what the client says first, if it does."""
        self._transport = cast(asyncio.Transport, transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Process bytes of the server before TLS."""
        self._take(lambda: self._exchange.receive(data))

    def eof_received(self) -> None:
        """Fail: the server closed before TLS began."""
        self._take(self._exchange.receive_eof)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Tell the failure, now that the socket is closed."""
        self._take(self._exchange.receive_eof)
        if self._failure is not None and not self.finished.done():
            self.finished.set_exception(self._failure)
            self.finished.exception()  # nobody may wait for it any more

    def abort(self) -> None:
        """End at once, unless the transport has been passed on."""
        if self._transport is not None and not self._is_passed_on:
            self._transport.abort()

    def _take(self, step: Callable[[], None]) -> None:
        if self._failure is not None or self.finished.done():
            return
        try:
            step()
        except StartTLSFailed as error:
            self._failure = error
            if self._transport is not None:
                self._transport.abort()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Send the next words; at the end pass the transport on before another byte is read."""
        transport = self._transport
        if transport is None:
            return
        if data := self._exchange.data_to_send():
            transport.write(data)
        if self._exchange.is_done:
            protocol, self._is_passed_on = self._made(), True
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            self.finished.set_result(None)
