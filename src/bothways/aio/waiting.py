"""Tasks that wait for something to happen to a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Waiting:
    """Lets tasks wait until something holds, which is checked whenever `wake` is called."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters: set[asyncio.Future[None]] = set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        while not condition():
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def wake(self) -> None:
        """Have every waiting task check its condition again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
