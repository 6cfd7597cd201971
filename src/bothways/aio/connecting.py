"""How a client's protocol gets its transport: to a host, by a path or over a socket, after what is said before TLS."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from bothways.addresses import Address, TCPAddress, most_telling, tcp_address
from bothways.aio.opening import ClientOpening
from bothways.errors import UsageError
from bothways.name_lookup import Found, addresses_of, is_number
from bothways.starttls import Exchange

P = TypeVar("P", bound=asyncio.BaseProtocol)
T = TypeVar("T")
Made = Callable[[], asyncio.BaseProtocol]
Connected = tuple[asyncio.BaseTransport, asyncio.BaseProtocol]
Way = Callable[[Made], Awaitable[Connected]]


def way_to(
    host: str | None,
    port: int | None,
    sock: socket.socket | None,
    path: str | os.PathLike[str] | None,
) -> Way:
    """Return the function that connects a protocol. Raises UsageError and ConfigError.

    host, port, sock, path: as for `connect`.
    """
    by_address = host is not None and port is not None
    others = (sock is not None) + (path is not None)
    if by_address + others != 1 or (others and (host, port) != (None, None)):
        raise UsageError("a client connects to host and port, over `sock`, or to `path`: give one of them")
    loop = asyncio.get_running_loop()
    if path is not None:
        return lambda made: loop.create_unix_connection(made, os.fspath(path))
    if sock is not None:
        return lambda made: loop.create_connection(made, sock=sock)
    return partial(_to_host, tcp_address(host, port))


async def opened(way: Way, exchange: Exchange | None, made: Callable[[], P]) -> P:
    """Connect by `way`, do the exchange before TLS, if any, and return the protocol that is made for the transport."""
    opening = ClientOpening(exchange, made)
    try:
        await way(lambda: opening)
        return await opening.finished
    except BaseException:
        opening.abort()
        raise


def over(sock: socket.socket, made: Made) -> Awaitable[Connected]:
    """Connect a protocol over a connected socket, which belongs to its transport."""
    loop = asyncio.get_running_loop()
    if sock.family == getattr(socket, "AF_UNIX", None):
        return loop.create_unix_connection(made, sock=sock)
    return loop.create_connection(made, sock=sock)


async def _to_host(address: TCPAddress, made: Made) -> Connected:
    """Connect to the first address of a name that answers; raise the error of the others that tells most."""
    loop, (host, port) = asyncio.get_running_loop(), address
    if is_number(host):
        return await loop.create_connection(made, host, port)

    async def connected(found: Found) -> Connected:
        family, _, _, _, target = found
        number = str(target[0]) + (f"%{target[3]}" if len(target) > 3 and target[3] else "")
        return await loop.create_connection(made, number, port, family=family)

    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await _first_that_answers(rows, connected)


async def connected_socket(address: Address) -> socket.socket:
    """Return a socket that is connected to an address: the first one of a name that answers.

    Raises OSError: that of the last one, but for one of a family that this machine lacks, where another says more.
    """
    if not isinstance(address, TCPAddress):
        return await _socket_to(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.path)
    return await _first_that_answers(await addresses_of(*address), _socket_of)


async def _first_that_answers(rows: Iterable[Found], connect: Callable[[Found], Awaitable[T]]) -> T:
    """Return what `connect` makes of the first address of a name that answers. Raises OSError as `connected_socket`."""
    errors: list[OSError] = []
    for found in rows:
        try:
            return await connect(found)
        except OSError as error:
            errors.append(error)
    raise most_telling(errors) if errors else OSError("its name has no address")


async def _socket_of(found: Found) -> socket.socket:
    family, kind, protocol, _, target = found
    return await _socket_to(family, kind, protocol, target)


async def _socket_to(family: int, kind: int, protocol: int, target: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
