"""One HTTP exchange with a server whose address was checked before: only that address is connected to.

Based on httpcore, without its proxies, cookies and redirects. The size is limited here, the time by the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpcore

from bothways.faults import shown
from bothways.name_lookup import addresses_of
from bothways.trust.evidence.http_exchange import HTTPRequest

CHUNK = 16 * 1024
HEAD_LIMIT = 32 * 1024
# A body may come in so many chunks, and one more for each number of bytes: a small chunk costs as much as a large one.
FREE_CHUNKS, BYTES_PER_CHUNK = 64, 256
# httpcore uses anyio, which imports this at its first use: that would block the event loop.
with contextlib.suppress(ImportError):
    import_module("anyio._backends._asyncio")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a server: its status, the target of a redirect, and the content."""

    status: int
    redirect: str = ""
    body: bytes = b""


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which to try them. Raises OSError."""
    return list(dict.fromkeys(str(each[4][0]) for each in await addresses_of(host, port)))


async def exchange(request: HTTPRequest, address: str, limit: int) -> Reply:
    """Send a request to an address and return the answer, of at most `limit` bytes.

    Raises OSError where the network fails, ValueError for an invalid answer. Other tasks of the event loop run in
    between, however fast and in however many chunks the answer comes.
    """
    location = request.location
    url = httpcore.URL(scheme=location.scheme, host=location.host, port=location.port, target=location.target)
    # It reads all trust anchors of the system, which would block the event loop.
    context = await asyncio.to_thread(ssl.create_default_context) if location.scheme == "https" else None
    backend = _OneAddress(address)
    try:
        async with (
            httpcore.AsyncHTTPConnection(
                url.origin, ssl_context=context, network_backend=backend
            ) as connection,
            connection.stream(
                request.method, url, headers=list(request.headers.items()), content=request.body
            ) as response,
        ):
            backend.remaining_head = math.inf
            headers = {name.lower(): value for name, value in response.headers}
            redirect = headers.get(b"location", b"").decode("latin-1")
            if response.status != 200:
                return Reply(response.status, redirect)
            return Reply(response.status, redirect, await _content(response, headers, limit))
    except httpcore.ProtocolError as error:
        raise ValueError(f"its answer is not valid HTTP: {shown(error)}") from None


async def _content(response: httpcore.Response, headers: dict[bytes, bytes], limit: int) -> bytes:
    """Return a body; stop where it is too long or compressed."""
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise ValueError(f"its answer is compressed ({shown(encoding)}), which was not requested")
    announced = headers.get(b"content-length", b"0")
    body, chunks = bytearray(), 0
    if int(announced) <= limit:  # h11 has checked that it is a number
        async for chunk in response.aiter_stream():
            body += chunk
            chunks += 1
            if len(body) > limit:
                break
            if chunks > FREE_CHUNKS + len(body) // BYTES_PER_CHUNK:
                raise ValueError("its answer comes in too many small pieces")
        else:
            return bytes(body)
    raise ValueError(f"its answer is longer than {limit} bytes")


class _OneAddress(httpcore.AsyncNetworkBackend):
    """A backend of httpcore that connects to one address, whatever the request's host, and limits the head."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.remaining_head: float = HEAD_LIMIT

    def count(self, size: int) -> None:
        """Count the bytes before the content: a server may send 100 Continue endlessly."""
        self.remaining_head -= size
        if self.remaining_head < 0:
            raise ValueError(f"its answer does not begin within {HEAD_LIMIT} bytes")

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the address was checked before; the name may resolve to another one by now
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the caller limits the time
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(*await asyncio.open_connection(self._address, port), self.count)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection of asyncio as a stream of httpcore."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._count = count

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        await asyncio.sleep(0)  # reading buffered data does not let other tasks run
        chunk = await self._reader.read(min(max_bytes, CHUNK))
        self._count(len(chunk))
        return chunk

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._writer.write(buffer)
        await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._writer.get_extra_info(info)
