"""What OCSP responses say of a certificate: those stapled to it, those at hand, those fetched (RFC 6960 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.trust.certificate import ParsedCertificate
from bothways.trust.crl_entries import HOLD
from bothways.trust.ocsp import MAX_AGE, OCSPResponse, SingleResponse, needs_no_check
from bothways.trust.revocation.available import Asker, Available
from bothways.trust.revocation.status import BadStaple, Good, Revoked, Statement, Unknown
from bothways.trust.work import Step, WorkBudget


class ResponseSource:
    """The OCSP responses that are available, for one path."""

    def __init__(self, available: Available, asker: Asker, work: WorkBudget) -> None:
        self._available = available
        self._asker = asker
        self._work = work
        self._stapled: dict[bytes, OCSPResponse | BadStaple] = {}

    def statements(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[Statement]:
        """Return what each response says of a certificate."""
        stapled = self.staple_statement(certificate, issuer)
        others = self._available.responses_about(certificate, issuer)
        said = [] if stapled is None else [stapled]
        return said + [self._at_hand(each, certificate, issuer) for each in others]

    def staple_statement(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> Statement | None:
        """Return what the response says that came with a certificate; None where none did."""
        staple = self._available.staple(certificate)
        if staple is None:
            return None
        if certificate.der not in self._stapled:
            self._stapled[certificate.der] = self._read(staple)
        response = self._stapled[certificate.der]
        if isinstance(response, BadStaple):
            return response
        return self._statement(response, certificate, issuer)

    def _read(self, staple: bytes) -> OCSPResponse | BadStaple:
        self._work.spend(Step.READ_KIB, len(staple) / 1024)
        try:
            return OCSPResponse(staple)
        except ValueError as error:
            return BadStaple(f"it cannot be read: {error}")

    def _at_hand(
        self, response: OCSPResponse, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> Statement:
        """Take what a response says that no peer sent: one that is none does no harm."""
        said = self._statement(response, certificate, issuer)
        return _unusable(said.problem) if isinstance(said, BadStaple) else said

    def _statement(
        self, response: OCSPResponse, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> Statement:
        """Take what one response says, if who signed it may and it holds now.

        `BadStaple` says why it is no response of the issuer about the certificate at all.
        """
        if response.problem is not None:
            return _unusable(response.problem)
        self._work.spend(Step.EVIDENCE)
        signer = response.signer(issuer, self._available.at, self._work)
        if isinstance(signer, str):
            return BadStaple(signer)
        singles = response.responses_about(certificate, issuer)
        if not singles:
            return BadStaple("it is for another certificate")
        vouched = self._status_of_signer(signer, issuer)
        if isinstance(vouched, Unknown):
            return vouched
        said = [self._answered(each, signer, vouched) for each in singles]
        return _worst(said if response.doubt is None else [*said, _unusable(response.doubt)])

    def _answered(
        self, single: SingleResponse, signer: ParsedCertificate, vouched: Good
    ) -> Good | Revoked | Unknown:
        """Take a single response: good while it holds, revoked for good, and unknown is not good (RFC 6960 2.2)."""
        available = self._available
        untimely = single.untimeliness(available.at, available.policy.tolerance, MAX_AGE)
        if single.state == "revoked" and not (untimely and single.reason == HOLD):
            return Revoked(single.revoked_at or single.this_update, single.reason)
        if untimely:
            return Unknown(f"its OCSP response is not current: {untimely}")
        if single.state == "good":
            return Good(min(available.lapse(single.until(MAX_AGE)), signer.not_after, vouched.until))
        return Unknown("the OCSP responder does not know it")

    def _status_of_signer(self, signer: ParsedCertificate, issuer: ParsedCertificate) -> Good | Unknown:
        """Return until when a delegate may answer, or what keeps it from that (RFC 6960 4.2.2.2.1)."""
        if signer is issuer:
            return Good(signer.not_after)
        if signer.der in self._asker.asking:
            return _unusable(f"it is signed by {signer.subject_text}, whose own status depends on it")
        if needs_no_check(signer):
            return Good(signer.not_after)
        if not self._asker.may_ask_about(signer):
            return _unusable(
                f"it is signed by {signer.subject_text}, whose own status depends on that of others"
            )
        said = self._asker.status(signer, issuer)
        if not isinstance(said, Good):
            return _unusable(f"it is signed by {signer.subject_text}, whose own status is not good")
        return said


def _worst(said: Sequence[Good | Revoked | Unknown]) -> Statement:
    """Return what several single responses about one certificate come to in one response: the worst of them."""
    for kind in (Revoked, Unknown):
        for each in said:
            if isinstance(each, kind):
                return each
    return Good(min(each.until for each in said if isinstance(each, Good)))


def _unusable(problem: str) -> Unknown:
    return Unknown(f"its OCSP response cannot be used: {problem}")
