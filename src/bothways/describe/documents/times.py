"""Describes times for people: from when to when, and how far that is from now."""

from __future__ import annotations

from datetime import datetime

from bothways.counts import counted
from bothways.describe.documents.asn1 import Element, time_of, time_text

_UNITS = ((31_557_600, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"))
_YEARS_FROM = 2 * 31_557_600


def period_text(start: Element, end: Element, now: datetime) -> str:
    """Return a validity period as text: `2026-05-02 12:00:00 to 2027-05-02 12:00:00 UTC, 335 days left`."""
    words = f"{time_text(start)} to {time_text(end)}".replace(" UTC to ", " to ")
    try:
        return f"{words}, {_validity(time_of(start), time_of(end), now)}"
    except ValueError:
        return words


def until_text(end: Element, now: datetime) -> str:
    """Return when something ends, and how long ago or how long from now that is."""
    words = time_text(end)
    try:
        moment_of = time_of(end)
    except ValueError:
        return words
    ago = now > moment_of
    return f"{words}, {f'EXPIRED {span(now, moment_of)} ago' if ago else f'in {span(moment_of, now)}'}"


def since_text(start: Element, now: datetime) -> str:
    """Return when something started; a time in the future is marked."""
    words = time_text(start)
    try:
        started = time_of(start)
    except ValueError:
        return words
    return f"{words}, NOT YET: in {span(started, now)}" if started > now else words


def span(later: datetime, earlier: datetime) -> str:
    """Return a length of time in its largest unit: whole years from two on, else days, hours or minutes."""
    seconds = int((later - earlier).total_seconds())
    for size, unit in _UNITS:
        if seconds >= size and (unit != "year" or seconds >= _YEARS_FROM):
            return counted(seconds // size, unit)
    return "less than a minute"


def _validity(start: datetime, end: datetime, now: datetime) -> str:
    if start > end:
        return "NEVER VALID: notAfter is before notBefore"
    if now < start:
        return f"NOT YET VALID: in {span(start, now)}"
    return f"EXPIRED {span(now, end)} ago" if now > end else f"{span(end, now)} left"
