"""The status of a certificate by OCSP responses: stapled, available or fetched ones (RFC 6960 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.entries import HOLD
from bothways.trust.ocsp.response import MAX_AGE, OCSPResponse, SingleResponse, needs_no_check
from bothways.trust.revocation.available import Available, StatusChecker
from bothways.trust.revocation.status import BadStaple, Good, Revoked, Statement, Unknown
from bothways.trust.work import WorkBudget, WorkStep


class ResponseSource:
    """The OCSP responses that are available, for one path."""

    def __init__(self, available: Available, checker: StatusChecker, work: WorkBudget) -> None:
        self._available = available
        self._checker = checker
        self._work = work
        self._stapled: dict[bytes, OCSPResponse | BadStaple] = {}

    def statements(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[Statement]:
        """Return the statement of each response about a certificate."""
        stapled = self.staple_statement(certificate, issuer)
        others = self._available.responses_about(certificate, issuer)
        result = [] if stapled is None else [stapled]
        return result + [self._unstapled_statement(each, certificate, issuer) for each in others]

    def staple_statement(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> Statement | None:
        """Return the statement of the stapled response of a certificate; None without one."""
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
        self._work.spend(WorkStep.READ_KIB, len(staple) / 1024)
        try:
            return OCSPResponse(staple)
        except ValueError as error:
            return BadStaple(f"it cannot be read: {error}")

    def _unstapled_statement(
        self, response: OCSPResponse, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> Statement:
        """Return the statement of a response that the peer did not send: if it is wrong, the peer is not refused."""
        result = self._statement(response, certificate, issuer)
        return _unusable(result.problem) if isinstance(result, BadStaple) else result

    def _statement(
        self, response: OCSPResponse, certificate: ParsedCertificate, issuer: ParsedCertificate
    ) -> Statement:
        """Return the statement of one response, if its signer is authorised and it is valid now.

        `BadStaple` where it is not a response of the issuer about the certificate.
        """
        if response.problem is not None:
            return _unusable(response.problem)
        self._work.spend(WorkStep.EVIDENCE)
        signer = response.signer(issuer, self._available.at, self._work)
        if isinstance(signer, str):
            return BadStaple(signer)
        singles = response.responses_about(certificate, issuer)
        if not singles:
            return BadStaple("it is for another certificate")
        signer_status = self._status_of_signer(signer, issuer)
        if isinstance(signer_status, Unknown):
            return signer_status
        result = [self._single_statement(each, signer, signer_status) for each in singles]
        return _worst(
            result if response.unsupported_part is None else [*result, _unusable(response.unsupported_part)]
        )

    def _single_statement(
        self, single: SingleResponse, signer: ParsedCertificate, signer_status: Good
    ) -> Good | Revoked | Unknown:
        """Return the statement of a single response: revoked is permanent, and unknown is not good (RFC 6960 2.2)."""
        available = self._available
        time_problem = single.untimeliness(available.at, available.policy.tolerance, MAX_AGE)
        if single.state == "revoked" and not (time_problem and single.reason == HOLD):
            return Revoked(single.revoked_at or single.this_update, single.reason)
        if time_problem:
            return Unknown(f"its OCSP response is not current: {time_problem}")
        if single.state == "good":
            return Good(
                min(available.usable_until(single.until(MAX_AGE)), signer.not_after, signer_status.until)
            )
        return Unknown("the OCSP responder does not know it")

    def _status_of_signer(self, signer: ParsedCertificate, issuer: ParsedCertificate) -> Good | Unknown:
        """Return until when a delegated responder is not revoked, or why it is not accepted (RFC 6960 4.2.2.2.1)."""
        if signer is issuer:
            return Good(signer.not_after)
        if signer.der in self._checker.in_progress:
            return _unusable(f"it is signed by {signer.subject_text}, whose own status depends on it")
        if needs_no_check(signer):
            return Good(signer.not_after)
        if not self._checker.may_check(signer):
            return _unusable(
                f"it is signed by {signer.subject_text}, whose own status depends on that of others"
            )
        result = self._checker.status(signer, issuer)
        if not isinstance(result, Good):
            return _unusable(f"it is signed by {signer.subject_text}, whose own status is not good")
        return result


def _worst(result: Sequence[Good | Revoked | Unknown]) -> Statement:
    """Return the worst of several statements about one certificate in one response."""
    for kind in (Revoked, Unknown):
        for each in result:
            if isinstance(each, kind):
                return each
    return Good(min(each.until for each in result if isinstance(each, Good)))


def _unusable(problem: str) -> Unknown:
    return Unknown(f"its OCSP response cannot be used: {problem}")
