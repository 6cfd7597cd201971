"""The wait of a closing connection for its peer to take the last data and to end its side; then it is reset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bothways.no_op import do_nothing


class Lingering:
    """Calls `over` when the peer of a closing connection makes no more progress.

    left: returns how many bytes are still to be sent.

    The kernel reports room for more data only when much of it was taken, so a peer on a slow line seems to take nothing
    for many seconds.
    """

    __slots__ = ("_left", "_over", "_timer")

    def __init__(self, left: Callable[[], int], over: Callable[[], None]) -> None:
        self._left = left
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float, delivery: float) -> None:
        """Wait.

        seconds: for the peer's end when all is sent.  delivery: during which it may take nothing of what is left.
        """
        self._wait(seconds, delivery, 0.0)

    def stop(self) -> None:
        """Wait no more: the connection is gone. `left` and `over` are not kept."""
        self._left, self._over = _none_left, do_nothing
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float, delivery: float, idle: float) -> None:
        before = self._left()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._check, seconds, delivery, idle + seconds, before)

    def _check(self, seconds: float, delivery: float, idle: float, before: int) -> None:
        left = self._left()
        if left < before:
            self._wait(seconds, delivery, 0.0)
        elif left and idle < delivery:
            self._wait(min(seconds, delivery - idle), delivery, idle)
        else:
            self._over()


def _none_left() -> int:
    return 0
