"""Where the engine reads the time: what is injected, so that recorded conversations replay."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day, and a scale for time limits."""

    def now(self) -> datetime:
        """Return the time of day, with its time zone."""

    def monotonic(self) -> float:
        """Return seconds on a scale that never runs backwards."""
