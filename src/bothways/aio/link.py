"""What is between a connection and a pair of streams: a bounded buffer, and who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bothways.aio.answers import Finder, Signer
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.watch import Watch
from bothways.tls.connection import Connection
from bothways.tls.driver import Confirmation, ConnectionStatus

Below = Callable[..., TLSProtocol]


class Link(asyncio.Protocol):
    """The application's protocol under a pair of streams, on `tls`, the one on the transport below; not for users.

    `buffer` holds what was received and not yet read; `status` has how the connection stands. below: makes `tls`.
    """

    def __init__(
        self,
        connection: Connection,
        watch: Watch,
        *,
        limit: int = BUFFER_LIMIT,
        idle_timeout: float | None = None,
        signer: Signer | None = None,
        evidence: Finder | None = None,
        below: Below = TLSProtocol,
    ) -> None:
        self.buffer = bytearray()
        self.tls = below(
            connection,
            watch,
            self,
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=evidence,
        )
        self.limit = limit
        self.status: ConnectionStatus = self.tls.driver.status

    @property
    def connection(self) -> Connection:
        """The engine's connection."""
        return self.tls.connection

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below."""
        return self.tls.transport

    @property
    def closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self.tls.closing

    # -- what the streams wait for ---------------------------------------------------------------------

    async def until_established(self) -> None:
        """Wait for the end of the handshake, or raise its failure."""
        await self.tls.until_established()
        if not self.buffer:
            self.status.raise_failure()

    def is_readable(self) -> bool:
        """Whether there is data, the peer's end, or a failure."""
        return bool(self.buffer) or self.status.peer_closed or self.tls.closing

    async def until_more(self, size: int) -> None:
        """Wait for more than `size` bytes in the buffer, though it is full, the peer's end, or a failure."""
        if self.tls.app_paused:
            self.tls.pause_app(False)
        await self.tls.until(lambda: len(self.buffer) > size or self.status.peer_closed or self.closing)

    async def confirmed(self, timeout: float | None) -> Confirmation:
        """Wait until it is known whether the peer accepts us (RFC 9846 4.5.3)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.tls.until(lambda: self.connection.confirmed or self.closing)
        return self.tls.driver.confirmation

    def taken(self) -> None:
        """Some of the buffer was read: let the peer go on when there is room."""
        if self.tls.app_paused and len(self.buffer) <= self.limit // 2:
            self.tls.pause_app(False)

    # -- what the protocol below tells -----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Keep what came; too much of it stops the peer."""
        self.buffer += data
        if len(self.buffer) > self.limit and not self.tls.app_paused:
            self.tls.pause_app(True)

    def eof_received(self) -> bool:
        """Stay open: streams may still be written to."""
        return True
