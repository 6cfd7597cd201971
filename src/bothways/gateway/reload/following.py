"""How a gateway of one process follows its configuration: by a look at its files again and again, and on demand."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from bothways.gateway.log.log import Log
from bothways.gateway.observe.board import GENERATION
from bothways.gateway.observe.meter import Meter, Metric
from bothways.gateway.reload.current import LOOK_SECONDS, LOOKS_FAIL, LOOKS_GO_ON, Change, Current
from bothways.gateway.server import Gateway
from bothways.servers.lasting_problem import LastingProblem


class Following:
    """Hands to a gateway what has changed.

    Files are read in a thread, as they may be large: another one than those of the event loop, which may all wait for
    names of services.
    """

    def __init__(self, gateway: Gateway, current: Current, log: Log) -> None:
        self._gateway = gateway
        self._current = current
        self._looks = LastingProblem(log.event, LOOKS_GO_ON)
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "files")
        self._is_awaited = False  # a reload that waits for its turn
        self._meter = Meter(gateway.board.supervisor)
        self._generation = 0
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, when the gateway has started."""
        loop = asyncio.get_running_loop()  # files are read in a thread
        self._current.when_refused = lambda path, error: loop.call_soon_threadsafe(self._refused, path, error)
        self._gateway.auditor.change("start", self._current.routes.config.path, self._current.text)
        self._serves(1)
        self._looking = loop.create_task(self._look_on())

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False)

    async def reload(self) -> bool:
        """Read the configuration again, and take it whole, or refuse it whole and tell why.

        False, too, where another call waits for its turn: it reads what this one would.
        """
        if self._is_awaited:
            return False
        self._is_awaited = True
        try:
            await self._one_at_a_time.acquire()
        finally:
            self._is_awaited = False
        try:
            change = await asyncio.get_running_loop().run_in_executor(self._thread, self._current.read_again)
            await self._take(change)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the gateway goes on
            self._current.refuse(error)
            return False
        finally:
            self._one_at_a_time.release()
        return True

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - a look that fails must not be the last
                self._looks.failed(f"{LOOKS_FAIL}: {error!r}")
            else:
                self._looks.succeeded()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            is_other = await loop.run_in_executor(self._thread, self._current.is_other_configuration)
            change = None if is_other else await loop.run_in_executor(self._thread, self._current.look)
            if change is not None:
                await self._take(change)
        if is_other:
            await self.reload()

    def _refused(self, path: str, error: Exception) -> None:
        self._meter.count(Metric.RELOADS, "refused")
        self._gateway.auditor.refused_change(path, error)

    async def _take(self, change: Change) -> None:
        await self._gateway.take(change.routes)
        self._serves(self._generation + 1)
        self._meter.count(Metric.RELOADS, "taken")
        self._gateway.auditor.change("reload", change.routes.config.path, change.text, change.changed)
        # In a thread: with hundreds of certificates it takes long to find what there is to warn of.
        await asyncio.get_running_loop().run_in_executor(self._thread, self._current.take, change)

    def _serves(self, generation: int) -> None:
        self._generation = generation
        self._gateway.serves(generation)
        self._meter.slot.state.set(GENERATION, generation)
