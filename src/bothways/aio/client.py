"""`connect`: a client's streams, once the server has proved who it is."""

from __future__ import annotations

import asyncio

from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.link import BUFFER_LIMIT, Link
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.watch import Watch
from bothways.errors import TLSError
from bothways.tls.config import ClientConfig
from bothways.tls.events import Observer


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
    name = host if server_name is None else server_name
    config.target(name)
    finder = evidence or own_finder(config.settings)
    link: Link | None = None

    def made() -> Link:
        nonlocal link
        connection = config.connection(server_name=name, observer=observer)
        link = Link(
            connection,
            Watch(config.settings),
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=finder,
        )
        return link

    try:
        async with asyncio.timeout(timeout):
            _, protocol = await asyncio.get_running_loop().create_connection(made, host, port)
            await protocol.until_established()
    except TimeoutError as late:
        if link is not None:
            link.abort()
        raise TimeoutError(f"no connection within {timeout:g} seconds") from late
    except BaseException as error:
        if link is not None:
            await _let_go(link, error)
        raise
    return StreamReader(protocol, limit), StreamWriter(protocol)


async def _let_go(link: Link, error: BaseException) -> None:
    """Give our alert its time before the failure is raised; whoever was cancelled does not wait."""
    if isinstance(error, TLSError):
        await link.until_lost()
    else:
        link.abort()
