"""Ends a connection on which no data was sent or received for some time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bothways.no_op import do_nothing


class Idleness:
    """Calls `over` once, after so many seconds without data; None for never.

    It is active from `start` to `stop`, and checks the clock once in each period, so that data costs nothing.
    """

    __slots__ = ("_loop", "_over", "_spoke", "_timer", "seconds")

    def __init__(self, seconds: float | None, over: Callable[[], None]) -> None:
        self.seconds = seconds
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._spoke = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start to count."""
        self.note_activity()
        self._check()

    def note_activity(self) -> None:
        """Record that data was sent or received."""
        if self.seconds is not None:
            self._spoke = self._loop.time()

    def stop(self) -> None:
        """Stop; `over` is not called any more, nor kept."""
        self.seconds = None
        self._over = do_nothing
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        if self.seconds is None:
            return
        left = self._spoke + self.seconds - self._loop.time()
        if left <= 0:
            self._over()
        else:
            self._timer = self._loop.call_later(left, self._check)
