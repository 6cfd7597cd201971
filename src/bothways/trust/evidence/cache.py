"""What was fetched, and what could not be: until when each is used, and how much of it is kept.

Evidence is used for a while, asked for again then, and kept across a responder's failure until its own end. It is
judged anew each time. The dictionaries are used by single operations, so threads may share a cache.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.trust.evidence.http_exchange import (
    Evidence,
    Found,
    Missing,
    holds_until,
    is_sound,
    supersedes,
)
from bothways.trust.verdict import EvidenceRequest

BRIEF = timedelta(seconds=30)
MOST_ENTRIES = 4096
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    """Evidence, with whose peers it is kept for, and how much of the cache it takes."""

    evidence: Evidence
    since: datetime
    due: datetime
    until: datetime
    issuer: bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Failed:
    missing: Missing
    since: datetime
    due: datetime


class EvidenceCache:
    """Evidence and failures by the key of what was asked for."""

    def __init__(
        self, keep: timedelta, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._keep = keep
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._least = (
            most_bytes // most_entries
        )  # what each entry counts at least, so that one bound is enough
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[str, _Failed] = {}

    def recall(self, key: str, at: datetime) -> Found | None:
        """Return what need not be asked for now; a failure is remembered briefly, behind what still holds."""
        kept = self._kept.get(key)
        if kept is not None and kept.since <= at < kept.due:
            return kept.evidence
        failed = self._failed.get(key)
        if failed is None or not failed.since <= at < failed.due:
            return None
        return self._still_or(failed.missing, key, at)

    def still(self, key: str, at: datetime) -> Evidence | None:
        """Return evidence that is due to be asked for again but holds: for when that fails."""
        kept = self._kept.get(key)
        return kept.evidence if kept is not None and kept.since <= at <= kept.until else None

    def keep(
        self, key: str, request: EvidenceRequest, evidence: Evidence, since: datetime, at: datetime
    ) -> Evidence:
        """Keep what was fetched at `since`, and return it, or what is kept already where that is later.

        What does not hold, or is signed by somebody whom only a judgement can know, is used but briefly. It takes
        the place of nothing that the issuer signed, or whoever a judgement found to sign for it.
        """
        before = self.still(key, at)
        is_refused = before is not None and not supersedes(request, evidence, before, at)
        if before is not None and is_refused:
            evidence = before
        self._failed.pop(key, None)
        until = holds_until(request, evidence) or at
        is_brief = is_refused or not is_sound(request, evidence, at)
        due = since + BRIEF if is_brief else min(since + self._keep, until)
        if since == at:
            due = max(due, at + BRIEF)
        self._kept.pop(key, None)
        size = max(len(evidence.der), self._least)
        self._kept[key] = _Kept(evidence, at, due, max(due, until), request.issuer.key_digest, size)
        self._make_room()
        return evidence

    def fail(self, key: str, missing: Missing, at: datetime) -> Found:
        """Remember a failure briefly; returns what is kept and still holds, else the failure."""
        self._failed.pop(key, None)
        self._failed[key] = _Failed(missing, at, at + BRIEF)
        _drop_oldest(self._failed, self._most_entries)
        return self._still_or(missing, key, at)

    def _still_or(self, missing: Missing, key: str, at: datetime) -> Found:
        held = self.still(key, at)
        return missing if held is None else held

    def _make_room(self) -> None:
        """Drop the oldest entry of the issuer that takes most, until all have room.

        So the peers of one issuer, however many they are and whatever they name, cost those of another little.
        """
        entries = list(self._kept.items())
        older = entries[:-1]
        taken = Counter[bytes]()
        for _, each in entries:
            taken[each.issuer] += each.size
        while older and taken.total() > self._most_bytes:
            greediest = taken.most_common(1)[0][0]
            place = next((at for at, (_, each) in enumerate(older) if each.issuer == greediest), 0)
            key, dropped = older.pop(place)
            taken[dropped.issuer] -= dropped.size
            self._kept.pop(key, None)


def _drop_oldest(entries: dict[str, _Failed], most: int) -> None:
    for key in list(entries)[:-most]:
        entries.pop(key, None)
