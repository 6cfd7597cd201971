"""An index of the entries of a CRL, which is made once for any number of processes (RFC 5280 5.1.2.6, 5.3).

It takes eight bytes for each entry in addition to the DER, so that a CRL of a million entries takes little memory.
Entries are read in slices, and each slice is checked by the parser: nothing here occupies a thread for long.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from bothways.trust.der import (
    OBJECT_IDENTIFIER,
    SEQUENCE,
    Octets,
    element,
    elements,
    expect_element,
    extensions_in,
)
from bothways.trust.names.distinguished import comparable_relatives, normal

Progress = Callable[[float], None]
SliceCheck = Callable[[int, int], object]

SLICE_OCTETS = 256 * 1024  # about 7,000 entries, which take 5 ms
_PARTS = 256  # of the index, which are sorted each by itself: all at once takes twice as long, in one call

ENTRY_REASON = b"\x55\x1d\x15"
_INTEGER = 2
_DIRECTORY_NAME = 0xA4
_CRITICAL = b"\x01\x01\xff"
_ENTRY_INVALIDITY = b"\x55\x1d\x18"
_ENTRY_ISSUER = b"\x55\x1d\x1d"
_NAMES_ISSUER = bytes([OBJECT_IDENTIFIER, len(_ENTRY_ISSUER)]) + _ENTRY_ISSUER


@dataclass(slots=True)
class EntryIndex:
    """Where the entries between two positions in the DER of a CRL are.

    keys: of each entry the checksum of its serial number, and its distance from the start; in order.  issuers: sets of
    names in normal form.  issuers_from, issuers_there: positions from which entries are of other issuers than before,
    and the number of their set.  problem: what in the entries cannot be processed, so that the CRL does not prove that
    a certificate is good; or None.
    """

    start: int
    end: int
    keys: Sequence[int]
    issuers_from: Sequence[int]
    issuers_there: Sequence[int]
    issuers: Sequence[frozenset[bytes]]
    problem: str | None = None

    def issuers_at(self, place: int) -> frozenset[bytes]:
        """Return the issuers of the certificate of the entry at a position."""
        return self.issuers[self.issuers_there[bisect_right(self.issuers_from, place) - 1]]


def index_entries(
    der: Octets,
    start: int,
    end: int,
    issuer: bytes,
    check: SliceCheck,
    progress: Progress | None = None,
) -> EntryIndex:
    """Index the entries between two positions. Raises ValueError for an invalid entry.

    issuer: that of the CRL, in normal form.  check: called with the begin and the end of each slice of entries before
    it is indexed; raises ValueError unless these are entries, and nothing else, in strict DER.  progress: called after
    each slice with the fraction that was read, from 0 to 1.
    """
    return _Indexing(der, start, end, issuer).index(check, progress)


@dataclass(slots=True)
class _Indexing:
    der: Octets
    start: int
    end: int
    issuer: bytes
    problem: str | None = None
    _issuers_of: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    _numbers: dict[frozenset[bytes], int] = field(default_factory=dict)
    _from: array[int] = field(default_factory=lambda: array("Q"))
    _there: array[int] = field(default_factory=lambda: array("Q"))

    def index(self, check: SliceCheck, progress: Progress | None) -> EntryIndex:
        """Index all entries."""
        self._note_issuers(self.start, frozenset({self.issuer}))
        parts = [array("Q") for _ in range(_PARTS)]
        at = self.start
        while at < self.end:
            places, stop = self._places_from(at)
            check(at, stop)
            self._add(places, parts)
            if self._has(_NAMES_ISSUER, at, stop) or self._has(_CRITICAL, at, stop):
                self._process_extensions(at, stop)
            at = stop
            if progress is not None:
                progress((at - self.start) / (self.end - self.start))
        keys = array("Q")
        for part in parts:
            keys.fromlist(sorted(part))
        return EntryIndex(
            self.start, self.end, keys, self._from, self._there, tuple(self._numbers), self.problem
        )

    def _places_from(self, at: int) -> tuple[list[int], int]:
        """Return where the entries of a slice begin, if it has nothing else, and where the slice ends."""
        der, end = self.der, self.end
        places: list[int] = []
        last = min(at + SLICE_OCTETS, end)
        while at < last:
            places.append(at)
            length = der[at + 1]
            at = at + 2 + length if length < 0x80 else element(der, at, end)[2]
        if at > end:
            raise ValueError(f"the last CRL entry at byte {places[-1]} runs past the end")
        return places, at

    def _add(self, places: Sequence[int], parts: Sequence[array[int]]) -> None:
        """Add entries to the parts of the index by the checksums of their serial numbers."""
        der, start = self.der, self.start
        add = [part.append for part in parts]
        for place in places:
            serial = place + 4
            if der[place + 1] < 0x80:
                checksum = crc32(der[serial : serial + der[place + 3]])
            else:
                checksum = crc32(next(entries_between(der, place, self.end))[1])
            add[checksum >> 24](checksum << 32 | place - start)

    def _has(self, pattern: bytes, at: int, stop: int) -> bool:
        """Whether it is between two positions; most CRLs have no extensions that have to be processed."""
        return self.der.find(pattern, at, stop) >= 0

    def _process_extensions(self, at: int, stop: int) -> None:
        """Process certificateIssuer (RFC 5280 5.3.3) and unknown critical extensions of entries."""
        der = self.der
        for place, _, times, end in entries_between(der, at, stop):
            rest = times + 2 + der[times + 1]
            if rest < end:
                first, last = expect_element(der, rest, end, SEQUENCE, "extensions")
                self._process_entry(place, extensions_in(der, first, last))

    def _process_entry(self, place: int, extensions: Iterator[tuple[bytes, bool, bytes]]) -> None:
        named: list[frozenset[bytes]] = []
        for oid, critical, value in extensions:
            if oid == _ENTRY_ISSUER:
                named.append(self._certificate_issuer(value))
            elif critical and oid not in (ENTRY_REASON, _ENTRY_INVALIDITY):
                self.problem = self.problem or "an entry has a critical extension that we do not support"
        if named:
            self._note_issuers(place, frozenset[bytes]().union(*named))
        if len(named) > 1:
            self.problem = self.problem or "an entry names the certificate issuer twice"

    def _note_issuers(self, place: int, issuers: frozenset[bytes]) -> None:
        """Note of which issuers entries are from a position on."""
        number = self._numbers.setdefault(issuers, len(self._numbers))
        if not self._there or self._there[-1] != number:
            self._from.append(place)
            self._there.append(number)

    def _certificate_issuer(self, value: bytes) -> frozenset[bytes]:
        """Return the directory names of an entry's certificateIssuer; any of them may be the issuer."""
        if value not in self._issuers_of:
            try:
                self._issuers_of[value] = frozenset(_directory_names(value))
            except ValueError as error:
                self._issuers_of[value] = frozenset()
                problem = f"the certificate issuer of an entry cannot be read: {error}"
                self.problem = self.problem or problem
        return self._issuers_of[value]


def entries_between(der: Octets, at: int, end: int) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield each entry's position, serial number, position of its date and end. Raises ValueError."""
    while at < end:
        if der[at + 1] < 0x80:
            tag, start = der[at], at + 2
            stop = start + der[at + 1]
        else:
            tag, start, stop = element(der, at, end)
        size = der[start + 1]
        if size < 0x80:
            first = start + 2
            serial_end = first + size
        else:
            _, first, serial_end = element(der, start, stop)
        times_end = serial_end + 2 + der[serial_end + 1]
        if tag != SEQUENCE or der[start] != _INTEGER or not serial_end < times_end <= stop <= end:
            raise ValueError(f"no CRL entry at byte {at}")
        yield at, der[first:serial_end], serial_end, stop
        at = stop


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
