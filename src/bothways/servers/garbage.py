"""Keeps the passes of Python's garbage collector short in a process that is all ours and has many connections.

A full pass looks at every object, about 100 for each open connection, so 3,000 connections would hold the event loop
for a quarter of a second. Here an object is looked at by one full pass at most: what is left after it is kept by
something, and frozen. Connections leave nothing to the collector when they end, so a frozen object is freed like any
other; were one not, memory would grow, and then everything is looked at once more.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any, Self

# Objects that are made until a pass of each generation: a full pass follows 33,033, for which it takes some
# milliseconds.
THRESHOLDS = 1000, 10, 2
CHECK_SECONDS = 10.0
# Blocks of memory (`sys.getallocatedblocks`, about 100 bytes each): of an open connection, 180 and more where it speaks
# HTTP/2; and how many may be used besides, before everything is looked at.
PER_CONNECTION = 1000
SPARE = 1_000_000
_OLDEST = 2


class GarbageCollection:
    """Changes how this process collects garbage, while the block lasts.

    connections: returns how many connections are open.  spare: blocks of memory that may be used by what they do not
    explain.
    """

    def __init__(self, connections: Callable[[], int], *, spare: int = SPARE) -> None:
        self._connections = connections
        self._spare = spare
        self._left = 0  # blocks after the last pass that has looked at everything
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Look once at what was not looked at yet, and from here on at what is new."""
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(_freeze)
        self._collect()
        self._check_later()
        return self

    def __exit__(self, *_: object) -> None:
        """Look at what is new as before; what is frozen stays so."""
        if self._timer is not None:
            self._timer.cancel()
        gc.callbacks.remove(_freeze)
        gc.set_threshold(*self._thresholds)

    def check(self) -> None:
        """Look at everything if memory has doubled, and open connections do not explain it."""
        if sys.getallocatedblocks() > self.explained:
            gc.unfreeze()
            self._collect()

    @property
    def explained(self) -> int:
        """How many blocks of memory may be in use before everything is looked at."""
        return 2 * self._left + self._spare + PER_CONNECTION * self._connections()

    def _collect(self) -> None:
        gc.collect()
        self._left = sys.getallocatedblocks()

    def _check_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check_in_time)

    def _check_in_time(self) -> None:
        self.check()
        self._check_later()


def _freeze(phase: str, info: dict[str, Any]) -> None:
    """Set aside what a full pass has left."""
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()
