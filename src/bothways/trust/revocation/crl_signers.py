"""Who may sign CRLs about the certificates of one path (RFC 5280 6.3.3 f).

A key is held against a CRL only after it is known that it may sign it: what a peer makes up costs no look at any
CRL, however many certificates in a CA's name it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from bothways.trust.certificate import ParsedCertificate
from bothways.trust.path import Path, path_through
from bothways.trust.revocation.available import Asker
from bothways.trust.revocation.status import Good
from bothways.trust.work import Step, WorkBudget


class Signers(NamedTuple):
    """The certificates whose keys may sign CRLs of one name; `refused` says why another in that name may not."""

    allowed: tuple[ParsedCertificate, ...]
    refused: str | None


class CRLSigners:
    """Who may sign, for one path.

    It is a certificate in the name of the CRL's issuer, with cRLSign where it has a key usage, that stands on the
    path or was signed by a CA there: by one above the issuer of the certificate that is asked about, or by that
    issuer itself. So a CA elsewhere below the anchor, whatever names it gives, vouches for no CRL of another.
    """

    def __init__(
        self, path: Path, others: Sequence[ParsedCertificate], at: datetime, asker: Asker, work: WorkBudget
    ) -> None:
        self._path = path
        self._others = others
        self._at = at
        self._asker = asker
        self._work = work
        self._known: dict[tuple[bytes, bytes], Signers] = {}
        self._paths: dict[tuple[bytes, bytes], Path | None] = {}

    def of(self, normal_name: bytes, issuer: ParsedCertificate) -> Signers:
        """Return who may sign CRLs in a name (RFC 5280 7.1) about certificates of an issuer on the path."""
        key = normal_name, issuer.der
        if key not in self._known:
            self._known[key] = self._find(normal_name, self._from(issuer))
        return self._known[key]

    def _from(self, issuer: ParsedCertificate) -> Path:
        """Return the path from the issuer on."""
        place = next(place for place, each in enumerate(self._path) if each.der == issuer.der)
        return self._path[place:]

    def _find(self, normal_name: bytes, above: Path) -> Signers:
        allowed, refused = [], None
        for candidate in self._candidates(normal_name, above):
            problem = self._unfit(candidate, above)
            if problem is None:
                allowed.append(candidate)
            refused = refused or problem
        return Signers(tuple(allowed), refused)

    def _candidates(self, normal_name: bytes, above: Path) -> Iterator[ParsedCertificate]:
        """Yield the certificates in a name that can be read, the path's first."""
        seen: set[bytes] = set()
        for each in (*above, *self._path, *self._others):
            if each.der not in seen and each.normal_subject == normal_name:
                seen.add(each.der)
                self._work.spend(Step.CERTIFICATE)
                try:
                    each.load()
                except ValueError:
                    continue
                yield each

    def _unfit(self, candidate: ParsedCertificate, above: Path) -> str | None:
        """Say why a key may not sign CRLs: by its usage, or by who vouches for it; None if it may."""
        usage = candidate.extension(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return "a key whose usage lacks cRLSign"
        if any(each.der == candidate.der for each in above):
            return None
        if self._path_of(candidate, above) is None:
            return "a certificate without a valid path through the CAs above it"
        return None

    def vouched_until(self, signer: ParsedCertificate, issuer: ParsedCertificate) -> datetime | str:
        """Return until when it is known that a signer's certificate is not revoked, or say why it is not."""
        above = self._from(issuer)
        if any(each.der == signer.der for each in above):
            return signer.not_after
        asking = self._asker.asking
        if len(asking) > 1 and asking[-1] == signer.der:
            return signer.not_after  # a signer whose CA has named no other CRL for it answers for itself
        if not self._asker.may_ask_about(signer):
            return "a certificate whose own status depends on it"
        path = self._path_of(signer, above)
        said = None if path is None else self._asker.status(signer, path[1])
        if not isinstance(said, Good):
            return f"{signer.subject_text}, whose own status is not good"
        return min(signer.not_after, said.until)

    def _path_of(self, signer: ParsedCertificate, above: Path) -> Path | None:
        """Return the valid path of a signer through the CAs of the path, found once."""
        key = signer.der, above[0].der
        if key not in self._paths:
            self._paths[key] = path_through(signer, above, self._at, self._work)
        return self._paths[key]
