"""When a connection on which nothing is said has lasted long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Idleness:
    """Calls `over` once, when nothing was said for so many seconds; None: never.

    It runs from `start` to `stop`, and looks at the clock once for each of its periods, however much is said.
    """

    __slots__ = ("_loop", "_over", "_spoke", "_timer", "seconds")

    def __init__(self, seconds: float | None, over: Callable[[], None]) -> None:
        self.seconds = seconds
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._spoke = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count."""
        self.stir()
        self._look()

    def stir(self) -> None:
        """Something was said."""
        if self.seconds is not None:
            self._spoke = self._loop.time()

    def stop(self) -> None:
        """Never call."""
        self.seconds = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self.seconds is None:
            return
        left = self._spoke + self.seconds - self._loop.time()
        if left <= 0:
            self._over()
        else:
            self._timer = self._loop.call_later(left, self._look)
