"""`start_server`: every client that proves who it is gets a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.watch import Watch
from bothways.errors import TLSError, logged
from bothways.places import Place, Places, source_of
from bothways.tls.config import ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.events import Observer, Request

logger = logging.getLogger("bothways")

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Refusal = Callable[[Exception, object], None]
LINGER_SECONDS = 1.0
HANDSHAKES = 512
WAITING = 1024  # connections that wait in the system to be accepted
TOLD_SECONDS = 60.0  # how often it is logged at most that handshakes were ended to make room


async def start_server(
    handler: Handler,
    host: str | Sequence[str] | None,
    port: int,
    config: ServerConfig,
    *,
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

    The connection is closed when the handler returns.  refused: is called with the error and the client's
    address where a handshake fails; by default that is logged.  observer: makes an observer for each
    connection.  handshakes: how many clients at once may not have finished theirs, a quarter of them from one
    address or /64 of IPv6 at the most; where more come, those are ended that made least progress, first of the
    address that has most. It bounds no connection that was established; how many of those there may be is for
    the handler to say.  The rest is as for `connect`. A handshake has the time that the configuration allows.
    """
    server = Server(handler, refused or _log_refusal, handshakes)
    watch = Watch(config.settings)
    finder = evidence or own_finder(config.settings)

    def made() -> TLSProtocol:
        connection = config.connection(observer=observer() if observer is not None else None)
        link = Link(
            connection,
            watch,
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=finder,
            below=partial(PlacedProtocol, server),
        )
        return link.tls

    loop = asyncio.get_running_loop()
    server.listening = await loop.create_server(made, host, port, backlog=backlog)
    for each in server.sockets:
        _let_wait(each, max(backlog, WAITING))
    return server


class PlacedProtocol(TLSProtocol):
    """A protocol that has a place among those in a handshake, and says when its client is there."""

    def __init__(
        self, server: Server, connection: Connection, watch: Watch, app: Link, **options: Any
    ) -> None:
        super().__init__(connection, watch, app, **options)
        self._server = server
        self.link = app
        self.place = Place("", self.evict, 0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake, and the task that waits for its end."""
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self.place.source = source_of(name[0]) if isinstance(name, tuple) else ""
        self.place.since = asyncio.get_running_loop().time()
        self._server.arrived(self)

    def data_received(self, data: bytes) -> None:
        """Count what came as progress."""
        self.place.moved += len(data)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        self._server.left(self)

    def evict(self) -> None:
        """End for another, and leave nothing to the system."""
        own = self.transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.fail(Evicted("its place was given to another handshake"))

    def _take(self, requests: Iterable[Request]) -> None:
        super()._take(requests)
        self.place.waits = self.connection.wants_data
        if self.driver.status.established:
            self._server.left(self)


class Evicted(ConnectionAbortedError):
    """A handshake was ended because others had more right to its place."""


class Server:
    """What `start_server` returns. As an asynchronous context it ends with its connections."""

    listening: asyncio.Server

    def __init__(self, handler: Handler, refused: Refusal, handshakes: int = HANDSHAKES) -> None:
        self._handler = handler
        self._refused = refused
        self._handshakes = Places(handshakes)
        self._evicted = 0
        self._told_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that listen."""
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
        """Accept no more connections; those that are there go on."""
        self.listening.close()

    def close_clients(self) -> None:
        """Cancel the handlers; each connection is closed."""
        for task in tuple(self._tasks):
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until every handler has ended."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.close_clients()
        await self.wait_closed()

    def arrived(self, protocol: PlacedProtocol) -> None:
        """Start the task of one connection, for which another may be ended, or that one itself; for its link."""
        loser = self._handshakes.enter(protocol.place, protocol.place.since)
        if loser is not None:
            loser.end()
            self._tell_of_evictions(protocol.place.since)
        task = asyncio.get_running_loop().create_task(self._converse(protocol.link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def left(self, protocol: PlacedProtocol) -> None:
        """Note that a handshake is over; for its link."""
        self._handshakes.leave(protocol.place)

    def _tell_of_evictions(self, now: float) -> None:
        self._evicted += 1
        if self._told_at is None or now >= self._told_at + TOLD_SECONDS:
            logger.warning("%d handshakes were ended because too many had begun", self._evicted)
            self._told_at, self._evicted = now, 0

    async def _converse(self, link: Link) -> None:
        address = link.transport.get_extra_info("peername")
        writer = StreamWriter(link)
        try:
            try:
                await link.until_established()
            except Evicted:
                await link.tls.until_lost()
                return
            except (TLSError, OSError) as error:
                self._refused(error, address)
                await link.tls.until_lost()
                return
            await self._handler(StreamReader(link, link.limit), writer)
            writer.close(linger=LINGER_SECONDS)
            await link.tls.until_lost()
        except asyncio.CancelledError:
            writer.close()
            raise
        except (TLSError, OSError) as error:
            logger.info("connection of %s ended: %s", address, logged(error))
            link.tls.abort()
        except Exception as error:  # noqa: BLE001 - a handler's mistake ends its own connection, not the server
            link.tls.abort()
            context = {"message": "a handler failed", "exception": error, "transport": link.transport}
            asyncio.get_running_loop().call_exception_handler(context)


def _let_wait(listener: socket.socket, count: int) -> None:
    """Let so many connections wait in the system; asyncio would accept as many in one turn of its loop."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(listener.fileno())) as same:
        same.listen(count)


def _log_refusal(error: Exception, address: object) -> None:
    logger.info("handshake with %s failed: %s", address, logged(error))
