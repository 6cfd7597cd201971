"""What is said before the protocol of a transport begins, such as STARTTLS: then the transport is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar, cast

from bothways.aio.turns import turns_of
from bothways.errors import StartTLSFailed
from bothways.starttls import Exchange

P = TypeVar("P", bound=asyncio.BaseProtocol)


class ClientOpening(asyncio.Protocol, Generic[P]):
    """Does one exchange; `finished` has the protocol to which the transport was passed on, or the StartTLSFailed.

    exchange: what is said before TLS; None for nothing.  made: makes that protocol, when a turn of the loop has room.
    """

    def __init__(self, exchange: Exchange | None, made: Callable[[], P]) -> None:
        loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[P] = loop.create_future()
        self._exchange = exchange
        self._made = made
        self._turns = turns_of(loop)
        self._transport: asyncio.Transport | None = None
        self._failure: Exception | None = None
        self._is_passed_on = self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what the client says first, if it does."""
        self._transport = cast(asyncio.Transport, transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Process bytes of the server before TLS."""
        if self._exchange is not None:
            self._take(partial(self._exchange.receive, data))

    def eof_received(self) -> None:
        """Fail: the server closed before TLS began."""
        self._take(self._end)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Tell the failure, now that the socket is closed."""
        self._turns.drop(self._pass_on)
        self._take(self._end)
        if self._failure is not None and not self.finished.done():
            self.finished.set_exception(self._failure)
            self.finished.exception()  # nobody may wait for it any more

    def abort(self) -> None:
        """End at once: nobody waits for it any more."""
        self.finished.cancel()
        self._turns.drop(self._pass_on)
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        if self._exchange is None:
            raise ConnectionResetError("the connection was closed before TLS began")
        self._exchange.receive_eof()

    def _take(self, step: Callable[[], None]) -> None:
        if self._failure is not None or self.finished.done():
            return
        try:
            step()
        except (StartTLSFailed, OSError) as error:
            self._failure = error
            if self._transport is not None:
                self._transport.abort()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Send the next words; at the end pass the transport on, before another byte is read."""
        transport, exchange = self._transport, self._exchange
        if transport is None:
            return
        if exchange is not None and (data := exchange.data_to_send()):
            transport.write(data)
        if exchange is None or exchange.is_done:
            if not self._turns.has_room:
                transport.pause_reading()
                self._is_paused = True
            self._turns.do(self._pass_on)

    def _pass_on(self) -> None:
        """Make the protocol, and pass the transport on to it, unless nobody waits for it any more, or it was lost."""
        transport = self._transport
        if transport is None or transport.is_closing() or self.finished.done():
            return
        try:
            protocol = self._made()
        except Exception as error:  # noqa: BLE001 - who waits for the protocol gets it
            self.finished.set_exception(error)
            return
        self._is_passed_on = True
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._is_paused:
            transport.resume_reading()
        self.finished.set_result(protocol)
