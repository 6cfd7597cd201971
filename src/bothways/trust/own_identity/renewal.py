"""Whether a certificate of ours should have been renewed by now: it is in the last part of its lifetime."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from bothways.faults import shown
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.reported_once import ReportedOnce

SOON = timedelta(days=7)
PART = 6  # a certificate that is valid for days or hours is renewed earlier than in its last sixth


def is_overdue(begin: datetime, end: datetime, at: datetime) -> bool:
    """Whether what is valid from `begin` to `end` ends within seven days and the last sixth of that, or has ended."""
    return at >= end - min(SOON, (end - begin) / PART)


def overdue(own: Credentials, at: datetime) -> str | None:
    """Return a sentence where a certificate of ours has ended, or should have been renewed; else None."""
    if not is_overdue(own.not_before, own.not_after, at):
        return None
    whose = f"our certificate ({shown(own.names.subject)})"
    if at >= own.not_after:
        return f"{whose} expired on {own.not_after:%Y-%m-%d %H:%M}, and there is no other"
    return f"{whose} expires on {own.not_after:%Y-%m-%d %H:%M}, and was not renewed yet"


class Overdue:
    """Tells of certificates that should have been renewed: of each once, and once more when it has ended."""

    def __init__(self) -> None:
        self._sentences = ReportedOnce()

    def news(self, several: Iterable[tuple[str, Credentials]], at: datetime) -> list[str]:
        """Return sentences that were not told yet; each certificate is with the name of its source, or ""."""
        found = {}
        for source, own in several:
            sentence = overdue(own, at)
            if sentence is not None:
                found[own.chain[0], at >= own.not_after] = f"{source}: {sentence}" if source else sentence
        return self._sentences.news(found)
