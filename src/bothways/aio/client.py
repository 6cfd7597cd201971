"""A client's connection once the server has proved who it is: as streams, or as a transport and a protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.transport import TLSTransport
from bothways.aio.watch import Watch
from bothways.errors import TimedOut, TLSError
from bothways.tls.config import ClientConfig
from bothways.tls.events import Observer

P = TypeVar("P", bound=asyncio.Protocol)


async def create_connection(
    factory: Callable[[], P],
    host: str,
    port: int,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = 30.0,
    idle_timeout: float | None = None,
    limit: int = BUFFER_LIMIT,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> tuple[TLSTransport, P]:
    """Connect to `host`, authenticate both peers and hand the connection to a protocol, as an event loop does.

    factory: makes the protocol; it is told of the connection when the server has proved who it is. The rest is as
    for `connect`; limit is for what waits to be sent.
    """
    name, finder = _prepared(host, config, server_name, evidence)
    app = factory()

    def made() -> TLSProtocol:
        connection = config.connection(server_name=name, observer=observer)
        watch = Watch(config.settings)
        return TLSProtocol(
            connection, watch, app, limit=limit, idle_timeout=idle_timeout, signer=signer, evidence=finder
        )

    tls = await _established(made, host, port, timeout)
    tls.driver.status.raise_failure()
    return tls.upper, app


async def connect(
    host: str,
    port: int,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = 30.0,
    idle_timeout: float | None = None,
    limit: int = BUFFER_LIMIT,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> tuple[StreamReader, StreamWriter]:
    """Connect to `host`, authenticate both peers and return their streams.

    server_name: whom the server must prove to be; by default `host`.  timeout: seconds for connecting and the
    handshake together.  idle_timeout: seconds without a byte either way after which the connection ends.
    limit: bytes that may wait to be read, and to be sent.  signer, evidence: answer what the handshake
    waits for, at once or as a coroutine; without `evidence` it is fetched as the configuration allows.
    observer: is told of every step.
    Raises `TLSError`, or `OSError` (`TimeoutError` among them) where the network fails. When it is cancelled
    the server is told so and the socket closed.
    """
    name, finder = _prepared(host, config, server_name, evidence)
    link: Link | None = None

    def made() -> TLSProtocol:
        nonlocal link
        connection = config.connection(server_name=name, observer=observer)
        watch = Watch(config.settings)
        link = Link(connection, watch, limit=limit, idle_timeout=idle_timeout, signer=signer, evidence=finder)
        return link.tls

    await _established(made, host, port, timeout, lambda: link is not None and bool(link.buffer))
    if link is None:
        raise TypeError("the event loop has made no protocol")
    return StreamReader(link, limit), StreamWriter(link)


def _prepared(
    host: str, config: ClientConfig, server_name: str | None, evidence: Finder | None
) -> tuple[str, Finder | None]:
    """Return whom to reach, and who fetches; what cannot work is a `ConfigError` before anybody is connected to."""
    name = host if server_name is None else server_name
    config.target(name)
    return name, evidence or own_finder(config.settings)


async def _established(
    made: Callable[[], TLSProtocol],
    host: str,
    port: int,
    timeout: float | None,
    has_data: Callable[[], bool] = bool,
) -> TLSProtocol:
    """Connect and wait for the end of the handshake; a failure is raised unless data came before it."""
    tls: TLSProtocol | None = None

    def remembered() -> TLSProtocol:
        nonlocal tls
        tls = made()
        return tls

    try:
        async with asyncio.timeout(timeout):
            _, protocol = await asyncio.get_running_loop().create_connection(remembered, host, port)
            await protocol.until_established()
        if not has_data():
            protocol.driver.status.raise_failure()
    except TimeoutError as late:
        if tls is not None:
            tls.abort()
        raise TimedOut(f"no connection within {timeout:g} seconds") from late
    except BaseException as error:
        if tls is not None:
            await _let_go(tls, error)
        raise
    return protocol


async def _let_go(tls: TLSProtocol, error: BaseException) -> None:
    """Give our alert its time before the failure is raised; whoever was cancelled does not wait."""
    if isinstance(error, TLSError):
        await tls.until_lost()
    else:
        tls.abort()
