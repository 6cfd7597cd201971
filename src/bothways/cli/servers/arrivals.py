"""The clients of `serve` from their first byte to a complete first record, before anything is computed for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from bothways.addresses import TCPAddress
from bothways.aio.reading import ReadingProtocol
from bothways.cli.servers.admission import ServeAdmission, ServedClient
from bothways.errors import StartTLSFailed, TimedOut, Truncated
from bothways.iana import ContentType
from bothways.servers.resets import end_by_reset
from bothways.starttls import Accepted, AcceptTLS

LAST_SECONDS = 1.0  # seconds for the last words to be taken
HEADER_LENGTH, RECORD_LIMIT = 5, 5 + 2**14  # RFC 9846 5.1


class ServeArrival(ReadingProtocol):
    """The protocol of a connection until its first record is complete, or is no handshake record.

    hello_seconds: the time for a client to send a ClientHello.  begin: called once with this arrival when there is
    something to answer.  on_silence: called with a client that sent nothing in time, and with what ended its
    connection; with None for one that has reset it so early that the system does not know its address any more.
    here: has all arrivals until they are gone, or `leave` is called.  starttls: the protocol in which the client
    requests TLS first, if it does.
    Attributes: `data`, all of TLS that was received; `has_ended`, whether the end of file follows it; `client`, which
    is None where there is no place; `has_left`, whether `leave` was called; `needs_alpn`, the application protocol that
    the client has to offer.
    """

    def __init__(
        self,
        admission: ServeAdmission,
        hello_seconds: float,
        begin: Callable[[ServeArrival], None],
        on_silence: Callable[[ServedClient | None, Exception], None],
        here: set[ServeArrival],
        starttls: Accepted | None = None,
    ) -> None:
        self._admission = admission
        self._hello_seconds = hello_seconds
        self._begin = begin
        self._on_silence = on_silence
        self._here = here
        self._hello: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._starttls = starttls
        self._exchange = None if starttls is None else AcceptTLS(starttls)
        self.needs_alpn: str | None = None
        self.transport: asyncio.Transport | None = None
        self.client: ServedClient | None = None
        self.data = bytearray()
        self.has_ended = self.has_left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or end at once."""
        self.transport = cast(asyncio.Transport, transport)
        self._here.add(self)
        name = transport.get_extra_info("peername")
        if not isinstance(name, tuple):
            self.cut()
            self._on_silence(None, Truncated("client"))
            return
        self.client = self._admission.arrive(TCPAddress(name[0], name[1]), self.cut)
        if self.client is None:
            self.cut()
            return
        self._hello = asyncio.get_running_loop().call_later(self._hello_seconds, self._late)
        if self._exchange is not None:
            self.transport.write(self._exchange.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Collect the first record, once the client has requested TLS."""
        if self._exchange is not None:
            data = self._requested(self._exchange, data)
        self.data += data
        if (
            self.data
            and not self._has_begun
            and self.client is not None
            and not self.client.ended
            and not self._is_awaited()
        ):
            self._begin_once()

    def _requested(self, exchange: AcceptTLS, data: bytes) -> bytes:
        """Process what was sent before TLS; return the first bytes of TLS, if it has begun with them."""
        if self._has_begun or self.transport is None:
            return b""
        try:
            exchange.receive(data)
        except StartTLSFailed as error:
            self.transport.write(exchange.data_to_send())
            self._drop(error)
            self.transport.close()
            asyncio.get_running_loop().call_later(LAST_SECONDS, self.transport.abort)
            return b""
        self.transport.write(exchange.data_to_send())
        if exchange.is_done:
            self._exchange = None
        if exchange.rest and self._starttls is not None:
            self.needs_alpn = self._starttls.alpn
        return exchange.rest

    def eof_received(self) -> bool:
        """Begin with what is there."""
        self.has_ended = True
        if self.data and not self._has_begun:
            self._begin_once()
        return bool(self.data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever it was, nothing came
        """Report a client that has left before it said anything."""
        self._here.discard(self)
        self._drop(Truncated("client") if self._exchange is None else self._exchange.ended())

    def leave(self) -> None:
        """Close what is left of the connection, and report nothing."""
        self._has_begun = self.has_left = True
        self._here.discard(self)
        if self._hello is not None:
            self._hello.cancel()
        if self.transport is not None:
            self.transport.abort()
        if self.client is not None:
            self.client.leave()

    def hold(self) -> None:
        """Receive nothing until the client may begin."""
        if self.transport is not None and not self.has_ended:
            self.transport.pause_reading()

    def release(self) -> None:
        """Receive again."""
        if self.transport is not None and not self.has_ended:
            self.transport.resume_reading()

    def pass_on(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Give the connection to another protocol, with what was received."""
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(bytes(self.data))
        self.data.clear()
        if self.has_ended:
            protocol.eof_received()

    def cut(self) -> None:
        """Reset the connection; data that is not sent yet is dropped."""
        if self.transport is None:
            return
        end_by_reset(self.transport)
        self.transport.abort()

    def _begin_once(self) -> None:
        self._has_begun = True
        if self._hello is not None:
            self._hello.cancel()
        self._begin(self)

    def _late(self) -> None:
        what = "only a part of a ClientHello" if self.data else "no ClientHello"
        text = f"the client sent {what} within {self._hello_seconds:g} seconds"
        late = TimedOut(text, received=len(self.data))
        self._drop(late)
        if self.data:
            self.cut()
        elif self.transport is not None:
            self.transport.abort()

    def _drop(self, error: Exception) -> None:
        if self._has_begun or self.client is None:
            return
        self._has_begun = True
        if self._hello is not None:
            self._hello.cancel()
        self._on_silence(self.client, error)
        self.client.leave()

    def _is_awaited(self) -> bool:
        """Whether the rest of the first record is missing."""
        if len(self.data) < HEADER_LENGTH:
            return self.data[:1] == bytes((ContentType.handshake,))
        length = HEADER_LENGTH + int.from_bytes(self.data[3:HEADER_LENGTH])
        return self.data[0] == ContentType.handshake and len(self.data) < length <= RECORD_LIMIT
