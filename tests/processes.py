"""Other processes, seen from outside (Linux)."""

from __future__ import annotations

import time
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, the oldest first."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spent(pid: int) -> float:
    """Return the processor seconds of a process so far, those of ended threads too: its clock (clock_gettime(2))."""
    return time.clock_gettime((~pid << 3) | 2)
