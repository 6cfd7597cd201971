"""Reports of refused clients, limited in number; the others are only counted.

A client that fails on purpose must neither fill a disk nor hide other reports.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from bothways.cli.output.terminal import bounded, say
from bothways.counts import counted
from bothways.servers.report_limits import ReportLimits


class Reports:
    """Reports of failures, for all threads of a server. `limits` decides whether one more is allowed."""

    def __init__(
        self, tell: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self.limits = ReportLimits(clock)
        self._alone = threading.Lock()
        self._unreported = 0

    def failed(self, host: str, lines: Callable[[], Sequence[str]], *, known: bool = False) -> None:
        """Report a failure of a client at `host`, if the limit allows; `lines` is called only then.

        known: the client is authenticated, so it is always reported.
        """
        with self._alone:
            if not known and not self.limits.may_report(host):
                self._unreported += 1
                return
            unreported, self._unreported = self._unreported, 0
        told = bounded(lines())
        if unreported:
            told.append(f"    {counted(unreported, 'connection')} before this ended without a report")
        self._tell("\n".join(told))

    def count_unreported(self) -> None:
        """Count a connection that is not reported."""
        with self._alone:
            self._unreported += 1
