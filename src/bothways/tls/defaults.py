"""The only place in the engine that names the clock and the entropy of this machine, and the process we are."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from bothways.tls.crypto.randomness import SystemRandomness


class SystemClock:
    """This machine's time."""

    def now(self) -> datetime:
        """Return the time of day in UTC, by which certificates are judged."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a scale that never runs backwards, by which time limits are kept."""
        return time.monotonic()


CLOCK = SystemClock()
RANDOMNESS = SystemRandomness(os.urandom)
process_id = os.getpid
