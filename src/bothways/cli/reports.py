"""What is said of clients that were not let in: so often, so many lines, so long, and the rest is counted.

Whoever fails on purpose must not fill a disk, nor hide in the crowd of his own lines what matters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from bothways.cli.terminal import bounded, counted, say
from bothways.gateway.report_limits import ReportLimits


class Reports:
    """Reports of failures, for all threads of a server. `limits` says whether there is one more."""

    def __init__(
        self, tell: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self.limits = ReportLimits(clock)
        self._alone = threading.Lock()
        self._untold = 0

    def failed(self, host: str, lines: Callable[[], Sequence[str]], *, known: bool = False) -> None:
        """Tell of a failure with a client at `host`, unless it had its share; only then are `lines` made.

        known: whether the client has proved who it is; then it is told however often.
        """
        with self._alone:
            if not known and not self.limits.may_report(host):
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
