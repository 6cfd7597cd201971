"""What an application's protocol is given once the peer has proved who it is: a transport, as asyncio has them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from bothways.errors import TLSError
from bothways.tls.events import Peer

if TYPE_CHECKING:
    from bothways.aio.protocol import TLSProtocol


class TLSTransport(asyncio.Transport):
    """What an application's protocol holds: bytes in and out, to a peer who proved who it is.

    `peer` is who that is, `tls` the protocol below with all that is known of the connection. What ended the
    connection is given to the protocol's `connection_lost`.
    """

    def __init__(self, tls: TLSProtocol) -> None:
        super().__init__()
        self.tls = tls

    @property
    def peer(self) -> Peer | None:
        """Who the peer proved to be; None for a client that showed no certificate."""
        return self.tls.driver.status.peer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data. After the end it is thrown away, as transports do."""
        if not self.is_closing():
            with contextlib.suppress(TLSError, OSError):
                self.tls.send(data)

    def writelines(self, lines: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces at once."""
        self.write(b"".join(lines))

    def can_write_eof(self) -> bool:
        """Whether `write_eof` works: always."""
        return True

    def write_eof(self) -> None:
        """Send close_notify: we shall send no more, and may go on reading (RFC 9846 6.1)."""
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
        """Whether what comes is handed to the protocol."""
        return not self.tls.closing and not self.tls.app_paused

    def pause_reading(self) -> None:
        """Take nothing more from the peer, but what is on its way already."""
        self.tls.pause_app(True)

    def resume_reading(self) -> None:
        """Go on reading."""
        self.tls.pause_app(False)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause writing, in bytes that wait below."""
        self.tls.transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return those limits, the lower first."""
        return self.tls.transport.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait below."""
        return self.tls.transport.get_write_buffer_size()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the application's protocol."""
        return cast(asyncio.BaseProtocol, self.tls.app)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what comes to another protocol from here on."""
        self.tls.app = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport below knows, such as "peername" or "socket"."""
        return self.tls.transport.get_extra_info(name, default)


def fill(app: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give data to a protocol that has a buffer of its own."""
    left = memoryview(data)
    while left:
        buffer = memoryview(app.get_buffer(len(left))).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = min(len(left), len(buffer))
        buffer[:size] = left[:size]
        app.buffer_updated(size)
        left = left[size:]
