"""What is said of clients that were not let in: so often, so many lines, so long, and the rest is counted.

Whoever fails on purpose must not fill a disk, nor hide in the crowd of his own lines what matters.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bothways.cli.terminal import bounded, counted, say
from bothways.places import source_of

AT_ONCE, EVERY_SECONDS = 20, 10.0  # reports of one address, and how soon it has one more
ALL_AT_ONCE, ALL_EVERY_SECONDS = 100, 5.0  # the same of all addresses together
SOURCES = 1024  # addresses that are remembered


@dataclass(slots=True)
class Allowance:
    """How many reports are left, by the time at which all of them are there again."""

    at_once: int
    every: float
    full_at: float = 0.0

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        begin = max(self.full_at, now)
        if begin + self.every > now + self.at_once * self.every:
            return False
        self.full_at = begin + self.every
        return True


class Reports:
    """Reports of failures, for all threads of a server."""

    def __init__(
        self, tell: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._alone = threading.Lock()
        self._all = Allowance(ALL_AT_ONCE, ALL_EVERY_SECONDS)
        self._each: OrderedDict[str, Allowance] = OrderedDict()
        self._untold = 0

    def failed(self, host: str, lines: Callable[[], Sequence[str]], *, known: bool = False) -> None:
        """Tell of a failure with a client at `host`, unless it had its share; only then are `lines` made.

        known: whether the client has proved who it is; then it is told however often.
        """
        with self._alone:
            if not known and not self._may(source_of(host)):
                self._untold += 1
                return
            untold, self._untold = self._untold, 0
        told = bounded(lines())
        if untold:
            told.append(f"    {counted(untold, 'connection')} before this ended without a report")
        self._tell("\n".join(told))

    def untold(self) -> None:
        """Count a connection of which nothing is told."""
        with self._alone:
            self._untold += 1

    def _may(self, source: str) -> bool:
        now = self._clock()
        own = self._each.setdefault(source, Allowance(AT_ONCE, EVERY_SECONDS))
        self._each.move_to_end(source)
        if len(self._each) > SOURCES:
            self._each.popitem(last=False)
        return own.take(now) and self._all.take(now)
