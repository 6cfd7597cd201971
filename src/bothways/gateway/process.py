"""One process that serves a file: its event loop and its signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from bothways.gateway.config import read_config
from bothways.gateway.log import Log
from bothways.gateway.routes import Routes, load_routes
from bothways.gateway.server import Gateway
from bothways.tls.resumption.ticket_keys import TicketKeys

DONE = 0


def serve(
    path: str, log: Log, routes: Routes, tickets: TicketKeys, ready: Callable[[list[str]], None]
) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status; SIGHUP reads the file at `path` again.

    routes: what is in the file now.  ready: is called with the addresses when clients can connect.
    Raises OSError and ConfigError where it cannot begin.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(path, log, routes, tickets, ready))


async def _serve(
    path: str, log: Log, routes: Routes, tickets: TicketKeys, ready: Callable[[list[str]], None]
) -> int:
    loop = asyncio.get_running_loop()
    gateway = Gateway(routes, log)
    stop = asyncio.Event()
    tasks: set[asyncio.Task[bool]] = set()

    def reload() -> None:
        task = loop.create_task(gateway.reload(lambda: load_routes(read_config(path), tickets)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    addresses = await gateway.start()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    ready(addresses)
    await stop.wait()
    log.event(f"draining: connections have {gateway.routes.config.times.drain:g} seconds to end")
    again = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, again.set)
    draining = loop.create_task(gateway.drain())
    hurried = loop.create_task(again.wait())
    await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await gateway.close()
    await draining
    hurried.cancel()
    return DONE


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes event loops of uvloop where it is installed; None for those of asyncio."""
    with suppress(ModuleNotFoundError):
        made: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
        return made
    return None
