"""The evidence that is at hand for one judgement, and by when and whose word it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.crl import CRL, Names
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.ocsp import OCSPResponse
from bothways.trust.revocation.policy import Revocation
from bothways.trust.revocation.status import Statement
from bothways.trust.verdict import Profile, SlowCheck

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Available:
    """What may be consulted: by the policy, what came stapled to certificates, and what was fetched.

    profile: by which CRLs have to be as those of public web CAs.
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
        """Return the CRLs of an issuer that speak of a distribution point with one of these names, or of all.

        normal_issuer: its name in the form of RFC 5280 7.1.
        """
        crls = self.policy.crls
        at_hand = [] if crls is None else crls.about(normal_issuer, names, self.at)
        fetched = [] if self.fetched is None else self.fetched.crls(normal_issuer)
        return at_hand + [
            each for each in fetched if each.scope.names is None or not names.isdisjoint(each.scope.names)
        ]

    def responses_about(
        self, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> list[OCSPResponse]:
        """Return the OCSP responses about a certificate that nobody stapled to it."""
        at_hand = () if self.policy.ocsp is None else self.policy.ocsp.of(certificate, issuer, self.at)
        fetched = () if self.fetched is None else self.fetched.responses(certificate)
        return [*at_hand, *fetched]

    def staple(self, certificate: ParsedCertificate) -> bytes | None:
        """Return the response that came with a certificate, where staples count."""
        return None if self.policy.staples == "ignore" else self.stapled.get(certificate.der)

    def lapse(self, end: datetime) -> datetime:
        """Return until when evidence counts that says it holds until `end`."""
        tolerance = self.policy.tolerance
        return end + tolerance if _NEVER - end > tolerance else _NEVER


class Asker(Protocol):
    """Who asks about the status of certificates, those of the signers of evidence among them."""

    @property
    def asking(self) -> list[bytes]:
        """The certificates that are being asked about, the one whose status depends on the next first."""

    def status(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> Statement:
        """Say of one certificate, issued by `issuer`, whether it is revoked."""

    def may_ask_about(self, signer: ParsedCertificate) -> bool:
        """Whether the status of a signer depends on nothing that is being asked about."""
