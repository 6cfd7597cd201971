"""The revocation lists at hand: from where they come, which of two replaces the other, and by whose name they lie.

Judges nothing: which list counts for a certificate, and what it says, `revocation` asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bothways.trust import files
from bothways.trust.crl import CRL, Progress, crls_in


class CRLStore:
    """The revocation lists at hand, shared by configurations; what is added counts from the next judgement.

    They lie in a dictionary that is replaced whole, so that handshakes go on while lists are renewed; one
    thread at a time renews them. `generation` rises with every change, so that whoever judged before sees it.
    """

    def __init__(self, crls: Iterable[CRL] = ()) -> None:
        self.generation = 0
        self._by_issuer: dict[bytes, tuple[CRL, ...]] = {}
        for crl in crls:
            same = self._by_issuer.get(crl.normal_issuer, ())
            self._by_issuer[crl.normal_issuer] = (*same, crl)

    @classmethod
    def from_files(cls, *paths: files.FilePath, progress: Progress | None = None) -> CRLStore:
        """Read lists from files of PEM (any number in each) or DER. Raises ConfigError."""
        return cls([crl for path in paths for crl in crls_in(files.content(path), str(path), progress)])

    @classmethod
    def from_pem(cls, data: bytes, *, progress: Progress | None = None) -> CRLStore:
        """Take lists from PEM (any number) or one from DER. Raises ConfigError."""
        return cls(crls_in(data, "CRL", progress))

    def add(self, crl: CRL) -> bool:
        """Take a list in the place of an older one of its issuer, key and scope; False if ours is newer."""
        same = self._by_issuer.get(crl.normal_issuer, ())
        twins = [each for each in same if each.series == crl.series]
        if any(each.age > crl.age for each in twins):
            return False
        kept = tuple(each for each in same if each not in twins)
        self._by_issuer = {**self._by_issuer, crl.normal_issuer: (*kept, crl)}
        if all(each.der != crl.der for each in twins):
            self.generation += 1
        return True

    def replace(self, other: CRLStore) -> None:
        """Take the lists of another store in the place of all of ours, but keep ours where they are newer."""
        ours = {each.der: each for each in self}  # they remember who signed them
        renewed = CRLStore(ours.get(each.der, each) for each in other)
        for crl in self:
            if any(
                each.series == crl.series and each.age < crl.age for each in renewed.of(crl.normal_issuer)
            ):
                renewed.add(crl)
        changed = ours.keys() != {each.der for each in renewed}
        self._by_issuer = renewed._by_issuer
        self.generation += changed

    def of(self, normal_issuer: bytes) -> tuple[CRL, ...]:
        """Return the lists of an issuer, by its name in the form of RFC 5280 7.1."""
        return self._by_issuer.get(normal_issuer, ())

    def __iter__(self) -> Iterator[CRL]:
        for crls in self._by_issuer.values():
            yield from crls

    def __len__(self) -> int:
        return sum(map(len, self._by_issuer.values()))

    def __repr__(self) -> str:
        return f"<CRLStore of {len(self)} lists>"
