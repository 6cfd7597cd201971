"""What a server attempts again and again, and fails at: told without filling the log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

OVER_SECONDS = 5.0  # without the problem, after which it is over
MOST_TOLD = 8  # texts of one problem, which may be another one at each attempt


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
