"""Between a connection and a pair of streams: a bounded buffer, and the tasks that wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from bothways.aio.answers import Finder, Signer
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.watch import Watch
from bothways.tls.connection import Connection
from bothways.tls.driver import ClientAnswer, Confirmation, ConnectionStatus
from bothways.tls.events import Peer

Below = Callable[..., TLSProtocol]


class Link(asyncio.Protocol):
    """The application's protocol for a pair of streams, internal. `tls` is the protocol on the transport below.

    buffer: data received and not read yet.  status: of the connection.  below: creates `tls`.
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
        self._received = self._before_answer = 0
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

    # -- waiting ----------------------------------------------------------------------------------------

    async def until_established(self) -> None:
        """Wait for the end of the handshake; raise its failure."""
        await self.tls.until_established()
        if not self.buffer:
            self.status.raise_failure()

    async def until_more(self, size: int) -> None:
        """Wait for more than `size` bytes in the buffer, for the peer's end of data, or for a failure."""
        if self.tls.app_paused:
            self.tls.pause_app(False)
        await self.tls.until(lambda: len(self.buffer) > size or self.status.peer_closed or self.closing)

    async def confirmed(self, timeout: float | None) -> Confirmation:
        """Wait until it is known whether the peer accepts us (RFC 9846 4.5.3)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.tls.until(lambda: self.connection.confirmed or self.closing)
        return self.tls.driver.confirmation

    async def authenticate_client(
        self, *, required: bool, seconds: float | None, max_data: int
    ) -> ClientAnswer:
        """Request the client's certificate, and wait for its answer."""
        peer = await self.tls.authenticate_client(required=required, seconds=seconds, max_data=max_data)
        read = self._received - len(self.buffer)
        return ClientAnswer(peer, max(self._before_answer - read, 0))

    def taken(self) -> None:
        """Continue to receive if the buffer has room, after a part of it was read."""
        if self.tls.app_paused and len(self.buffer) <= self.limit // 2:
            self.tls.pause_app(False)

    def put_back(self, parts: Iterable[bytes]) -> None:
        """Put back what was taken from the buffer, in its order."""
        self.buffer[:0] = b"".join(parts)
        self._regulate()

    # -- calls of the protocol below ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Buffer data; stop receiving when the buffer is full."""
        self.buffer += data
        self._received += len(data)
        self._regulate()

    def _regulate(self) -> None:
        """Stop receiving when the buffer is full."""
        if len(self.buffer) > self.limit and not self.tls.app_paused:
            self.tls.pause_app(True)

    def client_answered(self, peer: Peer | None) -> None:  # noqa: ARG002 - the task that waits for it is told
        """Note how much was received before the client's answer to a request for its certificate."""
        self._before_answer = self._received

    def eof_received(self) -> bool:
        """Stay open: the writer may still send."""
        return True
