"""Which keys may sign CRLs about the certificates of one path (RFC 5280 6.3.3 f).

A CRL's signature is checked only with keys that may sign it, so certificates that a peer invents in a CA's name cause
no signature check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.validation import Path, path_through
from bothways.trust.revocation.available import StatusChecker
from bothways.trust.revocation.status import Good
from bothways.trust.work import WorkBudget, WorkStep


class Signers(NamedTuple):
    """The certificates whose keys may sign CRLs of one issuer name; `refused` is why another with that name may not."""

    allowed: tuple[ParsedCertificate, ...]
    refused: str | None


class CRLSigners:
    """The authorised signers of CRLs, for one path.

    The subject of such a certificate is the issuer of the CRL, and its key usage, if present, has cRLSign. It is on
    the path, or was issued by a CA there: by the issuer of the checked certificate or one above. So a CA elsewhere
    below the trust anchor authorises no CRL of another CA, whatever names it issues.
    """

    def __init__(
        self,
        path: Path,
        others: Sequence[ParsedCertificate],
        at: datetime,
        checker: StatusChecker,
        work: WorkBudget,
    ) -> None:
        self._path = path
        self._others = others
        self._at = at
        self._checker = checker
        self._work = work
        self._known: dict[tuple[bytes, bytes], Signers] = {}
        self._paths: dict[tuple[bytes, bytes], Path | None] = {}

    def of(self, normal_name: bytes, issuer: ParsedCertificate) -> Signers:
        """Return the authorised signers of CRLs of an issuer name, about certificates of an issuer on the path."""
        key = normal_name, issuer.der
        if key not in self._known:
            self._known[key] = self._find(normal_name, self._from(issuer))
        return self._known[key]

    def _from(self, issuer: ParsedCertificate) -> Path:
        """Return the part of the path from the issuer to the trust anchor."""
        return self._path[_place(issuer, self._path) :]

    def _find(self, normal_name: bytes, above: Path) -> Signers:
        allowed, refused = [], None
        for candidate in self._candidates(normal_name, above):
            problem = self._signer_problem(candidate, above)
            if problem is None:
                allowed.append(candidate)
            refused = refused or problem
        return Signers(tuple(allowed), refused)

    def _candidates(self, normal_name: bytes, above: Path) -> Iterator[ParsedCertificate]:
        """Yield the decodable certificates with a subject, those of the path first."""
        seen: set[bytes] = set()
        for each in (*above, *self._path, *self._others):
            if each.der not in seen and each.normal_subject == normal_name:
                seen.add(each.der)
                self._work.spend(WorkStep.CERTIFICATE)
                try:
                    each.load()
                except ValueError:
                    continue
                yield each

    def _signer_problem(self, candidate: ParsedCertificate, above: Path) -> str | None:
        """Return why a key may not sign CRLs, by its usage or its path; None if it may."""
        usage = candidate.extension(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return "a key whose usage lacks cRLSign"
        if _place(candidate, above) < len(above):
            return None
        if self._path_of(candidate, above) is None:
            return "a certificate without a valid path through the CAs above it"
        return None

    def not_revoked_until(self, signer: ParsedCertificate, issuer: ParsedCertificate) -> datetime | str:
        """Return until when a signer's certificate is known not to be revoked, or why that is not known."""
        above = self._from(issuer)
        if _place(signer, above) < len(above):
            return signer.not_after
        in_progress = self._checker.in_progress
        if len(in_progress) > 1 and in_progress[-1] == signer.der:
            return signer.not_after  # its own CRL is the only evidence about this signer
        if not self._checker.may_check(signer):
            return "a certificate whose own status depends on it"
        path = self._path_of(signer, above)
        status = None if path is None else self._checker.status(signer, path[1])
        if not isinstance(status, Good):
            return f"{signer.subject_text}, whose own status is not good"
        return min(signer.not_after, status.until)

    def _path_of(self, signer: ParsedCertificate, above: Path) -> Path | None:
        """Return the valid path of a signer through the CAs of the path; searched once."""
        key = signer.der, above[0].der
        if key not in self._paths:
            self._paths[key] = path_through(signer, above, self._at, self._work)
        return self._paths[key]


def _place(certificate: ParsedCertificate, path: Path) -> int:
    """Return where a certificate stands on a path; behind its end if it does not."""
    for place, each in enumerate(path):
        if each is certificate or each.der == certificate.der:
            return place
    return len(path)
