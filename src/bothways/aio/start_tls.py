"""TLS on an existing connection, for example after STARTTLS or within another TLS connection."""

from __future__ import annotations

import asyncio
from typing import Any

from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.client import close_after_failure, within
from bothways.aio.limits import checked_limits
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.transport import TLSTransport
from bothways.aio.watch import Watch
from bothways.arguments import instance
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.events import Observer


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    config: ClientConfig | ServerConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = 30.0,
    idle_timeout: float | None = None,
    limit: int = BUFFER_LIMIT,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> TLSTransport:
    """Authenticate both peers over `transport`, as the kind of `config` says, and return the transport above it.

    From here on `protocol` gets the data that the peer sends over TLS, and its end. `connection_made` is not called
    again; it has to use the returned transport instead of `transport`, and gets no data before that is returned.
    Data that was received before TLS is not used.
    transport: of any event loop, or a `TLSTransport` (TLS within TLS).  config: a `ClientConfig` or `ServerConfig`.
    server_name: for a client, the name that the server's certificate must contain.  timeout: seconds for the handshake.
    The other parameters are as for `connect`.
    Raises `TLSError`, or `OSError` (also `TimeoutError`); `transport` is closed then.
    """
    instance("config", config, ClientConfig, ServerConfig)
    limit, idle_timeout, _ = checked_limits(limit=limit, idle_timeout=idle_timeout)
    finder = evidence or own_finder(config.settings)
    if transport.is_closing():
        raise ConnectionAbortedError("the transport is closed")
    if isinstance(config, ClientConfig):
        connection = config.connection(server_name=server_name, observer=observer)
    else:
        connection = config.connection(observer=observer)
    held = HeldEvents(protocol)
    tls = TLSProtocol(
        connection,
        Watch(config.settings),
        held,
        limit=limit,
        idle_timeout=idle_timeout,
        signer=signer,
        evidence=finder,
        knows_app=True,
    )

    async def connected() -> TLSProtocol:
        transport.set_protocol(tls)
        tls.connection_made(transport)
        transport.resume_reading()
        await tls.until_established()
        return tls

    try:
        await within(timeout, connected)
    except BaseException as error:
        await close_after_failure(tls, error)
        raise
    finally:
        asyncio.get_running_loop().call_soon(held.release, tls)
    return tls.upper


class HeldEvents(asyncio.Protocol):
    """Keeps events until `start_tls` returns: earlier, the protocol would answer on the transport without TLS."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._data: list[bytes] = []
        self._peer_ended = False
        self._end: tuple[Exception | None] | None = None

    def data_received(self, data: bytes) -> None:
        """Keep the data."""
        self._data.append(data)

    def eof_received(self) -> bool:
        """Keep the end of data, and stay open."""
        self._peer_ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep the end of the connection."""
        self._end = (exc,)

    def pause_writing(self) -> None:
        """Pass it on at once."""
        self._app.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on at once."""
        self._app.resume_writing()

    def release(self, tls: TLSProtocol) -> None:
        """Pass on what was kept, and from here on everything."""
        tls.app = self._app
        for data in self._data:
            tls.deliver(data)
        if self._peer_ended and not tls.call_app("eof_received"):
            tls.close(0.0)
        if self._end is not None:
            tls.notify_app("connection_lost", *self._end)
