"""The available CRLs: where they come from, how they are found, and which of two replaces the other.

Verifies no certificate. A CRL replaces another only if both are known to be signed by the same key; otherwise
both are kept, and the verification chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

from bothways.arguments import several
from bothways.trust import files
from bothways.trust.crl.entry_index import Progress
from bothways.trust.crl.revocation_list import CRL, Names, crls_in
from bothways.trust.decoding import pem

# CRLs of one series with an unknown signer that are kept, in addition to those whose signer is known.
MOST_UNPROVEN = 16
MOST_UNPROVEN_OCTETS = 64 * 1024 * 1024
# CRLs that are in no file any more, and are out of date: their revocations stay valid.
MOST_ENDED = 64

# By the issuer's name in the form of RFC 5280 7.1, then by a name of its distribution point; None for all of them.
_Index = dict[bytes, dict[object, tuple[CRL, ...]]]
_WHOLE = frozenset({None})


class CRLStore:
    """The available CRLs (RFC 5280 5), shared by configurations; added CRLs are used from the next verification.

    crls: the first ones.

    They are in a dictionary that is replaced as a whole, so that handshakes continue while CRLs are renewed. One thread
    at a time may renew them; it also verifies the signature of a long CRL. `generation` rises with every change.
    """

    def __init__(self, crls: Iterable[CRL] = ()) -> None:
        self.generation = 0
        self._time: datetime | None = None
        self._by_issuer = _indexed(several("crls", crls, "CRLs", CRL))
        self._arrivals: dict[
            int, int
        ] = {}  # the change by which a CRL was added, where that was not the first

    @classmethod
    def from_files(cls, *paths: files.FilePath, progress: Progress | None = None) -> CRLStore:
        """Read CRLs from files. Raises ConfigError.

        paths: of PEM (any number of CRLs in each) or DER, each of at most 256 MiB.  progress: as for
        `CRL.read_entries`.
        """
        read = ((files.content(path, most=files.MAX_CRL_FILE), str(path)) for path in paths)
        return cls([crl for data, source in read for crl in crls_in(data, source, progress)])

    @classmethod
    def from_pem(cls, data: bytes, *, progress: Progress | None = None) -> CRLStore:
        """Take CRLs from `data`: any number in PEM, or one in DER. Raises ConfigError.

        progress: as for `CRL.read_entries`.
        """
        return cls(crls_in(pem.require_bytes(data, "CRL"), "CRL", progress))

    def copy(self) -> CRLStore:
        """Return a store with the same CRLs; a later change of one store does not change the other."""
        same = CRLStore(self)
        same.generation, same._time, same._arrivals = self.generation, self._time, dict(self._arrivals)
        return same

    def add(self, crl: CRL, at: datetime | None = None) -> bool:
        """Add `crl`; False if there is a newer one by the same key that is valid already.

        It replaces older CRLs of its scope that are known to be signed by the same key. One that is not yet valid
        replaces nothing.  at: the time, by default that of the last verification.
        """
        self._time = at or self._time
        rivals = self._series(crl)
        if any(each.digest == crl.digest for each in rivals):
            return True
        if any(each.age > crl.age and self._supersedes(each, crl) for each in rivals):
            return False
        gone = [each for each in rivals if self._supersedes(crl, each)]
        gone += _surplus([*(each for each in rivals if each not in gone), crl])
        self._change([crl], gone)
        return True

    def replace(self, other: CRLStore, at: datetime | None = None, *, withdraws: bool = True) -> list[CRL]:
        """Replace all CRLs by those of another store, and return those that stay.

        A CRL stays, in addition to others of its issuer and scope, until one by its own signer supersedes it; of CRLs
        with an unknown signer a bounded number stays.  at: the time, by default that of the last verification.
        withdraws: whether CRLs are removed for whose issuer and scope the other store has none.
        """
        self._time = at or self._time
        known = {each.digest: each for each in self}  # they keep their known signers
        new_crls = [known.get(each.digest, each) for each in other]
        new, by_series = {each.digest for each in new_crls}, _by_series(new_crls)
        remaining = [
            each
            for digest, each in known.items()
            if digest not in new and (each.series in by_series or not withdraws)
        ]
        kept = [
            each
            for series, present in _by_series(remaining).items()
            for each in self._kept_of_series(present, by_series.get(series, ()))
        ]
        kept = self._without_ended(kept)
        kept_by_series = _by_series(kept)
        added = [
            each
            for each in new_crls
            if not any(self._supersedes(present, each) for present in kept_by_series.get(each.series, ()))
        ]
        self._by_issuer = _indexed([*kept, *added])
        if known.keys() != {each.digest for each in self}:
            self.generation += 1
            self._note_arrivals()
        return kept

    def _without_ended(self, kept: list[CRL]) -> list[CRL]:
        """Drop CRLs that are out of date and not superseded, beyond a limit; the oldest first."""
        ends = [(each.next_update or each.this_update, at) for at, each in enumerate(kept)]
        over = sorted(end for end in ends if self._time is not None and end[0] < self._time)
        gone = {at for _, at in over[: max(len(kept) - MOST_ENDED, 0)]}
        return [each for at, each in enumerate(kept) if at not in gone]

    def _kept_of_series(self, present: Sequence[CRL], rivals: Sequence[CRL]) -> list[CRL]:
        """Return the CRLs of one series that stay when others are added."""
        signers = [each.signer for each in (*present, *rivals) if each.signer is not None]
        if not signers:
            gone = {id(each) for each in self._too_many(present)}
            return [each for each in present if id(each) not in gone]
        proven = [each for each in present if any(each.is_signed_by(signer) for signer in signers)]
        return [
            each
            for each in proven
            if not any(self._supersedes(new, each) for new in rivals)
            and not any(new.age > each.age and self._supersedes(new, each) for new in proven)
        ]

    def _too_many(self, unproven: Sequence[CRL]) -> list[CRL]:
        """Return the CRLs of a series whose signer is unknown and that are too many or too large.

        First those that a key did not verify, then those that were added together with most others; the first that
        was added stays.
        """
        together = Counter(self._arrivals.get(id(each), 0) for each in unproven)
        later = sorted(
            unproven[1:], key=lambda each: (not each.was_refused, -together[self._arrivals.get(id(each), 0)])
        )
        room, gone = MOST_UNPROVEN_OCTETS - sum(each.size for each in later), []
        while later and (len(later) >= MOST_UNPROVEN or room < 0):
            gone.append(later.pop(0))
            room += gone[-1].size
        return gone

    def objection(self, crl: CRL, latest: datetime | None = None) -> str | None:
        """Return why `crl` does not replace the one that is in use, or None.

        latest: a CRL with a later thisUpdate is not yet valid; None where the time is not known.
        """
        proven = [
            (each, each.signer) for each in self._series(crl) if each.signer and each.digest != crl.digest
        ]
        same = [each for each, signer in proven if crl.is_signed_by(signer)]
        if proven and not same:
            return "is not signed by the signer of the one in use"
        if any(each.age > crl.age and not self._is_early(each) for each in same):
            return "is older than the one in use"
        if same and latest is not None and crl.this_update > latest:
            return f"is not valid before {crl.this_update:%Y-%m-%d %H:%M}, unlike the one in use"
        return None

    def _supersedes(self, new: CRL, old: CRL) -> bool:
        """Whether `new` replaces `old`: it is signed by the same key, later, and valid already."""
        signer = old.signer or new.signer
        return (
            signer is not None
            and (new.age > old.age or new.has_same_content(old))
            and not self._is_early(new)
            and old.is_signed_by(signer)
            and new.is_signed_by(signer)
        )

    def _is_early(self, crl: CRL) -> bool:
        """Whether a CRL is not yet valid, as far as the time is known."""
        return self._time is None or crl.this_update > self._time

    def _change(self, new: Sequence[CRL], gone: Sequence[CRL]) -> None:
        changed = dict(self._by_issuer)
        for issuer in {each.normal_issuer for each in (*new, *gone)}:
            present = changed.pop(issuer, {}).values()
            kept = {id(each): each for each in chain.from_iterable(present)}
            for lost in gone:
                kept.pop(id(lost), None)
            added = [each for each in new if each.normal_issuer == issuer]
            changed |= _indexed([*kept.values(), *added])
        self._by_issuer = changed
        self.generation += 1
        self._note_arrivals()

    def _note_arrivals(self) -> None:
        self._arrivals = {id(each): self._arrivals.get(id(each), self.generation) for each in self}

    def _series(self, crl: CRL) -> list[CRL]:
        """Return the CRLs of the issuer name, scope and kind of a CRL, in the order in which they were added."""
        present = self._by_issuer.get(crl.normal_issuer, {}).get(_point_names(crl)[0], ())
        return [each for each in present if each.series == crl.series]

    def about(self, normal_issuer: bytes, names: Names, at: datetime) -> list[CRL]:
        """Return the CRLs of an issuer for a distribution point with one of these names, or for all.

        normal_issuer: its name in the form of RFC 5280 7.1.  at: the time of the verification.
        """
        self._time = at
        present = self._by_issuer.get(normal_issuer, {})
        if present.keys() <= _WHOLE:
            return [*present.get(None, ())]
        found = {id(each): each for name in (None, *names) for each in present.get(name, ())}
        return list(found.values())

    def of(self, normal_issuer: bytes, most: int | None = None) -> tuple[CRL, ...]:
        """Return the CRLs of an issuer.

        normal_issuer: its name in the form of RFC 5280 7.1.  most: the largest number to return; None for all.
        """
        present = chain.from_iterable(self._by_issuer.get(normal_issuer, {}).values())
        return tuple({id(each): each for each in islice(present, most)}.values())

    def __iter__(self) -> Iterator[CRL]:
        present = (each.values() for each in self._by_issuer.values())
        seen: set[int] = set()
        for each in chain.from_iterable(chain.from_iterable(present)):
            if id(each) not in seen:
                seen.add(id(each))
                yield each

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return bool(self._by_issuer)

    def __repr__(self) -> str:
        return f"<CRLStore of {len(self)} CRLs>"


def _by_series(crls: Iterable[CRL]) -> dict[object, list[CRL]]:
    found: dict[object, list[CRL]] = {}
    for crl in crls:
        found.setdefault(crl.series, []).append(crl)
    return found


def _indexed(crls: Iterable[CRL]) -> _Index:
    found: dict[bytes, dict[object, list[CRL]]] = {}
    for crl in crls:
        present = found.setdefault(crl.normal_issuer, {})
        for name in _point_names(crl):
            present.setdefault(name, []).append(crl)
    return {
        issuer: {name: tuple(each) for name, each in present.items()} for issuer, present in found.items()
    }


def _point_names(crl: CRL) -> Sequence[object]:
    """Return under which names a CRL is found: those of its distribution point, or None for all."""
    return (None,) if crl.scope.names is None else tuple(crl.scope.names) or ("",)


def _surplus(series: Sequence[CRL]) -> list[CRL]:
    """Return the CRLs of a series that are too many: of those whose signer is unknown.

    First those that a key did not verify. The first and the last that were added stay.
    """
    unproven = [each for each in series if each.signer is None]
    refused = [each for each in unproven[1:-1] if each.was_refused]
    others = [each for each in unproven[1:-1] if not each.was_refused]
    return [*refused, *others][: max(len(unproven) - MOST_UNPROVEN, 0)]
