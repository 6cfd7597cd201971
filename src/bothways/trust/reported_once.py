"""What lasts is reported when it begins, and once more only after it was over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from time import monotonic
from typing import TypeVar

OVER_SECONDS = 5.0  # without the problem, after which it is over
MOST_TOLD = 8  # texts of one problem, which may be another one at each attempt

Key = TypeVar("Key", bound=Hashable)
What = TypeVar("What")


class ReportedOnce:
    """Remembers what was found last: of that nothing is news."""

    def __init__(self) -> None:
        self._known: frozenset[Hashable] = frozenset()

    def news(self, found: Mapping[Key, What]) -> list[What]:
        """Return what was not found last time. found: all that holds now, by what identifies it."""
        new = [each for key, each in found.items() if key not in self._known]
        self._known = frozenset(found)
        return new


class LastingProblem:
    """What fails at each attempt: told when it begins, when it is another problem, and once when it is over.

    tell: is called with each sentence.  over: that of the end.  clock: returns monotonic seconds.
    """

    def __init__(
        self, tell: Callable[[str], object], over: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._tell = tell
        self._over = over
        self._clock = clock
        self._told: set[str] = set()
        self._failed_at: float | None = None

    def failed(self, problem: str) -> None:
        """Note an attempt that failed, and tell why, unless that was told."""
        self._failed_at = self._clock()
        if problem not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(problem)
            self._tell(problem)

    def succeeded(self) -> None:
        """Note an attempt that did not; tell that the problem is over if there was none of the others lately."""
        if self._failed_at is not None and self._clock() >= self._failed_at + OVER_SECONDS:
            self._failed_at = None
            self._told.clear()
            self._tell(self._over)
