"""A reader and a writer with the interfaces of asyncio's own; an end without close_notify is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Self

from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT
from bothways.errors import UsageError
from bothways.tls.driver import ClientAnswer, Confirmation
from bothways.tls.events import Caution, Peer
from bothways.tls.post_handshake.certificate_requests import DATA_LIMIT


class StreamReader:
    """Reads what the peer sends. All received data is returned before the error that ended the connection is raised.

    A call that raises or is cancelled has taken nothing: what it had waited for is returned by the next call, except
    for the `partial` of an `asyncio.IncompleteReadError`.

    Raises `Truncated` where the connection ended without close_notify, `PeerAlert` where the peer refused us,
    `TimeoutError` where it was idle for too long.
    """

    def __init__(self, link: Link, limit: int = BUFFER_LIMIT) -> None:
        self._link = link
        self._limit = limit
        self._busy = False

    async def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes as soon as there are any; for -1 all until the peer's end; b"" after it."""
        if n <= 0:
            return await self._read_all() if n < 0 else b""
        if not self._link.buffer:
            await self._wait()
        return self._take(n)

    async def readexactly(self, n: int) -> bytes:
        """Return exactly `n` bytes. Raises `asyncio.IncompleteReadError` at an earlier end, `UsageError` for n < 0."""
        if n < 0:
            raise UsageError("readexactly: expected a number of bytes")
        if n and not self._link.buffer:
            await self._wait()
        part = self._take(n)
        if len(part) == n:
            return part
        parts, missing = [part], n - len(part)
        try:
            while part and missing:
                part = await self.read(missing)
                parts.append(part)
                missing -= len(part)
        except BaseException:
            self._link.put_back(parts)
            raise
        if missing:
            raise asyncio.IncompleteReadError(b"".join(parts), n)
        return b"".join(parts)

    async def readline(self) -> bytes:
        """Return a line with its end, or what is left where the peer ends without one."""
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Return the data up to and with `separator`. Raises `asyncio.LimitOverrunError` beyond the stream limit,
        `asyncio.IncompleteReadError` at an earlier end, `UsageError` for an empty separator.
        """
        if not separator:
            raise UsageError("readuntil: expected a separator of at least one byte")
        searched = 0
        while (at := self._link.buffer.find(separator, searched)) < 0:
            size = len(self._link.buffer)
            if size > self._limit:
                raise asyncio.LimitOverrunError("the separator did not come within the limit", size)
            searched = max(size - len(separator) + 1, 0)
            if not await self._grown(size):
                raise asyncio.IncompleteReadError(self._take(size), None)
        return self._take(at + len(separator))

    def at_eof(self) -> bool:
        """Whether the peer has ended and everything was read."""
        return self._link.status.peer_closed and not self._link.buffer

    async def confirmed(self, timeout: float | None = None) -> Confirmation:
        """Return whether the peer has accepted us; see `StreamWriter.confirmed`."""
        return await self._link.confirmed(timeout)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def _read_all(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := await self.read(self._limit):
                parts.append(part)
        except BaseException:
            self._link.put_back(parts)
            raise
        return b"".join(parts)

    async def _wait(self) -> None:
        """Wait for something to read; without it, raise what ended the connection."""
        if self._busy:
            raise UsageError("read: another task is already waiting for data")
        self._busy = True
        link = self._link
        status, tls = link.status, link.tls
        try:
            while not link.buffer and not status.peer_closed and not tls.closing:
                await tls.woken()
        finally:
            self._busy = False
        if not link.buffer:
            status.raise_failure()
            if not status.peer_closed:
                raise UsageError("the connection was closed by its own side")

    async def _grown(self, size: int) -> bool:
        """Wait until there is more than `size` to read; False at the peer's end."""
        link = self._link
        while len(link.buffer) <= size:
            if link.status.peer_closed:
                return False
            if link.status.failure is not None:
                link.status.raise_failure()
            if link.closing:
                raise UsageError("the connection was closed by its own side")
            await link.until_more(size)
        return True

    def _take(self, n: int) -> bytes:
        link, buffer = self._link, self._link.buffer
        if n >= len(buffer):
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(memoryview(buffer)[:n])
            del buffer[:n]
        if link.tls.app_paused:
            link.taken()
        return data


class StreamWriter:
    """Writes data, and has the properties of the connection."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None for a client without a certificate.

        It is still available after the end of the connection.
        """
        return self._link.status.peer

    @property
    def version(self) -> str | None:
        """The version of TLS, such as "1.3"."""
        return self._link.connection.version

    @property
    def suite(self) -> str | None:
        """The IANA name of the cipher suite."""
        return self._link.connection.suite

    @property
    def group(self) -> str | None:
        """The IANA name of the key exchange group."""
        return self._link.connection.group

    @property
    def alpn(self) -> str | None:
        """The application protocol that was agreed, if any (RFC 7301)."""
        return self._link.connection.alpn

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._link.connection.resumed

    @property
    def warnings(self) -> list[Caution]:
        """Warnings: what a user should know although nothing failed."""
        return self._link.status.warnings

    @property
    def transport(self) -> asyncio.Transport:
        """The underlying transport; data that is written to it directly breaks the connection."""
        return self._link.transport

    async def confirmed(self, timeout: float | None = None) -> Confirmation:
        """Return whether the peer has accepted us, waiting up to `timeout` seconds (None: until it is known).

        In TLS 1.3 a client learns this only from the first protected record after the server's Finished.
        After "refused" every other call raises the refusal.
        """
        return await self._link.confirmed(timeout)

    async def authenticate_client(
        self, *, required: bool = True, seconds: float | None = None, max_data: int = DATA_LIMIT
    ) -> ClientAnswer:
        """Request the client's certificate (TLS 1.3), wait for it and verify it; see `Connection.authenticate_client`.

        required, seconds, max_data: as there. Data that arrives meanwhile is received; `ClientAnswer.unread` says how
        much of what is not read yet came before the answer. Raises the `TLSError` of a client that is not accepted, and
        `AuthenticationUnavailable` for one that cannot be asked.
        """
        return await self._link.authenticate_client(required=required, seconds=seconds, max_data=max_data)

    def judge_again(self) -> None:
        """Verify the peer again by the current evidence, as `Connection.judge_again`; raise if it is not valid now.

        Where evidence has to be fetched for that, this continues in the background, and the next call raises.
        """
        self._link.tls.judge_again()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`; await `drain` before sending much more. Raises `UsageError` after `close`."""
        self._link.tls.send(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Send several pieces at once."""
        self.write(b"".join(lines))

    async def drain(self) -> None:
        """Wait until the write buffer is small enough; raise what ended the connection."""
        await self._link.tls.until_writable()

    def can_write_eof(self) -> bool:
        """Whether `write_eof` works: always."""
        return True

    def write_eof(self) -> None:
        """Send close_notify (RFC 9846 6.1); reading is still possible."""
        self._link.status.raise_failure()
        self._link.tls.end()

    def close(self, linger: float = 0.0) -> None:
        """Send close_notify, unless that was done, and close.

        linger: seconds to wait for the peer's own end. A socket closed while the peer still sends may
        destroy what we sent last, so a server that has just answered should wait a little.
        """
        self._link.tls.close(linger)

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self._link.closing

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await self._link.tls.until_lost()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return information of the underlying transport, such as "peername"; none of another TLS below."""
        return self._link.tls.upper.get_extra_info(name, default)
