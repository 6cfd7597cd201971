"""The evidence that is available for one verification, with the time and the policy by which it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL, Names
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.revocation.policy import Revocation
from bothways.trust.revocation.status import Statement
from bothways.trust.verdict import Profile, SlowCheck

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Available:
    """The evidence that may be used: that of the policy, the stapled responses, and what was fetched.

    profile: "web" requires CRLs to be as those of public web CAs.  defers: whether slow checks are left to the
    caller.
    """

    policy: Revocation
    anchors: TrustStore
    at: datetime
    stapled: Mapping[bytes, bytes]
    fetched: FetchedEvidence | None
    profile: Profile = "private"
    defers: bool = False
    checks: list[SlowCheck] = field(default_factory=list)

    def crls_about(self, normal_issuer: bytes, names: Names) -> list[CRL]:
        """Return the CRLs of an issuer for a distribution point with one of these names, or for all points.

        normal_issuer: its name in the form of RFC 5280 7.1.
        """
        crls = self.policy.crls
        stored = [] if crls is None else crls.about(normal_issuer, names, self.at)
        if self.fetched is None:
            return stored
        return stored + [
            each
            for each in self.fetched.crls(normal_issuer)
            if each.scope.names is None or not names.isdisjoint(each.scope.names)
        ]

    def crls_of(self, normal_issuer: bytes, most: int) -> list[CRL]:
        """Return CRLs of an issuer for any distribution point, at most so many of each source."""
        crls = self.policy.crls
        stored = () if crls is None else crls.of(normal_issuer, most)
        fetched = [] if self.fetched is None else self.fetched.crls(normal_issuer)[:most]
        return [*stored, *fetched]

    def responses_about(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> list[OCSPResponse]:
        """Return the OCSP responses about a certificate that are not stapled."""
        stored = () if self.policy.ocsp is None else self.policy.ocsp.of(certificate, issuer, self.at)
        fetched = () if self.fetched is None else self.fetched.responses(certificate)
        return [*stored, *fetched]

    def staple(self, certificate: ParsedCertificate) -> bytes | None:
        """Return the stapled response of a certificate; None where there is none, or staples are ignored."""
        return None if self.policy.staples == "ignore" else self.stapled.get(certificate.der)

    def usable_until(self, end: datetime) -> datetime:
        """Return until when evidence is used that is valid until `end`, with the tolerance for clocks."""
        tolerance = self.policy.tolerance
        return end + tolerance if _NEVER - end > tolerance else _NEVER


class StatusChecker(Protocol):
    """Checks the status of certificates, also of those that signed evidence."""

    @property
    def in_progress(self) -> list[bytes]:
        """The certificates (DER) whose status is being checked; the status of each depends on that of the next."""

    def status(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> Statement:
        """Return whether a certificate that `issuer` issued is revoked."""

    def may_check(self, signer: ParsedCertificate) -> bool:
        """Whether the status of a signer does not depend on a certificate whose status is being checked."""
