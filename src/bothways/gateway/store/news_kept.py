"""Revocation news that a process keeps, within limits: what it publishes, and what waits for its signer to be known."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.gateway.store.news_index import Listed, digest_of
from bothways.trust.evidence.http_exchange import Evidence

MOST_WAITING, MOST_OCTETS_WAITING = 64, 16 * 1024 * 1024  # whose signers are not known yet
MOST_OWN, MOST_OCTETS_OWN = 1024, 64 * 1024 * 1024  # that are published again


class OwnNews:
    """The newest evidence of each series that is published, and published again where a store has lost it.

    Attribute: `due`, when to publish a series, in seconds of the loop's clock.
    """

    def __init__(self) -> None:
        self.due: dict[bytes, float] = {}
        self._by_series: dict[bytes, tuple[Listed, Evidence]] = {}

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._by_series)

    def __contains__(self, series: bytes) -> bool:
        return series in self._by_series

    def __getitem__(self, series: bytes) -> tuple[Listed, Evidence]:
        return self._by_series[series]

    def keep(self, entry: Listed, evidence: Evidence, due: float | None) -> None:
        """Keep evidence as the newest of its series. due: when it is to be published, if it is not there then."""
        if self.has_as_new(entry):
            return
        self._by_series.pop(entry.series, None)
        self._by_series[entry.series] = entry, evidence
        octets = sum(each.size for _, each in self._by_series.values())
        while len(self._by_series) > MOST_OWN or octets > MOST_OCTETS_OWN:
            octets -= self._by_series.pop(next(iter(self._by_series)))[1].size
        if due is not None:
            self.due[entry.series] = due

    def has_as_new(self, entry: Listed) -> bool:
        """Whether there is one of the same series that is as new."""
        known = self._by_series.get(entry.series)
        return known is not None and known[0].age >= entry.age


class WaitingNews:
    """Evidence whose signer is not known; the oldest is dropped where there is too much."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Evidence] = {}

    def add(self, evidence: Evidence) -> None:
        """Keep evidence."""
        self._by_digest[digest_of(evidence)] = evidence
        octets = sum(each.size for each in self._by_digest.values())
        while len(self._by_digest) > MOST_WAITING or octets > MOST_OCTETS_WAITING:
            octets -= self._by_digest.pop(next(iter(self._by_digest))).size

    def take(self) -> list[Evidence]:
        """Return all, and keep none of it."""
        taken, self._by_digest = list(self._by_digest.values()), {}
        return taken
