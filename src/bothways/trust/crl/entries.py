"""The entries of one certificate revocation list (CRL), and an index that finds them (RFC 5280 5.3).

The index takes eight bytes for each entry in addition to the DER, so that a CRL of a million entries takes little
memory and lookups are fast. Only an entry that is looked up is decoded.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, element, elements, expect_element, extensions_in
from bothways.trust.names.distinguished import comparable_relatives, normal

Progress = Callable[[float], None]

PROGRESS_STEP = 50_000

_INTEGER, _UTC_TIME, _ENUMERATED = 2, 0x17, 10
_DIRECTORY_NAME = 0xA4
_CRITICAL = b"\x01\x01\xff"
_REASONS = {
    0: "unspecified", 1: "key compromise", 2: "CA compromise", 3: "affiliation changed", 4: "superseded",
    5: "cessation of operation", 6: "certificate hold", 8: "removed from the CRL", 9: "privilege withdrawn",
    10: "AA compromise",
}  # fmt: skip
REMOVED, HOLD = _REASONS[8], _REASONS[6]
_ENTRY_REASON = b"\x55\x1d\x15"
_REASON_ALONE = bytes.fromhex(
    "300c300a0603551d1504030a01"
)  # the bytes that most entries have before the reason
_ENTRY_INVALIDITY = b"\x55\x1d\x18"
_ENTRY_ISSUER = b"\x55\x1d\x1d"
_NAMES_ISSUER = bytes([OBJECT_IDENTIFIER, len(_ENTRY_ISSUER)]) + _ENTRY_ISSUER
# Of several entries for one certificate the most severe is used.
_SEVERITY = {REMOVED: 0, HOLD: 1}
_WORST = 2


@dataclass(frozen=True, slots=True)
class CRLEntry:
    """One revoked certificate: the revocation date, and the reason as text."""

    revoked_at: datetime
    reason: str


class Entries:
    """The entries between two positions in the DER of a CRL.

    `problem` says what in them cannot be processed: then the CRL does not prove that a certificate is good. Or None.
    """

    def __init__(
        self,
        der: bytes,
        start: int,
        end: int,
        issuer: bytes,
        this_update: datetime,
        progress: Progress | None = None,
    ) -> None:
        """Index them. issuer: that of the CRL, in normal form. Raises ValueError for an invalid entry."""
        self.problem: str | None = None
        self._der, self._start, self._end = der, start, end
        self._this_update = this_update
        self._issuers_from = [start]
        self._issuers = [frozenset({issuer})]
        self._names: dict[bytes, frozenset[bytes]] = {}
        self._keys = self._index(progress)

    def _index(self, progress: Progress | None) -> array[int]:
        """Index the entries by a checksum of their serial numbers; most CRLs have no extensions to process."""
        der, start, end = self._der, self._start, self._end
        slow = der.find(_NAMES_ISSUER, start, end) >= 0 or der.find(_CRITICAL, start, end) >= 0
        keys = array("Q")
        for at, serial, times, stop in _walk(der, start, end, progress):
            keys.append(crc32(serial) << 32 | at - start)
            rest = times + 2 + der[times + 1]
            if slow and rest < stop:
                self._process_extensions(at, rest, stop)
        return array("Q", sorted(keys))

    def _process_extensions(self, at: int, rest: int, stop: int) -> None:
        """Process certificateIssuer (RFC 5280 5.3.3) and unknown critical extensions of an entry."""
        named: list[frozenset[bytes]] = []
        for oid, critical, value in extensions_in(
            self._der, *expect_element(self._der, rest, stop, SEQUENCE, "extensions")
        ):
            if oid == _ENTRY_ISSUER:
                named.append(self._certificate_issuer(value))
            elif critical and oid not in (_ENTRY_REASON, _ENTRY_INVALIDITY):
                self.problem = self.problem or "an entry has a critical extension that we do not support"
        if named:
            self._issuers_from.append(at)
            self._issuers.append(frozenset[bytes]().union(*named))
        if len(named) > 1:
            self.problem = self.problem or "an entry names the certificate issuer twice"

    def _certificate_issuer(self, value: bytes) -> frozenset[bytes]:
        """Return the directory names of an entry's certificateIssuer; any of them may be the issuer."""
        if value not in self._names:
            try:
                self._names[value] = frozenset(_directory_names(value))
            except ValueError as error:
                self._names[value] = frozenset()
                self.problem = self.problem or f"the certificate issuer of an entry cannot be read: {error}"
        return self._names[value]

    def __len__(self) -> int:
        return len(self._keys)

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
        key = crc32(serial) << 32
        at = bisect_left(self._keys, key)
        while at < len(self._keys) and self._keys[at] >> 32 == key >> 32:
            place = (self._keys[at] & 0xFFFFFFFF) + self._start
            _, next_position, times, stop = next(_walk(self._der, place, self._end, None))
            if next_position == serial and normal_issuer in self._issuers_at(place):
                yield times, stop
            at += 1

    def _issuers_at(self, place: int) -> frozenset[bytes]:
        return self._issuers[bisect_right(self._issuers_from, place) - 1]

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
        values = [value for oid, _, value in extensions if oid == _ENTRY_REASON]
        return _reason_in(values[0]) if len(values) == 1 else _REASONS[0]


def _reason_in(value: bytes) -> str:
    """Read a reason; invalid DER gives none, so that it cannot remove an entry from a CRL."""
    is_one = len(value) == 3 and value[:2] == bytes([_ENUMERATED, 1])
    return _REASONS.get(value[2], _REASONS[0]) if is_one else _REASONS[0]


def _severity(entry: CRLEntry) -> int:
    return _SEVERITY.get(entry.reason, _WORST)


def _walk(der: bytes, at: int, end: int, progress: Progress | None) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield each entry's position, serial number, position of its date and end; fast for CRLs of a million entries."""
    first, count = at, 0
    while at < end:
        if der[at + 1] < 0x80:
            tag, start = der[at], at + 2
            stop = start + der[at + 1]
        else:
            tag, start, stop = element(der, at, end)
        serial_end = start + 2 + der[start + 1]
        times_end = serial_end + 2 + der[serial_end + 1]
        if tag != SEQUENCE or der[start] != _INTEGER or not serial_end < times_end <= stop <= end:
            raise ValueError(f"no CRL entry at byte {at}")
        yield at, der[start + 2 : serial_end], serial_end, stop
        at = stop
        count += 1
        if progress is not None and count % PROGRESS_STEP == 0:
            progress((at - first) / (end - first))
    if progress is not None:
        progress(1.0)


def _directory_names(value: bytes) -> Iterator[bytes]:
    """Yield the directory names among the general names of an indirect CRL's entry, in normal form."""
    at, end = expect_element(value, 0, len(value), SEQUENCE, "certificate issuer")
    if end != len(value):
        raise ValueError("something follows it")
    count = 0
    for tag, _, start, stop in elements(value, at, end):
        if tag == _DIRECTORY_NAME:
            count += 1
            name = value[start:stop]
            if comparable_relatives(name) is None:
                raise ValueError("a string in it is not valid for its type")
            yield normal(name)
    if not count:
        raise ValueError("it is not a directory name")


def _time(tag: int, text: bytes) -> datetime:
    """Read a time; years of two digits are 1950 to 2049 (RFC 5280 5.1.2.4)."""
    if tag == _UTC_TIME:
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    year, month, day, hour, minute, second = (
        int(text[:4]),
        *(int(text[at : at + 2]) for at in range(4, 14, 2)),
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
