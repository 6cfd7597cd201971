"""A client's connection to an authenticated server: as streams, or as transport and protocol."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bothways.addresses import TCPAddress
from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.connecting import Way, opened, way_to
from bothways.aio.limits import checked_limits
from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.transport import TLSTransport
from bothways.aio.watch import Watch
from bothways.arguments import instance
from bothways.errors import StartTLSFailed, TimedOut, TLSError
from bothways.starttls import StartTLS, protocol_named
from bothways.tls.config import ClientConfig
from bothways.tls.connection import Connection
from bothways.tls.events import Observer

P = TypeVar("P", bound=asyncio.BaseProtocol)


class ConnectingProtocol(TLSProtocol):
    """Says nothing to the server before `begin`.

    If connecting is cancelled before, the event loop closes the transport by itself, and no alert could be sent.
    """

    begins_at_once = False


async def create_connection(
    factory: Callable[[], P],
    host: str | None,
    port: int | None,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    sock: socket.socket | None = None,
    path: str | os.PathLike[str] | None = None,
    timeout: float | None = 30.0,
    idle_timeout: float | None = None,
    limit: int = BUFFER_LIMIT,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
    starttls: str | None = None,
) -> tuple[TLSTransport, P]:
    """Connect to `host`, authenticate both peers and pass the connection to a protocol.

    factory: creates the protocol; `connection_made` is called when the server is authenticated.  limit: bytes that may
    be buffered for sending. The other parameters are as for `connect`, and the interface is that of an event loop.
    """
    limit, idle_timeout, _ = checked_limits(limit=limit, idle_timeout=idle_timeout)
    attempt = _Attempt(host, port, config, server_name, evidence, observer, starttls)
    way = way_to(host, port, sock, path)
    app = factory()

    def made() -> TLSProtocol:
        return ConnectingProtocol(
            attempt.connection(),
            Watch(config.settings),
            app,
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=attempt.finder,
        )

    tls = await attempt.established(made, way, timeout)
    tls.driver.status.raise_failure()
    return tls.upper, app


async def connect(
    host: str | None,
    port: int | None,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    sock: socket.socket | None = None,
    path: str | os.PathLike[str] | None = None,
    timeout: float | None = 30.0,
    idle_timeout: float | None = None,
    limit: int = BUFFER_LIMIT,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
    starttls: str | None = None,
) -> tuple[StreamReader, StreamWriter]:
    """Connect to `host`, authenticate both peers and return their streams.

    host, port: the address to connect to; None with sock or path.  config: of the client.  server_name: the name that
    the server's certificate must contain; by default `host`, required with sock or path.  sock: a socket that is
    connected already.  path: that of a Unix socket.  timeout: seconds for connecting and the handshake together.
    idle_timeout: seconds without data in either direction after which the connection ends.
    limit: bytes that may be buffered for reading, and for sending.  signer, evidence: called with what the handshake
    waits for, functions or coroutine functions; without `evidence` it is fetched as the configuration allows.
    observer: called with a note for every step.  starttls: request TLS in this protocol first, such as "smtp"
    (`bothways.starttls.PROTOCOLS`); what a server sends before TLS is discarded.
    Raises `TLSError` where a peer is refused (`StartTLSFailed` where it does not change to TLS), `OSError` (also
    `TimeoutError`) where the network fails. When it is cancelled the server gets the alert user_canceled, and the
    socket is closed.
    """
    limit, idle_timeout, _ = checked_limits(limit=limit, idle_timeout=idle_timeout)
    attempt = _Attempt(host, port, config, server_name, evidence, observer, starttls)
    way = way_to(host, port, sock, path)
    link: Link | None = None

    def made() -> TLSProtocol:
        nonlocal link
        link = Link(
            attempt.connection(),
            Watch(config.settings),
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=attempt.finder,
            below=ConnectingProtocol,
        )
        return link.tls

    await attempt.established(made, way, timeout, lambda: link is not None and bool(link.buffer))
    if link is None:
        raise TypeError("the event loop has made no protocol")
    return StreamReader(link, limit), StreamWriter(link)


class _Attempt:
    """An attempt to reach a server; the parameters are as for `connect`. Raises ConfigError and UsageError.

    finder: fetches evidence; None where none is to be fetched.
    """

    def __init__(
        self,
        host: str | None,
        port: int | None,
        config: ClientConfig,
        server_name: str | None,
        evidence: Finder | None,
        observer: Observer | None,
        starttls: str | None,
    ) -> None:
        instance("config", config, ClientConfig)
        name = host if server_name is None else server_name
        config.target(name)
        self._config = config
        self._name = name or ""
        self._host, self._port = host, port
        self._observer = observer
        self._starttls = starttls or ""
        self._exchange = _exchange(starttls, host, self._name)
        self.finder = evidence or own_finder(config.settings)

    @property
    def _address(self) -> str:
        """The address of the server for explanations; "" if the caller has connected already."""
        if self._host is None or self._port is None:
            return ""
        return str(TCPAddress(self._host, self._port))

    def connection(self) -> Connection:
        """Return the engine's connection."""
        connection = self._config.connection(server_name=self._name, observer=self._observer)
        connection.history.reached_at(self._address, self._starttls)
        return connection

    async def established(
        self,
        made: Callable[[], TLSProtocol],
        way: Way,
        timeout: float | None,
        has_data: Callable[[], bool] = bool,
    ) -> TLSProtocol:
        """Connect and wait for the end of the handshake; a failure is raised unless data was received before it."""
        tls: TLSProtocol | None = None

        async def connected() -> TLSProtocol:
            nonlocal tls
            tls = await opened(way, self._exchange, made)
            tls.begin()
            await tls.until_established()
            return tls

        try:
            return await within(timeout, connected, has_data)
        except BaseException as error:
            if tls is not None:
                await close_after_failure(tls, error)
            elif isinstance(error, OSError | StartTLSFailed):
                self._situate(error)
                if isinstance(error, TimedOut) and self._exchange is not None:
                    self._time_is_up(self._exchange, error)
            raise

    def _time_is_up(self, exchange: StartTLS, late: TimedOut) -> None:
        """Raise how far the exchange before TLS had come when the time was over."""
        try:
            exchange.time_limit_reached()
        except StartTLSFailed as error:
            self._situate(error)
            raise error from late

    def _situate(self, error: TLSError | OSError) -> None:
        """Add to an error what is needed to explain it; the module for that is imported only then."""
        from bothways.diagnosis.failure import situate

        situate(error, self._config, self._name, self._address, self._starttls)


def _exchange(starttls: str | None, host: str | None, name: str) -> StartTLS | None:
    """Return what is said before TLS; raise `UsageError` for an unknown protocol."""
    if starttls is None:
        return None
    return StartTLS(protocol_named(starttls), host if host is not None and "://" in name else name)


async def within(
    timeout: float | None,
    connected: Callable[[], Awaitable[TLSProtocol]],
    has_data: Callable[[], bool] = bool,
) -> TLSProtocol:
    """Return the protocol after its handshake; raise its failure, or TimeoutError, unless data was received before."""
    try:
        async with asyncio.timeout(timeout):
            tls = await connected()
    except TimeoutError as late:
        raise TimedOut(f"no TLS connection within {timeout:g} seconds") from late
    if not has_data():
        tls.driver.status.raise_failure()
    return tls


async def close_after_failure(tls: TLSProtocol, error: BaseException) -> None:
    """Wait until our alert was sent, then close; after a cancellation or a time limit without waiting."""
    if isinstance(error, TLSError):
        if tls.driver.status.is_out_of_time:
            tls.transport.abort()  # the system has what was sent, and still delivers it
        await tls.until_lost()
    else:
        if isinstance(error, OSError):
            error.situation = tls.driver.connection.history.facts()  # type: ignore[attr-defined]
        tls.abort()
