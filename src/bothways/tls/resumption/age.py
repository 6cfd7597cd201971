"""How old a session is and how long it may live: counted from the signatures that began it, never renewed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bothways.errors import ConfigError

DEFAULT_MAX_AGE = timedelta(hours=24)
# No ticket is used for longer, whatever anybody says (RFC 9846 4.7.1).
LONGEST = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MASK = 2**32 - 1


def checked_max_age(max_age: object) -> timedelta:
    """Return for how long after its signatures a session may be resumed. Raises ConfigError."""
    if not isinstance(max_age, timedelta):
        raise ConfigError("max_age: expected a timedelta")
    if not timedelta(seconds=1) <= max_age <= LONGEST:
        raise ConfigError("max_age: expected one second to seven days")
    return max_age


def milliseconds(at: datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def moment(of: int) -> datetime:
    """Return the moment of so many milliseconds since 1970. Raises OverflowError beyond the calendar."""
    return _EPOCH + of * _MILLISECOND


def lifetime(authenticated: datetime, now: datetime, max_age: timedelta, ends: Iterable[datetime]) -> int:
    """Return for how many seconds a ticket issued now may be used; zero for not at all.

    authenticated: when both sides last proved their keys.  ends: those of the certificates by which they did.
    """
    until = min(authenticated + max_age, *ends)
    return max(int((until - now).total_seconds()), 0)


def obfuscated(age: timedelta, age_add: int) -> int:
    """Return the age of a ticket as a ClientHello carries it (RFC 9846 4.3.11.1)."""
    return (age // _MILLISECOND + age_add) & _MASK


def claimed(obfuscated_age: int, age_add: int) -> timedelta:
    """Return the age of a ticket by its holder's count."""
    return _MILLISECOND * ((obfuscated_age - age_add) & _MASK)
