"""What the processes of a gateway know of each other: numbers and a document of each, in memory that all share.

Made before workers are forked. Counters of a worker that dies stay; what was true of it at that moment is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from bothways.workers.shared_memory import SharedDocument, SharedNumbers

STATE_BYTES = 64 * 1024
SERVING, DRAINING, GENERATION = "serving", "draining", "generation"


class Slot:
    """What one process says. counters: they only rise.  state: what is true now.  document: the same in more words."""

    def __init__(self) -> None:
        self.counters = SharedNumbers()
        self.state = SharedNumbers(STATE_BYTES)
        self.document = SharedDocument()

    def clear_state(self) -> None:
        """Remove what was true of a process that has ended."""
        self.state.clear()
        self.document.clear()


class Board:
    """The slots of all processes. count: how many workers; in a gateway of one process that is the worker."""

    def __init__(self, count: int = 1) -> None:
        self.supervisor = Slot()
        self.workers = tuple(Slot() for _ in range(count))

    def worker(self, number: int) -> Slot:
        """Return the slot of a worker, by its number from 1."""
        return self.workers[number - 1]

    @property
    def all(self) -> tuple[Slot, ...]:
        """Return every slot."""
        return (self.supervisor, *self.workers)

    def total(self) -> dict[str, float]:
        """Return the counters of all processes, summed."""
        return _summed(each.counters.read() for each in self.all)

    def state(self) -> dict[str, float]:
        """Return what is true now of all workers, summed."""
        return _summed(each.state.read() for each in self.workers)

    @property
    def left_out(self) -> int:
        """How many changes were not counted, since a process had too many names."""
        return sum(each.counters.left_out + each.state.left_out for each in self.all)


def _summed(several: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for numbers in several:
        for name, value in numbers.items():
            total[name] = total.get(name, 0.0) + value
    return total
