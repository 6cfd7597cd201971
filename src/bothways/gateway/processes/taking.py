"""How a worker takes what the supervisor hands out: one generation after the other, and none too late.

Whoever goes by an earlier generation may let in clients that are revoked. So a worker that has not taken one in time
serves nobody until it has; the supervisor ends it only if it no longer makes progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from bothways.errors import ConfigError
from bothways.gateway.config.gateway import parsed_config
from bothways.gateway.files.held import Making
from bothways.gateway.log.log import Log
from bothways.gateway.processes.generation import Generation, WorkerReport, received
from bothways.gateway.reload.loading import loaded_routes
from bothways.gateway.routes.routes import Routes
from bothways.gateway.server import Gateway
from bothways.tls.resumption.ticket_keys import TicketKeys

LATE = "serves nobody until it has applied the new configuration, which takes long"


class TakingProcess(Protocol):
    """The process that takes generations."""

    gateway: Gateway

    def keep(self, work: Coroutine[Any, Any, object]) -> None:
        """Let something run beside."""

    def fail(self, *, at_once: bool) -> None:
        """End, since it cannot go on. at_once: do not wait for clients to end."""


class Generations:
    """Takes what comes by a channel.

    path: of the configuration.  sockets: those that listen, by their addresses; new ones are added.
    """

    def __init__(
        self,
        process: TakingProcess,
        log: Log,
        path: str,
        tickets: TicketKeys | None,
        sockets: dict[str, socket.socket],
        channel: socket.socket,
    ) -> None:
        self._process = process
        self._log = log
        self._path = path
        self._tickets = tickets
        self._sockets = sockets
        self._channel = channel
        self._in_turn = asyncio.Lock()
        self._pool = ThreadPoolExecutor(1, "generations")

    def read(self) -> None:
        """Read what has come; at the end of the supervisor, end too."""
        try:
            while (generation := received(self._channel)) is not None:
                self._sockets.update(generation.sockets)
                self._process.keep(self._take(generation))
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._channel)
            self._process.fail(at_once=False)

    async def _take(self, generation: Generation) -> None:
        gateway = self._process.gateway
        report = WorkerReport(self._channel, generation.number)
        async with self._in_turn:
            try:
                before = gateway.routes
                making = self._pool.submit(
                    routes_of, self._path, generation, before, self._tickets, report.progress
                )
                is_late = not await _is_done_in_time(making, generation.until)
                if is_late:
                    self._log.event(f"this worker {LATE}")
                # If it is late the event loop waits here, so that no client gets or sends a byte.
                made = making.result()
                report.progress()
                await gateway.take(made, until=generation.until)
                gateway.serves(generation.number)
            except Exception as error:  # noqa: BLE001 - its clients were let in by what is no longer in use
                self._log.event(
                    f"a configuration that was checked cannot be applied, so this worker ends: {error!r}"
                )
                self._process.fail(at_once=True)
            else:
                report.acknowledge()


async def _is_done_in_time(work: Future[Routes], until: float) -> bool:
    """Wait for work in a thread, while everybody is served. until: on the monotonic clock."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Future[Routes]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(done.set)

    work.add_done_callback(tell)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
            await done.wait()
    return work.done()


class _HandedOut:
    """The contents of files that the supervisor has read. What is not there it does not use either."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents

    def __call__(self, path: str, most: int = 0) -> bytes:  # noqa: ARG002 - the supervisor has looked at sizes
        """Return the content of a file. Raises ConfigError."""
        if path not in self._contents:
            raise ConfigError(f"{path}: it was not handed out")
        return self._contents[path]

    def private(self, path: str) -> bytes:
        """Return the content of a file of secrets: the supervisor has looked at its permissions."""
        return self(path)


def routes_of(
    path: str,
    generation: Generation,
    before: Routes,
    tickets: TicketKeys | None,
    progress: Callable[[], None],
) -> Routes:
    """Return the routes of a generation, as the supervisor has made them. progress: is called after each part."""
    at, lists, read = datetime.now(UTC), generation.lists, _HandedOut(generation.contents)
    making = Making(read, before.held, generation.changed, at, keeps=True, lists=lists, progress=progress)
    if generation.text is None:
        return loaded_routes(before.config, tickets, making)
    return loaded_routes(parsed_config(path, generation.text, progress), tickets, making)
