"""The gateway of one process: its listeners, its clients, and the change of its files while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from bothways.aio.admission import Admission
from bothways.aio.server import Server
from bothways.gateway.addresses import ListenerAddress, UnixAddress
from bothways.gateway.client import UNIX_CLIENT, ClientProtocol
from bothways.gateway.config import ListenerConfig
from bothways.gateway.listening import BACKLOG, bound_address, change_modes, open_listener, remove_socket_file
from bothways.gateway.log import Log
from bothways.gateway.routes import LOOK_SECONDS, Routes
from bothways.trust.verdict import Names

K = TypeVar("K")


VERIFICATION, TURN = (
    50,
    1000,
)  # the cost of a verification, and of a turn of the loop, in look-ups of a serial number


class Gateway:
    """Serves the routes of a file until it is told to stop.

    `routes` are those of new clients; `clients` all that are there.  listen: returns a listening socket.
    """

    def __init__(
        self, routes: Routes, log: Log, listen: Callable[[ListenerConfig], socket.socket] = open_listener
    ) -> None:
        self.routes = routes
        self.log = log
        self._listen_on = listen
        self._owns_files = listen is open_listener
        limits = routes.config.limits
        self.admission = Admission(limits.handshakes, _told_elsewhere)
        self.clients: set[ClientProtocol] = set()
        self._established: dict[ClientProtocol, Names] = {}
        self._by_source: dict[str, int] = {}
        self._by_identity: dict[Names, int] = {}
        self._listening: dict[ListenerAddress, Server] = {}
        self._looking: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    # -- listening -------------------------------------------------------------------------------------

    async def start(self) -> list[str]:
        """Listen on every address, or on none: raises OSError or ConfigError. Returns the addresses."""
        self._listening = await self._listen(self.routes.config.listeners)
        self._looking = asyncio.get_running_loop().create_task(self._look_on())
        return self.addresses()

    def addresses(self) -> list[str]:
        """Return where clients can connect."""
        return [bound_address(address, server.sockets[0]) for address, server in self._listening.items()]

    async def _listen(self, listeners: tuple[ListenerConfig, ...]) -> dict[ListenerAddress, Server]:
        """Listen anew where nothing listens yet; what was opened is closed again if one of them fails."""
        opened: dict[ListenerAddress, Server] = {}
        try:
            for each in listeners:
                if each.address not in self._listening:
                    opened[each.address] = await self._open(each)
        except BaseException:
            for server in opened.values():
                server.close()
            raise
        return opened

    async def _open(self, listener: ListenerConfig) -> Server:
        server, made = Server(self.admission), partial(ClientProtocol, self, listener.address)
        sock = self._listen_on(listener)
        sock.setblocking(False)
        await server.listen(made, None, None, sock=sock, path=None, reuse_port=None, backlog=BACKLOG)
        return server

    # -- clients ---------------------------------------------------------------------------------------

    def arrived(self, client: ClientProtocol, source: str) -> str | None:
        """Count a client; returns why there is no place for it."""
        self.clients.add(client)
        count = self._by_source[source] = self._by_source.get(source, 0) + 1
        limits = self.routes.config.limits
        if len(self._established) >= limits.connections:
            return f"there are {limits.connections} connections, and no more are taken"
        if source != UNIX_CLIENT and count > limits.per_address:
            return f"its address has {limits.per_address} connections, and gets no more"
        return None

    def established(self, client: ClientProtocol) -> str | None:
        """Count a verified client; returns why there is no place for it."""
        peer, limits = client.entry.peer, self.routes.config.limits
        if peer is None:
            return "it is not verified"
        if len(self._established) >= limits.connections:
            return f"there are {limits.connections} connections, and no more are taken"
        if self._by_identity.get(peer.names, 0) >= limits.per_identity:
            return f"clients with these names have {limits.per_identity} connections, and get no more"
        self._established[client] = peer.names
        self._by_identity[peer.names] = self._by_identity.get(peer.names, 0) + 1
        return None

    def left(self, client: ClientProtocol, source: str) -> None:
        """Count a client no more."""
        self.clients.discard(client)
        _count_down(self._by_source, source)
        names = self._established.pop(client, None)
        if names is not None:
            _count_down(self._by_identity, names)

    # -- change ----------------------------------------------------------------------------------------

    async def reload(self, load: Callable[[], Routes]) -> bool:
        """Take another file whole, and verify every open connection by it; or refuse it whole, and tell why.

        load: reads it, in a thread.
        """
        async with self._one_at_a_time:
            return await self._reload(load)

    async def _reload(self, load: Callable[[], Routes]) -> bool:
        try:
            routes = await asyncio.get_running_loop().run_in_executor(None, load)
            opened = await self._listen(routes.config.listeners)
            if self._owns_files:
                change_modes(self.routes.config.listeners, routes.config.listeners)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the gateway goes on
            self.log.event(f"not reloaded, the earlier configuration stays in use: {error}")
            return False
        wanted = {each.address for each in routes.config.listeners}
        for address in [each for each in self._listening if each not in wanted]:
            self._listening.pop(address).close()
        self._listening |= opened
        self.routes, self.log.form = routes, routes.config.log_format
        self.admission.places.resize(routes.config.limits.handshakes)
        for client in tuple(self._established):
            client.go_by(routes)
        self.log.event(f"reloaded: {routes.config.path}")
        for warning in routes.warnings():
            self.log.event(f"warning: {warning}")
        return True

    async def _look_on(self) -> None:
        """Look at files again and again, in a thread; what fails once is tried again."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            connected_by = {each.connected_by for each in self._established}
            earlier = [each for each in connected_by if each is not None and each is not self.routes]
            try:
                news = await loop.run_in_executor(None, self.routes.look)
                for routes in earlier:  # services that were reached before a reload stay verified
                    await loop.run_in_executor(None, routes.look)
            except Exception as error:  # noqa: BLE001 - a look that fails must not be the last
                self.log.event(f"files could not be looked at: {error!r}")
                continue
            for line in news:
                self.log.event(line)
            if news:
                await self._look_at_the_listed()

    async def _look_at_the_listed(self) -> None:
        """Verify first whom a CRL lists; a few at a time, so that the others are served between them."""
        work = 0
        for client in tuple(self._established):
            work += VERIFICATION if client.look_if_listed() else 1
            if work >= TURN:
                work = 0
                await asyncio.sleep(0)

    # -- the end ---------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Accept nobody any more, and wait for those who are there as long as the file says; then end them."""
        self.close_listeners()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.routes.config.times.drain):
                await self.admission.until_empty()
        await self.close()

    def close_listeners(self) -> None:
        """Accept nobody any more."""
        for address, server in self._listening.items():
            server.close()
            if isinstance(address, UnixAddress) and self._owns_files:
                remove_socket_file(address.path)
        self._listening.clear()

    async def close(self) -> None:
        """End everything now."""
        self.close_listeners()
        if self._looking is not None:
            self._looking.cancel()
        for client in tuple(self.clients):
            client.relay.end("the gateway ends")
            client.close(1.0)
        await self.admission.until_empty()


def _told_elsewhere(_error: Exception, _address: object) -> None:
    """Say nothing of a failed handshake: it has its line when its connection is gone."""


def _count_down(counts: dict[K, int], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
