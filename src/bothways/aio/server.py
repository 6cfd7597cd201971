"""`start_server`: every client that proves who it is gets a task of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from bothways.aio.answers import Finder, Signer, own_finder
from bothways.aio.link import BUFFER_LIMIT, Link
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.watch import Watch
from bothways.errors import TLSError
from bothways.tls.connection import ServerConfig
from bothways.tls.events import Observer

logger = logging.getLogger("bothways")

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Refusal = Callable[[Exception, object], None]
LINGER_SECONDS = 1.0


async def start_server(
    handler: Handler,
    host: str | Sequence[str] | None,
    port: int,
    config: ServerConfig,
    *,
    limit: int = BUFFER_LIMIT,
    backlog: int = 100,
    idle_timeout: float | None = None,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Callable[[], Observer] | None = None,
    refused: Refusal | None = None,
) -> Server:
    """Listen on `host` and `port` and call `handler(reader, writer)` in a task for every trusted client.

    The connection is closed when the handler returns.  refused: is called with the error and the client's
    address where a handshake fails; by default that is logged.  observer: makes an observer for each
    connection.  The rest is as for `connect`. A handshake has the time that the configuration allows.
    """
    server = Server(handler, refused or _log_refusal)
    watch = Watch(config)
    finder = evidence or own_finder(config)

    def made() -> Link:
        connection = config.connection(observer=observer() if observer is not None else None)
        link = ServerLink(
            connection, watch, limit=limit, idle_timeout=idle_timeout, signer=signer, evidence=finder
        )
        link.begin = lambda: server.serve(link, limit)
        return link

    loop = asyncio.get_running_loop()
    server.listening = await loop.create_server(made, host, port, backlog=backlog)
    return server


class ServerLink(Link):
    """A link that says when its client is there."""

    begin: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake, and the task that waits for its end."""
        super().connection_made(transport)
        self.begin()


class Server:
    """What `start_server` returns. As an asynchronous context it ends with its connections."""

    listening: asyncio.Server

    def __init__(self, handler: Handler, refused: Refusal) -> None:
        self._handler = handler
        self._refused = refused
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

    def serve(self, link: Link, limit: int) -> None:
        """Start the task of one connection; called by its link."""
        task = asyncio.get_running_loop().create_task(self._converse(link, limit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, link: Link, limit: int) -> None:
        address = link.transport.get_extra_info("peername")
        writer = StreamWriter(link)
        try:
            try:
                await link.until_established()
            except (TLSError, OSError) as error:
                self._refused(error, address)
                await link.until_lost()
                return
            await self._handler(StreamReader(link, limit), writer)
            writer.close(linger=LINGER_SECONDS)
            await link.until_lost()
        except asyncio.CancelledError:
            writer.close()
            raise
        except (TLSError, OSError) as error:
            logger.info("connection of %s ended: %s", address, error)
            link.abort()
        except Exception as error:  # noqa: BLE001 - a handler's mistake ends its own connection, not the server
            link.abort()
            context = {"message": "a handler failed", "exception": error, "transport": link.transport}
            asyncio.get_running_loop().call_exception_handler(context)


def _log_refusal(error: Exception, address: object) -> None:
    logger.info("handshake with %s failed: %s", address, error)
