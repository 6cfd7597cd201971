"""Tasks that wait for something to happen to a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Waiting:
    """Lets tasks wait until something holds, which is checked whenever `wake` is called."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[None]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        while not condition():
            await self.woken()

    def woken(self) -> asyncio.Future[None]:
        """Return a future that is done at the next `wake`, for a task that checks its condition itself."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        if self._waiters:  # those of tasks that were cancelled are dropped
            self._waiters = [each for each in self._waiters if not each.done()]
        self._waiters.append(waiter)
        return waiter

    def wake(self) -> None:
        """Have every waiting task check its condition again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
