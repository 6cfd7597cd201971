"""How often something is told of clients that nobody knows: so much of each address and of all; the rest is counted.

Whoever fails on purpose must not fill a disk, nor hide in the crowd of his own lines what matters.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bothways.servers.places import source_of

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


class ReportLimits:
    """Whether a report about an address may be made. Not safe for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = Allowance(ALL_AT_ONCE, ALL_EVERY_SECONDS)
        self._each: OrderedDict[str, Allowance] = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many addresses are remembered."""
        return len(self._each)

    def may_report(self, host: str) -> bool:
        """Whether there is one more report about this address; it counts as made."""
        source, now = source_of(host), self._clock()
        own = self._each.setdefault(source, Allowance(AT_ONCE, EVERY_SECONDS))
        self._each.move_to_end(source)
        if len(self._each) > SOURCES:
            self._each.popitem(last=False)
        return own.take(now) and self._all.take(now)
