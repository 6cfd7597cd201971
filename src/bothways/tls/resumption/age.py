"""The age and lifetime of a session, counted from the signatures in its first handshake and never extended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bothways.arguments import duration
from bothways.errors import ConfigError

DEFAULT_MAX_AGE = timedelta(hours=24)
# The largest lifetime that RFC 9846 4.7.1 allows.
LONGEST = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MASK = 2**32 - 1


def checked_max_age(max_age: object) -> timedelta:
    """Return the longest time between the signatures and a resumption. Raises ConfigError."""
    age = duration("max_age", max_age)
    if not timedelta(seconds=1) <= age <= LONGEST:
        raise ConfigError("max_age: expected one second to seven days")
    return age


def milliseconds(at: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def moment(of: int) -> datetime:
    """Return the time for milliseconds since 1970. Raises OverflowError for one that `datetime` cannot represent."""
    return _EPOCH + of * _MILLISECOND


def lifetime(authenticated: datetime, now: datetime, max_age: timedelta, ends: Iterable[datetime]) -> int:
    """Return the lifetime in seconds of a ticket issued now; zero if it would be expired.

    authenticated: the time of the signatures of both sides.  ends: the notAfter times of the certificates used.
    """
    until = min(authenticated + max_age, *ends)
    return max(int((until - now).total_seconds()), 0)


def obfuscated(age: timedelta, age_add: int) -> int:
    """Return obfuscated_ticket_age for a ClientHello (RFC 9846 4.3.11.1)."""
    return (age // _MILLISECOND + age_add) & _MASK


def claimed(obfuscated_age: int, age_add: int) -> timedelta:
    """Return the age of a ticket from the obfuscated_ticket_age in a ClientHello."""
    return _MILLISECOND * ((obfuscated_age - age_add) & _MASK)
