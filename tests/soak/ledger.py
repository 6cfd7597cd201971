"""What happened, and what must not happen: counts, violations, who may not reach the service."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

KILL_SECONDS = 30.0  # until the last of its clients notices, on a busy machine
SHOWN = 20


@dataclass
class Ledger:
    """What all parts of a soak write down. Attributes: `barred`, who may not reach the service."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    barred: set[str] = field(default_factory=set)
    ended_after: list[float] = field(default_factory=list)
    killed_at: float = -KILL_SECONDS
    began: float = field(default_factory=time.monotonic)

    def violation(self, what: str) -> None:
        """Note what must not happen."""
        self.wrong.append(f"{time.monotonic() - self.began:7.1f} s: {what}")

    def killed(self) -> None:
        """Note that a worker was killed: its clients lose their connections."""
        self.killed_at = time.monotonic()
        self.counts["workers killed"] += 1

    def lost(self, name: str, since: float, error: BaseException) -> None:
        """Note that a good client, connected at `since`, lost its connection: only a killed worker excuses that."""
        now = time.monotonic()
        if since <= self.killed_at + 1 and now <= self.killed_at + KILL_SECONDS:
            self.counts["good connections lost with a killed worker"] += 1
        else:
            self.violation(
                f"{name} lost its connection: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            )

    def reached(self, name: str) -> None:
        """Note whose bytes have come to the service."""
        if name in self.barred:
            self.violation(f"{name} reached the service")
        self.counts["connections at the service"] += 1

    def lines(self) -> list[str]:
        """Return what happened, in words."""
        found = [f"  {count:7}  {what}" for what, count in sorted(self.counts.items())]
        if self.ended_after:
            took = sorted(self.ended_after)
            found.append(
                f"  {len(took):7}  connections ended by revocation, after {took[len(took) // 2]:.2f} s (median), "
                f"{took[-1]:.2f} s (last)"
            )
        found += [f"WRONG: {each}" for each in self.wrong[:SHOWN]]
        if len(self.wrong) > SHOWN:
            found.append(f"WRONG: {len(self.wrong) - SHOWN} more")
        return found
