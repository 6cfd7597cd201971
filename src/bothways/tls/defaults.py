"""The only module of the engine that uses the clock, the random generator and the process id of this machine."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from bothways.tls.crypto.randomness import SystemRandomness


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time in UTC, used to verify certificates."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a monotonic scale, used for time limits."""
        return time.monotonic()


CLOCK = SystemClock()
RANDOMNESS = SystemRandomness(os.urandom)
process_id = os.getpid
