"""`start_server` and `create_server`: a handler task, or a protocol, for every authenticated client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from bothways.addresses import checked_port
from bothways.aio.admission import HANDSHAKES, Admission, AdmittedProtocol, Refusal
from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.app_calls import made_safely
from bothways.aio.limits import checked_limits
from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.watch import Watch
from bothways.arguments import instance
from bothways.errors import TLSError, UsageError, logged
from bothways.tls.config import ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.events import Observer

logger = logging.getLogger("bothways")

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Hosts = str | Sequence[str] | None
LINGER_SECONDS = 1.0
WAITING = 4096  # connections that the system has accepted and we have not, where it allows so many


async def start_server(
    handler: Handler,
    host: Hosts,
    port: int | None,
    config: ServerConfig,
    *,
    sock: socket.socket | None = None,
    path: str | os.PathLike[str] | None = None,
    reuse_port: bool | None = None,
    limit: int = BUFFER_LIMIT,
    backlog: int = 100,
    handshakes: int = HANDSHAKES,
    idle_timeout: float | None = None,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Callable[[], Observer] | None = None,
    refused: Refusal | None = None,
) -> Server:
    """Listen on `host` and `port` and call `handler(reader, writer)` in a task for every trusted client.

    The connection is closed when the handler returns. limit: bytes that may be buffered for reading, and for sending.
    The other parameters are as for `create_server`.
    """
    making = _Making(
        config,
        observer,
        refused,
        signer,
        evidence,
        limit=limit,
        idle_timeout=idle_timeout,
        handshakes=handshakes,
    )
    server = StreamServer(making.admission)

    def made() -> asyncio.BaseProtocol:
        link = making.link()
        link.serve = partial(server.serve, handler)
        return link.tls

    await server.listen(made, host, port, sock=sock, path=path, reuse_port=reuse_port, backlog=backlog)
    return server


async def create_server(
    factory: Callable[[], asyncio.BaseProtocol],
    host: Hosts,
    port: int | None,
    config: ServerConfig,
    *,
    sock: socket.socket | None = None,
    path: str | os.PathLike[str] | None = None,
    reuse_port: bool | None = None,
    limit: int = BUFFER_LIMIT,
    backlog: int = 100,
    handshakes: int = HANDSHAKES,
    idle_timeout: float | None = None,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Callable[[], Observer] | None = None,
    refused: Refusal | None = None,
) -> Server:
    """Listen on `host` and `port` and hand the connection of every trusted client to a protocol, as an event loop does.

    factory: makes the protocol; `connection_made` is called when the client is authenticated, and nothing is called
    where the handshake fails.  host, port: the address to listen on; None with sock or path.  sock: a socket that
    listens already.  path: that of a Unix socket.  reuse_port: let several processes listen on one port.  backlog: the
    number of connections that the system keeps until they are accepted.
    limit: bytes that may be buffered for sending.  refused: called with the error and the client's address where a
    handshake fails; by default that is logged.  observer: makes an observer for each connection.  handshakes: the
    number of handshakes at the same time, a quarter of them at most for one address or IPv6 /64; where more clients
    connect, those with the least progress are ended, first those of the address that has most. It does not limit
    established connections; the caller has to limit them.  The other parameters are as for `connect`. The time for a
    handshake is that of the configuration.
    """
    making = _Making(
        config,
        observer,
        refused,
        signer,
        evidence,
        limit=limit,
        idle_timeout=idle_timeout,
        handshakes=handshakes,
    )
    server = Server(making.admission)

    def made() -> asyncio.BaseProtocol:
        return making.protocol(factory)

    await server.listen(made, host, port, sock=sock, path=path, reuse_port=reuse_port, backlog=backlog)
    return server


class _Making:
    """Makes the connections of one server; the parameters are as for `create_server`."""

    def __init__(
        self,
        config: ServerConfig,
        observer: Callable[[], Observer] | None,
        refused: Refusal | None,
        signer: Signer | None,
        evidence: Finder | None,
        *,
        limit: int,
        idle_timeout: float | None,
        handshakes: int,
    ) -> None:
        instance("config", config, ServerConfig)
        limits = checked_limits(limit=limit, idle_timeout=idle_timeout, handshakes=handshakes)
        self.admission = Admission(limits.handshakes, refused)
        self._config = config
        self._observer = observer
        self._watch = Watch(config.settings)
        self._options: dict[str, Any] = {
            "limit": limits.limit,
            "idle_timeout": limits.idle_timeout,
            "signer": signer,
            "evidence": evidence or own_finder(config.settings),
        }

    def protocol(self, factory: Callable[[], asyncio.BaseProtocol]) -> AdmittedProtocol:
        """Return the protocol of a connection, over which there is one of the factory."""
        connection = self._connection()
        return AdmittedProtocol(self.admission, connection, self._watch, factory(), **self._options)

    def link(self) -> ServedLink:
        """Return what a pair of streams is made of, for a connection."""
        below = partial(AdmittedProtocol, self.admission)
        return ServedLink(self._connection(), self._watch, below=below, **self._options)

    def _connection(self) -> Connection:
        return self._config.connection(observer=None if self._observer is None else self._observer())


class Server:
    """The result of `create_server` and `start_server`.

    It is an asynchronous context manager, which closes all connections.
    """

    listening: asyncio.Server

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self._backlog = WAITING

    async def listen(
        self,
        made: Callable[[], asyncio.BaseProtocol],
        host: Hosts,
        port: int | None,
        *,
        sock: socket.socket | None,
        path: str | os.PathLike[str] | None,
        reuse_port: bool | None,
        backlog: int,
        accepts: bool = True,
    ) -> None:
        """Start to listen on host and port, on `sock` or on `path`. accepts: now, and not when `accept` is called.

        Raises UsageError for more than one of them, ConfigError for what is no port.
        """
        by_address = host is not None or port is not None
        if by_address + (sock is not None) + (path is not None) != 1:
            raise UsageError("a server listens on host and port, on `sock`, or on `path`: give one of them")
        if port is not None:
            port = checked_port(port)
        loop, made = asyncio.get_running_loop(), made_safely(made)
        if path is not None:
            self.listening = await loop.create_unix_server(
                made, os.fspath(path), backlog=backlog, start_serving=accepts
            )
        elif sock is not None and sock.family == getattr(socket, "AF_UNIX", None):
            self.listening = await listening_on(sock, made, backlog=backlog, start_serving=accepts)
        elif sock is not None:
            self.listening = await loop.create_server(made, sock=sock, backlog=backlog, start_serving=accepts)
        else:
            self.listening = await loop.create_server(
                made, host, port or 0, reuse_port=reuse_port, backlog=backlog, start_serving=accepts
            )
        self._backlog = max(backlog, WAITING)
        if accepts:
            self._lengthen_queues()

    async def accept(self) -> None:
        """Accept connections from here on, unless that was done, or it was closed."""
        if self.sockets:
            await self.listening.start_serving()
            self._lengthen_queues()

    def _lengthen_queues(self) -> None:
        for each in self.sockets:
            _set_backlog(each, self._backlog)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return tuple(self.listening.sockets)

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return self.listening.is_serving()

    async def serve_forever(self) -> None:
        """Serve until cancelled."""
        try:
            await self.listening.serve_forever()
        finally:
            self.close()
            self.close_clients()
            await self.wait_closed()

    def close(self) -> None:
        """Accept no more connections; the existing ones continue."""
        self.listening.close()

    def close_clients(self) -> None:
        """Close every connection; waits only briefly for peers that receive nothing."""
        for each in tuple(self.admission.here):
            each.close(LINGER_SECONDS, LINGER_SECONDS)

    async def wait_closed(self) -> None:
        """Wait until no connection is left."""
        await self.admission.until_empty()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.close_clients()
        await self.wait_closed()


class StreamServer(Server):
    """A server that runs its handlers as tasks."""

    def __init__(self, admission: Admission) -> None:
        super().__init__(admission)
        self._tasks: dict[asyncio.Task[None], Link] = {}

    def serve(self, handler: Handler, link: Link) -> None:
        """Start the handler of one connection with an authenticated client."""
        task = asyncio.get_running_loop().create_task(self._converse(handler, link))
        self._tasks[task] = link
        task.add_done_callback(self._ended)

    def close_clients(self) -> None:
        """Cancel the handlers; each connection is closed."""
        served = {link.tls for link in self._tasks.values()}
        for task in tuple(self._tasks):
            task.cancel()
        for each in tuple(self.admission.here):
            if each not in served:
                each.close(0.0, LINGER_SECONDS)

    async def wait_closed(self) -> None:
        """Wait until every handler has ended, and no connection is left."""
        while self._tasks or self.admission.here:
            if self._tasks:
                await asyncio.wait(tuple(self._tasks))
            await self.admission.until_empty()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Close the connection of a handler that was cancelled before it started."""
        link = self._tasks.pop(task)
        if not link.closing:
            link.tls.close(0.0, LINGER_SECONDS)

    async def _converse(self, handler: Handler, link: Link) -> None:
        writer = StreamWriter(link)
        try:
            await handler(StreamReader(link, link.limit), writer)
            writer.close(linger=LINGER_SECONDS)
            await link.tls.until_lost()
        except asyncio.CancelledError:
            link.tls.close(0.0, LINGER_SECONDS)
            raise
        except (TLSError, OSError) as error:
            address = link.transport.get_extra_info("peername")
            logger.info("connection of %s ended: %s", address, logged(error))
            error.with_traceback(None)  # its frames keep the link, which keeps it
            link.tls.abort()
        except Exception as error:  # noqa: BLE001 - a handler's mistake ends its own connection, not the server
            link.tls.abort()
            context = {"message": "a handler failed", "exception": error, "transport": link.transport}
            asyncio.get_running_loop().call_exception_handler(context)


class ServedLink(Link):
    """A link that starts a handler when the client is authenticated."""

    serve: Callable[[Link], None]

    def connection_made(self, transport: Any) -> None:  # noqa: ARG002 - the link has it from below
        """Start the handler, since the client is authenticated."""
        self.serve(self)


async def listening_on(
    sock: socket.socket, made: Callable[[], asyncio.BaseProtocol], **options: Any
) -> asyncio.Server:
    """Listen on a Unix socket that we were given: its file, which is not ours, is not removed at the end."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 13):
        with contextlib.suppress(TypeError):  # of uvloop before 0.22, which removes no file
            return await loop.create_unix_server(made, sock=sock, cleanup_socket=False, **options)
    return await loop.create_unix_server(made, sock=sock, **options)


def _set_backlog(listener: socket.socket, count: int) -> None:
    """Set the backlog to `count`; asyncio would also accept that many connections in one turn of the loop."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(listener.fileno())) as same:
        same.listen(count)
