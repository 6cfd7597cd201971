"""The interface of the engine's clock. It is injected, so that recorded connections can be replayed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time, and a monotonic scale for time limits."""

    def now(self) -> datetime:
        """Return the time, with its time zone."""

    def monotonic(self) -> float:
        """Return seconds on a scale that never goes backwards."""
