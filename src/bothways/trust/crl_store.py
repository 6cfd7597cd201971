"""The CRLs at hand: from where they come, by whose name they lie, and which of two replaces the other.

Judges no certificate. A CRL takes the place of another only if the key that is known to have signed that one
signed it too: of what is at hand otherwise nothing is lost, and a judgement chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from bothways.trust import files, pem
from bothways.trust.crl import CRL, Names, crls_in
from bothways.trust.crl_entries import Progress

# CRLs of one series of which nobody knows who signed them; they are kept beside those of which it is known.
MOST_UNPROVEN = 16
MOST_UNPROVEN_OCTETS = 64 * 1024 * 1024
# CRLs that are in no file any more, and have ended: what they revoke counts on.
MOST_ENDED = 64

_IndexKey = tuple[bytes, object]


class CRLStore:
    """The CRLs at hand, shared by configurations; what is added counts from the next judgement.

    They lie in a dictionary that is replaced whole, so that handshakes go on while CRLs are renewed; one
    thread at a time renews them, and takes the time to see who signed a long one. `generation` rises with every
    change, so that whoever judged before sees it.
    """

    def __init__(self, crls: Iterable[CRL] = ()) -> None:
        self.generation = 0
        self._time: datetime | None = None
        self._by_key = _indexed(crls)
        self._came: dict[int, int] = {}  # with which change a CRL came, where that was not the first

    @classmethod
    def from_files(cls, *paths: files.FilePath, progress: Progress | None = None) -> CRLStore:
        """Read CRLs from files of PEM (any number in each) or DER, each of at most 256 MiB. Raises ConfigError."""
        read = ((files.content(path, most=files.MAX_CRL_FILE), str(path)) for path in paths)
        return cls([crl for data, source in read for crl in crls_in(data, source, progress)])

    @classmethod
    def from_pem(cls, data: bytes, *, progress: Progress | None = None) -> CRLStore:
        """Take CRLs from PEM (any number) or one from DER. Raises ConfigError."""
        return cls(crls_in(pem.given(data, "CRL"), "CRL", progress))

    def add(self, crl: CRL, at: datetime | None = None) -> bool:
        """Take a CRL in; False if one that the same key signed is newer, and not from the future.

        It takes the place of what it supersedes: older CRLs of its scope that the same key is known to have
        signed. One that is from the future supersedes nothing yet.  at: the time, by default that of the last
        judgement.
        """
        self._time = at or self._time
        rivals = self._series(crl)
        if any(each.der == crl.der for each in rivals):
            return True
        if any(each.age > crl.age and self._supersedes(each, crl) for each in rivals):
            return False
        gone = [each for each in rivals if self._supersedes(crl, each)]
        gone += _surplus([*(each for each in rivals if each not in gone), crl])
        self._change([crl], gone)
        return True

    def replace(self, other: CRLStore, at: datetime | None = None, *, withdraws: bool = True) -> list[CRL]:
        """Take the CRLs of another store in the place of all of ours, and return those of ours that stay.

        One stays beside others of its name and scope until one supersedes it that its own signer signed; of CRLs
        of which nobody knows who signed them, so many stay as are kept.  at: the time, by default that of the last
        judgement.  withdraws: whether ours go of which there are no others in that store; else they stay too.
        """
        self._time = at or self._time
        known = {each.der: each for each in self}  # they remember who signed them
        theirs = [known.get(each.der, each) for each in other]
        new, by_series = {each.der for each in theirs}, _by_series(theirs)
        left = [
            each
            for der, each in known.items()
            if der not in new and (each.series in by_series or not withdraws)
        ]
        stay = [
            each
            for series, held in _by_series(left).items()
            for each in self._staying(held, by_series.get(series, ()))
        ]
        stay = self._without_ended(stay)
        staying = _by_series(stay)
        taken = [
            each
            for each in theirs
            if not any(self._supersedes(held, each) for held in staying.get(each.series, ()))
        ]
        self._by_key = _indexed([*stay, *taken])
        if known.keys() != {each.der for each in self}:
            self.generation += 1
            self._note_arrivals()
        return stay

    def _without_ended(self, stay: list[CRL]) -> list[CRL]:
        """Let go of CRLs that ended, the first to end first, beyond so many that nothing superseded."""
        ends = [(each.next_update or each.this_update, at) for at, each in enumerate(stay)]
        over = sorted(end for end in ends if self._time is not None and end[0] < self._time)
        gone = {at for _, at in over[: max(len(stay) - MOST_ENDED, 0)]}
        return [each for at, each in enumerate(stay) if at not in gone]

    def _staying(self, held: Sequence[CRL], rivals: Sequence[CRL]) -> list[CRL]:
        """Return the CRLs of one series that stay where others come."""
        signers = [each.signer for each in (*held, *rivals) if each.signer is not None]
        if not signers:
            gone = {id(each) for each in self._too_many(held)}
            return [each for each in held if id(each) not in gone]
        proven = [each for each in held if any(each.is_signed_by(signer) for signer in signers)]
        return [
            each
            for each in proven
            if not any(self._supersedes(new, each) for new in rivals)
            and not any(new.age > each.age and self._supersedes(new, each) for new in proven)
        ]

    def _too_many(self, unproven: Sequence[CRL]) -> list[CRL]:
        """Return the CRLs of a series that nobody is known to have signed and that are too many or too large.

        Those that were held against a key in vain go first, then of those that came together with most others; the
        first that came stays.
        """
        together = Counter(self._came.get(id(each), 0) for each in unproven)
        later = sorted(
            unproven[1:], key=lambda each: (not each.was_refused, -together[self._came.get(id(each), 0)])
        )
        room, gone = MOST_UNPROVEN_OCTETS - sum(len(each.der) for each in later), []
        while later and (len(later) >= MOST_UNPROVEN or room < 0):
            gone.append(later.pop(0))
            room += len(gone[-1].der)
        return gone

    def objection(self, crl: CRL, latest: datetime | None = None) -> str | None:
        """Say why a CRL does not take the place of one that is in use, or None.

        latest: what is dated later is from the future; None where the time is not known.
        """
        proven = [(each, each.signer) for each in self._series(crl) if each.signer and each.der != crl.der]
        same = [each for each, signer in proven if crl.is_signed_by(signer)]
        if proven and not same:
            return "is not signed by who signed the one in use"
        if any(each.age > crl.age and not self._is_early(each) for each in same):
            return "is older than the one in use"
        if same and latest is not None and crl.this_update > latest:
            return f"is from the future, {crl.this_update:%Y-%m-%d %H:%M}, unlike the one in use"
        return None

    def _supersedes(self, new: CRL, old: CRL) -> bool:
        """Whether `new` stands for all that `old` says: the key that signed that signed it, later and until now."""
        signer = old.signer or new.signer
        return (
            signer is not None
            and (new.age > old.age or new.says_the_same_as(old))
            and not self._is_early(new)
            and old.is_signed_by(signer)
            and new.is_signed_by(signer)
        )

    def _is_early(self, crl: CRL) -> bool:
        """Whether a CRL is from the future, as far as the time is known."""
        return self._time is None or crl.this_update > self._time

    def _change(self, new: Sequence[CRL], gone: Sequence[CRL]) -> None:
        changed = dict(self._by_key)
        for key in {key for each in (*new, *gone) for key in _index_keys(each)}:
            kept = [each for each in changed.get(key, ()) if not any(each is lost for lost in gone)]
            changed[key] = (*kept, *(each for each in new if key in _index_keys(each)))
        self._by_key = changed
        self.generation += 1
        self._note_arrivals()

    def _note_arrivals(self) -> None:
        self._came = {id(each): self._came.get(id(each), self.generation) for each in self}

    def _series(self, crl: CRL) -> list[CRL]:
        """Return the CRLs of the name, scope and kind of one, in the order in which they came."""
        held = self._by_key.get(_index_keys(crl)[0], ())
        return [each for each in held if each.series == crl.series]

    def about(self, normal_issuer: bytes, names: Names, at: datetime) -> list[CRL]:
        """Return the CRLs of an issuer that speak of a distribution point with one of these names, or of all.

        normal_issuer: its name in the form of RFC 5280 7.1.  at: the time of the judgement that asks.
        """
        self._time = at
        keys: list[_IndexKey] = [(normal_issuer, None), *((normal_issuer, name) for name in names)]
        found = {id(each): each for key in keys for each in self._by_key.get(key, ())}
        return list(found.values())

    def of(self, normal_issuer: bytes) -> tuple[CRL, ...]:
        """Return the CRLs of an issuer, by its name in the form of RFC 5280 7.1."""
        return tuple(each for each in self if each.normal_issuer == normal_issuer)

    def __iter__(self) -> Iterator[CRL]:
        yield from {id(each): each for each in chain.from_iterable(self._by_key.values())}.values()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<CRLStore of {len(self)} CRLs>"


def _by_series(crls: Iterable[CRL]) -> dict[object, list[CRL]]:
    found: dict[object, list[CRL]] = {}
    for crl in crls:
        found.setdefault(crl.series, []).append(crl)
    return found


def _indexed(crls: Iterable[CRL]) -> dict[_IndexKey, tuple[CRL, ...]]:
    found: dict[_IndexKey, list[CRL]] = {}
    for crl in crls:
        for key in _index_keys(crl):
            found.setdefault(key, []).append(crl)
    return {key: tuple(each) for key, each in found.items()}


def _index_keys(crl: CRL) -> list[_IndexKey]:
    """Return under what a CRL is found: its issuer with each name of its distribution point."""
    names = (None,) if crl.scope.names is None else crl.scope.names or ("",)
    return [(crl.normal_issuer, name) for name in names]


def _surplus(series: Sequence[CRL]) -> list[CRL]:
    """Return the CRLs of a series that are too many: of those that nobody is known to have signed.

    Those that were held against a key in vain go first. The first and the last that came stay.
    """
    unproven = [each for each in series if each.signer is None]
    refused = [each for each in unproven[1:-1] if each.was_refused]
    others = [each for each in unproven[1:-1] if not each.was_refused]
    return [*refused, *others][: max(len(unproven) - MOST_UNPROVEN, 0)]
