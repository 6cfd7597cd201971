"""One HTTP exchange with a machine whose address was looked at before: that address is dialled and no other.

On httpcore, with no proxies, cookies or redirects of its own. The size is bounded here, the time by whoever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpcore

from bothways.trust.evidence.asking import Form

PIECE = 64 * 1024
# httpcore's locks are anyio's, which loads this at its first use: that would be in a loop with others' handshakes.
with contextlib.suppress(ImportError):
    import_module("anyio._backends._asyncio")
Looked = list[str] | OSError


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: its status, where it redirects to, and the content."""

    status: int
    redirect: str = ""
    body: bytes = b""


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which they should be tried. Raises OSError.

    In a thread that nobody waits for once the time is over: a resolver may take minutes.
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

    threading.Thread(target=look_up, name="bothways-resolve", daemon=True).start()
    return await answer


def _looked_up(host: str, port: int) -> Looked:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError("no name of a host")
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def exchange(form: Form, address: str, limit: int) -> Reply:
    """Send a request to a machine and read its answer, of at most `limit` bytes.

    Raises OSError where the network fails, ValueError for an answer that is none.
    """
    location = form.location
    url = httpcore.URL(scheme=location.scheme, host=location.host, port=location.port, target=location.target)
    context = ssl.create_default_context() if location.scheme == "https" else None
    backend = _Dial(address)
    try:
        async with (
            httpcore.AsyncHTTPConnection(
                url.origin, ssl_context=context, network_backend=backend
            ) as connection,
            connection.stream(
                form.method, url, headers=list(form.headers.items()), content=form.body
            ) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers}
            redirect = headers.get(b"location", b"").decode("latin-1")
            if response.status != 200:
                return Reply(response.status, redirect)
            return Reply(response.status, redirect, await _content(response, headers, limit))
    except httpcore.ProtocolError as error:
        raise ValueError(f"it does not speak HTTP as it should: {error}") from None


async def _content(response: httpcore.Response, headers: dict[bytes, bytes], limit: int) -> bytes:
    """Read a body, and stop where it is too long or compressed."""
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise ValueError(f"its answer is compressed ({encoding}), which nobody asked for")
    announced = headers.get(b"content-length", b"0")
    body = bytearray()
    if int(announced) <= limit:  # h11 has seen that it is a number
        async for piece in response.aiter_stream():
            body += piece
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise ValueError(f"its answer is longer than {limit} bytes")


class _Dial(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever the host in the request is called."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - what it leads to was looked at before, and may be another machine by now
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - whoever waits keeps the time
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(*await asyncio.open_connection(self._address, port))


class _Stream(httpcore.AsyncNetworkStream):
    """A connection of asyncio's, as httpcore wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return await self._reader.read(min(max_bytes, PIECE))

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
