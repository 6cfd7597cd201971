"""When evidence is fetched anew: ahead of need, and at a moment that is drawn, so that many do not ask together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

Random = Callable[[int], bytes]


def ahead(at: datetime, until: datetime, random: Random) -> datetime:
    """Return a moment when between a half and three quarters of the time from `at` to `until` have gone by.

    random: draws so many bytes.
    """
    left = until - at
    return at + left / 2 + left / 4 * share(random)


def after(at: datetime, wait: timedelta, random: Random) -> datetime:
    """Return a moment when between a half and all of a wait are over."""
    return at + wait / 2 + wait / 2 * share(random)


def share(random: Random) -> float:
    """Draw a number from 0 to 1, which it never is."""
    return int.from_bytes(random(4), "big") / 2**32
