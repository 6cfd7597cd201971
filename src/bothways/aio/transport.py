"""The transport that an application's protocol gets when the peer is authenticated, with asyncio's interface."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from bothways.errors import TLSError, UsageError
from bothways.tls.events import Peer
from bothways.tls.post_handshake.certificate_requests import DATA_LIMIT

if TYPE_CHECKING:
    from bothways.aio.protocol import TLSProtocol

# What transports of asyncio tell about TLS of `ssl`.
OF_SSL = frozenset({"cipher", "compression", "peercert", "ssl_object", "sslcontext"})


class TLSTransport(asyncio.Transport):
    """The transport of an application's protocol: sends to and receives from an authenticated peer.

    `peer` is that peer, `tls` the protocol below, with the properties of the connection. The error that ended the
    connection is passed to the protocol's `connection_lost`.
    """

    def __init__(self, tls: TLSProtocol) -> None:
        super().__init__()
        self.tls = tls

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None for a client without a certificate."""
        return self.tls.driver.status.peer

    async def authenticate_client(
        self, *, required: bool = True, seconds: float | None = None, max_data: int = DATA_LIMIT
    ) -> Peer | None:
        """Request the client's certificate (TLS 1.3); return the client when it is verified, None if it declines.

        The rest is as for `Connection.authenticate_client`. A protocol that has a method `client_answered` gets the
        same by it, between the calls of `data_received` for the data before and after.
        """
        return await self.tls.authenticate_client(required=required, seconds=seconds, max_data=max_data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data. On a closed connection it is discarded, as by other transports; after `write_eof` RuntimeError."""
        tls = self.tls
        if not tls.closing:
            try:
                tls.send(data)
            except (TLSError, OSError) as error:
                if tls.has_end and isinstance(error, UsageError):
                    raise RuntimeError(str(error)) from None
                # of any other error the protocol hears when the connection is lost

    def writelines(self, lines: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces at once."""
        self.write(b"".join(lines))

    def can_write_eof(self) -> bool:
        """Whether `write_eof` works: always."""
        return True

    def write_eof(self) -> None:
        """Send close_notify (RFC 9846 6.1); reading is still possible."""
        self.tls.end()

    def close(self, linger: float = 0.0) -> None:
        """Send close_notify and close, after waiting up to `linger` seconds for the peer's own end."""
        self.tls.close(linger)

    def abort(self) -> None:
        """Close at once."""
        self.tls.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self.tls.closing

    def is_reading(self) -> bool:
        """Whether received data is passed to the protocol."""
        return not self.tls.closing and not self.tls.app_paused

    def pause_reading(self) -> None:
        """Stop receiving, except for data that was already read."""
        self.tls.pause_app(True)

    def resume_reading(self) -> None:
        """Continue to receive."""
        self.tls.pause_app(False)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits for `pause_writing` and `resume_writing`, in buffered bytes."""
        self.tls.transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return those limits, the lower first."""
        return self.tls.transport.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Return the number of buffered bytes."""
        return self.tls.unsent

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the application's protocol."""
        return cast(asyncio.BaseProtocol, self.tls.app)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Pass received data to another protocol from here on."""
        self.tls.app = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return information of the underlying transport, such as "peername" or "socket".

        Of another TLS connection below, such as that to a proxy, nothing is told: its peer is not that of this one.
        """
        if name in OF_SSL:
            return default
        return self.tls.transport.get_extra_info(name, default)
