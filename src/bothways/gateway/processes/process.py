"""One process that serves a file: its event loop and its signals."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.systemd import STOPPING, forget, notify
from bothways.gateway.log.log import Log
from bothways.gateway.observe.board import Board
from bothways.gateway.processes.taking import Generations
from bothways.gateway.reload.current import Current
from bothways.gateway.reload.following import Following
from bothways.gateway.routes.routes import Routes
from bothways.gateway.server import Gateway
from bothways.no_op import do_nothing
from bothways.servers.event_loops import loop_factory
from bothways.servers.garbage import GarbageCollection
from bothways.ticket_keys.shared import SharedTicketKeys
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.workers.supervisor import RETIRE

DONE, FAILED = 0, 1


def serve(log: Log, current: Current, tickets: TicketKeys | None, ready: Callable[[list[str]], None]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status; SIGHUP reads the configuration again.

    current: the configuration.  tickets: the ticket keys; None issues none.  ready: is called with the
    addresses when clients can connect.  Raises OSError where it cannot begin.
    """

    async def serving() -> int:
        follow(tickets)
        process = _Process(Gateway(current.routes, log), log)
        following = Following(process.gateway, current, log)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: process.keep(following.reload()))
        loop.add_signal_handler(
            signal.SIGUSR2, lambda: log.event("not replaced: SIGUSR2 replaces a gateway with --workers only")
        )

        def begin(addresses: list[str]) -> None:
            following.start()
            ready(addresses)

        return await process.serve(begin)

    return _run(serving)


def serve_as_worker(
    path: str,
    log: Log,
    routes: Routes,
    tickets: TicketKeys | None,
    sockets: dict[str, socket.socket],
    channel: socket.socket,
    ready: Callable[[], None],
    *,
    board: Board,
    number: int,
    generation: int,
) -> int:
    """Serve as one of several workers until SIGTERM, and return the exit status.

    path: of the configuration.  routes: those to begin with.  sockets: those that listen, by their addresses. channel:
    brings a `Generation` when something has changed.  board: what all processes know of each other.  number: of this
    worker.  generation: the number of the one to begin with.  The rest is as for `serve`. A worker that cannot take a
    generation ends, so that it is started again with the next one.
    """

    def listen(listener: ListenerConfig) -> socket.socket:
        try:
            return sockets.pop(str(listener.address))
        except KeyError:
            raise OSError(f"no socket for {listener.address} was handed to this worker") from None

    async def serving() -> int:
        forget()
        follow(tickets)
        loop = asyncio.get_running_loop()
        gateway = Gateway(routes, log, listen, board=board, number=number)
        gateway.serves(generation)
        process = _Process(gateway, log)
        loop.add_reader(channel, Generations(process, log, path, tickets, sockets, channel).read)
        loop.add_signal_handler(signal.SIGHUP, do_nothing)  # the supervisor acts on it
        loop.add_signal_handler(RETIRE, lambda: process.keep(process.retire()))
        return await process.serve(lambda _: ready())

    return _run(serving)


class _Process:
    """What both kinds of processes do: serve, then drain until that is done or a second signal comes."""

    def __init__(self, gateway: Gateway, log: Log) -> None:
        self.gateway = gateway
        self._log = log
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._status = DONE
        self._tasks: set[asyncio.Task[object]] = set()

    def keep(self, work: Coroutine[Any, Any, object]) -> None:
        """Let something run beside."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, status: int, *, at_once: bool = False) -> None:
        """End in order with this exit status. at_once: do not wait for clients to end."""
        self._status = status
        if at_once:
            self._hurry.set()
        self._stop.set()

    def fail(self, *, at_once: bool) -> None:
        """End, since it cannot go on. at_once: do not wait for clients to end."""
        self.end(FAILED, at_once=at_once)

    async def retire(self) -> None:
        """Accept nobody any more, and end in order when all connections have ended."""
        await self.gateway.retire()
        self.end(DONE, at_once=True)

    @property
    def _count(self) -> int:
        return len(self.gateway.clients) + len(self.gateway.tunnelled)

    def _drain_text(self) -> str:
        count = self._count
        seconds = self.gateway.routes.config.times.drain
        if not count:
            return "draining: there are no connections"
        have = "1 connection has" if count == 1 else f"{count} connections have"
        return f"draining: {have} {seconds:g} seconds to end"

    async def serve(self, ready: Callable[[list[str]], None]) -> int:
        """Serve, and return the exit status."""
        loop = asyncio.get_running_loop()
        addresses = await self.gateway.start()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._on_stop_signal)
        with GarbageCollection(lambda: self._count):
            ready(addresses)
            await self._stop.wait()
        notify(STOPPING)
        self._log.event(self._drain_text())
        draining = loop.create_task(self.gateway.drain())
        hurried = loop.create_task(self._hurry.wait())
        await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            await self.gateway.close()
        await draining
        hurried.cancel()
        return self._status

    def _on_stop_signal(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()


def follow(tickets: TicketKeys | None) -> None:
    """Have keys in a store at hand before the first client comes; nothing is waited for."""
    if isinstance(tickets, SharedTicketKeys):
        tickets.start()


def _run(serving: Callable[[], Coroutine[Any, Any, int]]) -> int:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serving())
