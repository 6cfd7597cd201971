"""When evidence is fetched again: before it is needed, at a random time, so that many clients do not ask together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

Random = Callable[[int], bytes]


def renewal_time(at: datetime, until: datetime, random: Random) -> datetime:
    """Return a random time between a half and three quarters of the interval from `at` to `until`.

    random: returns so many random bytes.
    """
    left = until - at
    return at + left / 2 + left / 4 * fraction(random)


def retry_time(at: datetime, wait: timedelta, random: Random) -> datetime:
    """Return `at` plus between a half and all of `wait`.

    random: returns so many random bytes.
    """
    return at + wait / 2 + wait / 2 * fraction(random)


def fraction(random: Random) -> float:
    """Return a random number from 0 to 1, without 1."""
    return int.from_bytes(random(4), "big") / 2**32
