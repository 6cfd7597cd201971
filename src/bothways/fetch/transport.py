"""One HTTP exchange with a machine whose address was looked at before: that address is dialled and no other.

On httpcore, with no proxies, cookies or redirects of its own. The size is bounded here, the time by whoever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpcore

from bothways.faults import shown
from bothways.trust.evidence.http_exchange import HTTPRequest

PIECE = 16 * 1024
HEAD_LIMIT = 32 * 1024
# A body may come in so many pieces, and in one more for every so many bytes: each costs as much as a long one.
FREE_PIECES, PIECE_AT_LEAST = 64, 256
# httpcore's locks are anyio's, which loads this at its first use: that would be in a loop with others' handshakes.
with contextlib.suppress(ImportError):
    import_module("anyio._backends._asyncio")
Looked = list[str] | OSError
MOST_LOOKUPS = 512
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: its status, where it redirects to, and the content."""

    status: int
    redirect: str = ""
    body: bytes = b""


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which they should be tried. Raises OSError.

    In a thread that nobody waits for once the time is over: a resolver may take minutes. Of such threads there
    are so many at most.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: Looked) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def look_up() -> None:
        found = _looked_up(host, port)
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            loop.call_soon_threadsafe(settle, found)

    _begin(look_up)
    return await answer


def _begin(look_up: Callable[[], None]) -> None:
    """Start a look-up in a thread. Raises OSError where there is no place for it."""
    places = _lookups
    if not places.acquire(blocking=False):
        raise OSError("too many names are being looked up already")

    def run() -> None:
        try:
            look_up()
        finally:
            places.release()

    try:
        threading.Thread(target=run, name="bothways-resolve", daemon=True).start()
    except RuntimeError:
        places.release()
        raise OSError("no thread is left to look its name up") from None


def _looked_up(host: str, port: int) -> Looked:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError("no name of a host")
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def exchange(request: HTTPRequest, address: str, limit: int) -> Reply:
    """Send a request to a machine and read its answer, of at most `limit` bytes.

    Raises OSError where the network fails, ValueError for an answer that is none. Others in the loop have their
    turn in between, however fast and in however many pieces it comes.
    """
    location = request.location
    url = httpcore.URL(scheme=location.scheme, host=location.host, port=location.port, target=location.target)
    # It reads all anchors of the system, while others in the loop wait.
    context = await asyncio.to_thread(ssl.create_default_context) if location.scheme == "https" else None
    backend = _Dial(address)
    try:
        async with (
            httpcore.AsyncHTTPConnection(
                url.origin, ssl_context=context, network_backend=backend
            ) as connection,
            connection.stream(
                request.method, url, headers=list(request.headers.items()), content=request.body
            ) as response,
        ):
            backend.head_left = math.inf
            headers = {name.lower(): value for name, value in response.headers}
            redirect = headers.get(b"location", b"").decode("latin-1")
            if response.status != 200:
                return Reply(response.status, redirect)
            return Reply(response.status, redirect, await _content(response, headers, limit))
    except httpcore.ProtocolError as error:
        raise ValueError(f"it does not speak HTTP as it should: {shown(error)}") from None


async def _content(response: httpcore.Response, headers: dict[bytes, bytes], limit: int) -> bytes:
    """Read a body, and stop where it is too long or compressed."""
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise ValueError(f"its answer is compressed ({shown(encoding)}), which nobody asked for")
    announced = headers.get(b"content-length", b"0")
    body, pieces = bytearray(), 0
    if int(announced) <= limit:  # h11 has seen that it is a number
        async for piece in response.aiter_stream():
            body += piece
            pieces += 1
            if len(body) > limit:
                break
            if pieces > FREE_PIECES + len(body) // PIECE_AT_LEAST:
                raise ValueError("its answer comes in crumbs")
        else:
            return bytes(body)
    raise ValueError(f"its answer is longer than {limit} bytes")


class _Dial(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever the host in the request is called; `head_left` bounds what comes."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.head_left: float = HEAD_LIMIT

    def heard(self, size: int) -> None:
        """Count what came before the answer's content: a server may say 100 Continue without end."""
        self.head_left -= size
        if self.head_left < 0:
            raise ValueError(f"its answer does not begin within {HEAD_LIMIT} bytes")

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - what it leads to was looked at before, and may be another machine by now
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - whoever waits keeps the time
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(*await asyncio.open_connection(self._address, port), self.heard)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection of asyncio's, as httpcore wants it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Callable[[int], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._heard = heard

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        await asyncio.sleep(0)  # a reader that has something at hand lets nobody else run
        piece = await self._reader.read(min(max_bytes, PIECE))
        self._heard(len(piece))
        return piece

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
