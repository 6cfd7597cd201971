"""The entries of one certificate revocation list (CRL), found through an index (RFC 5280 5.3).

Only an entry that is looked up is decoded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

from bothways.trust.crl.entry_index import ENTRY_REASON, EntryIndex, entries_between
from bothways.trust.der import SEQUENCE, Octets, element, expect_element, extensions_in

_UTC_TIME, _ENUMERATED = 0x17, 10
_REASONS = {
    0: "unspecified", 1: "key compromise", 2: "CA compromise", 3: "affiliation changed", 4: "superseded",
    5: "cessation of operation", 6: "certificate hold", 8: "removed from the CRL", 9: "privilege withdrawn",
    10: "AA compromise",
}  # fmt: skip
REMOVED, HOLD = _REASONS[8], _REASONS[6]
_REASON_ALONE = bytes.fromhex(
    "300c300a0603551d1504030a01"
)  # the bytes that most entries have before the reason
# Of several entries for one certificate the most severe is used.
_SEVERITY = {REMOVED: 0, HOLD: 1}
_WORST = 2


@dataclass(frozen=True, slots=True)
class CRLEntry:
    """One revoked certificate: the revocation date, and the reason as text."""

    revoked_at: datetime
    reason: str


class Entries:
    """The entries of a CRL that an index has found in its DER."""

    def __init__(self, der: Octets, index: EntryIndex, this_update: datetime) -> None:
        self._der = der
        self._this_update = this_update
        self.index = index

    def __len__(self) -> int:
        return len(self.index.keys)

    def find(self, serial: bytes, normal_issuer: bytes) -> CRLEntry | None:
        """Return the entry of a certificate by serial number (DER content) and issuer, of several the most severe."""
        found: CRLEntry | None = None
        for times, stop in self._places(serial, normal_issuer):
            entry = self._entry(times, stop)
            found = entry if found is None or _severity(entry) >= _severity(found) else found
        return found

    def has(self, serial: bytes, normal_issuer: bytes) -> bool:
        """Whether there is an entry of a certificate; of its reason nothing is said."""
        return next(self._places(serial, normal_issuer), None) is not None

    def _places(self, serial: bytes, normal_issuer: bytes) -> Iterator[tuple[int, int]]:
        """Yield where the date of each entry of a certificate begins, and where the entry ends."""
        index, key = self.index, crc32(serial) << 32
        at = bisect_left(index.keys, key)
        while at < len(index.keys) and index.keys[at] >> 32 == key >> 32:
            place = (index.keys[at] & 0xFFFFFFFF) + index.start
            _, its_serial, times, stop = next(entries_between(self._der, place, index.end))
            if its_serial == serial and normal_issuer in index.issuers_at(place):
                yield times, stop
            at += 1

    def _entry(self, times: int, stop: int) -> CRLEntry:
        """Read an entry; one whose date or reason cannot be decoded still is a revocation."""
        tag, first, rest = element(self._der, times, stop)
        try:
            return CRLEntry(_time(tag, self._der[first:rest]), self._reason(rest, stop))
        except ValueError:
            return CRLEntry(self._this_update, _REASONS[0])

    def _reason(self, at: int, end: int) -> str:
        """Read the reason among an entry's extensions (RFC 5280 5.3.1)."""
        der = self._der
        if at == end:
            return _REASONS[0]
        if der[at : end - 1] == _REASON_ALONE:
            return _REASONS.get(der[end - 1], _REASONS[0])
        extensions = extensions_in(der, *expect_element(der, at, end, SEQUENCE, "extensions"))
        values = [value for oid, _, value in extensions if oid == ENTRY_REASON]
        return _reason_in(values[0]) if len(values) == 1 else _REASONS[0]


def _reason_in(value: bytes) -> str:
    """Read a reason; invalid DER gives none, so that it cannot remove an entry from a CRL."""
    is_one = len(value) == 3 and value[:2] == bytes([_ENUMERATED, 1])
    return _REASONS.get(value[2], _REASONS[0]) if is_one else _REASONS[0]


def _severity(entry: CRLEntry) -> int:
    return _SEVERITY.get(entry.reason, _WORST)


def _time(tag: int, text: bytes) -> datetime:
    """Read a time; years of two digits are 1950 to 2049 (RFC 5280 5.1.2.4)."""
    if tag == _UTC_TIME:
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    year, month, day, hour, minute, second = (
        int(text[:4]),
        *(int(text[at : at + 2]) for at in range(4, 14, 2)),
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
