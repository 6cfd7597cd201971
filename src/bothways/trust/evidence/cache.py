"""A cache of fetched evidence and of failures to fetch: until when each is used, and how much of it is kept.

Evidence is used for some time, then fetched again; while that fails, it is used until it expires. Every verification
checks it again. Threads may share a cache: each step is a single operation on a dictionary.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.trust.evidence.http_exchange import (
    Evidence,
    Found,
    Missing,
    may_be_cached,
    supersedes,
    valid_until,
)
from bothways.trust.verdict import EvidenceRequest

SHORT_TIME = timedelta(seconds=30)
MOST_ENTRIES = 4096
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    """One entry: the evidence, the key of its issuer, and the octets that the entry counts as."""

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
    """Evidence and failures, by the key of the request (`http_exchange.cache_key`)."""

    def __init__(
        self, keep: timedelta, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._keep = keep
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._least = (
            most_bytes // most_entries
        )  # each entry counts as at least so many octets, so that one limit suffices
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[str, _Failed] = {}

    def find(self, key: str, at: datetime) -> Found | None:
        """Return what does not have to be fetched now, or None. Valid evidence is preferred to a recent failure."""
        kept = self._kept.get(key)
        if kept is not None and kept.since <= at < kept.due:
            return kept.evidence
        failed = self._failed.get(key)
        if failed is None or not failed.since <= at < failed.due:
            return None
        return self._valid_or(failed.missing, key, at)

    def find_valid(self, key: str, at: datetime) -> Evidence | None:
        """Return evidence that should be fetched again but is still valid, or None: it is used when fetching fails."""
        kept = self._kept.get(key)
        return kept.evidence if kept is not None and kept.since <= at <= kept.until else None

    def keep(
        self, key: str, request: EvidenceRequest, evidence: Evidence, since: datetime, at: datetime
    ) -> Evidence:
        """Add what was fetched at `since` and return it, or the cached evidence where that is newer.

        Evidence that has expired, or whose signer is not known yet, is used only for a short time. It does not
        replace evidence whose signer is known.
        """
        before = self.find_valid(key, at)
        is_refused = before is not None and not supersedes(request, evidence, before, at)
        if before is not None and is_refused:
            evidence = before
        self._failed.pop(key, None)
        until = valid_until(request, evidence) or at
        is_brief = is_refused or not may_be_cached(request, evidence, at)
        due = since + SHORT_TIME if is_brief else min(since + self._keep, until)
        if since == at:
            due = max(due, at + SHORT_TIME)
        self._kept.pop(key, None)
        size = max(len(evidence.der), self._least)
        self._kept[key] = _Kept(evidence, at, due, max(due, until), request.issuer.key_digest, size)
        self._make_room()
        return evidence

    def fail(self, key: str, missing: Missing, at: datetime) -> Found:
        """Add a failure for a short time; return the cached evidence that is still valid, else the failure."""
        self._failed.pop(key, None)
        self._failed[key] = _Failed(missing, at, at + SHORT_TIME)
        _drop_oldest(self._failed, self._most_entries)
        return self._valid_or(missing, key, at)

    def _valid_or(self, missing: Missing, key: str, at: datetime) -> Found:
        valid = self.find_valid(key, at)
        return missing if valid is None else valid

    def _make_room(self) -> None:
        """Drop the oldest entries of the issuer that uses most octets, until the limit is met.

        So the peers of one issuer, however many URLs they name, hardly displace the evidence of other issuers.
        """
        entries = list(self._kept.items())
        older = entries[:-1]
        taken = Counter[bytes]()
        for _, each in entries:
            taken[each.issuer] += each.size
        while older and taken.total() > self._most_bytes:
            largest = taken.most_common(1)[0][0]
            place = next((at for at, (_, each) in enumerate(older) if each.issuer == largest), 0)
            key, dropped = older.pop(place)
            taken[dropped.issuer] -= dropped.size
            self._kept.pop(key, None)


def _drop_oldest(entries: dict[str, _Failed], most: int) -> None:
    for key in list(entries)[:-most]:
        entries.pop(key, None)
