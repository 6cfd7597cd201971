"""Whether the certificates of a path are revoked: each source makes its statements, and one function combines them.

All applicable evidence is used, not only the first. CRLs must together cover all reasons; revoked has precedence over
good; unknown is not good.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.evidence.requests import crl_requests, response_requests, unusable_url
from bothways.trust.path.validation import Path, PathCheck, StatusCheck
from bothways.trust.revocation.available import Available
from bothways.trust.revocation.by_crl import CRLSource
from bothways.trust.revocation.by_news import NewsSource
from bothways.trust.revocation.by_ocsp import ResponseSource
from bothways.trust.revocation.policy import Revocation
from bothways.trust.revocation.status import NO_STATEMENT, BadStaple, Good, Revoked, Statement, Unknown, fold
from bothways.trust.verdict import EvidenceRequest, Finding, Outcome
from bothways.trust.work import WorkBudget

_MAX_DEPTH = 3
_NO_REVOCATION_AVAILABLE = x509.ObjectIdentifier("2.5.29.56")


def status_check(available: Available) -> StatusCheck:
    """Return the check of a path for `path.judge_path`, by the available evidence."""
    return partial(_path_status, available)


def _path_status(
    available: Available, path: Path, others: Sequence[ParsedCertificate], work: WorkBudget
) -> PathCheck:
    """Check every certificate below the trust anchor, or the leaf only (RFC 5280 6.1.3 a 3)."""
    revocation = available.policy
    covered = path[:-1] if revocation.covers == "path" else path[:-1][:1]
    if not covered:
        return PathCheck(Finding("c", Outcome.NOT_CHECKED, "the certificate is itself a trust anchor"))
    check = RevocationCheck(available, path, others, work)
    reasons, unknown, until = [], [], []
    for position, certificate in enumerate(covered):
        check.not_allowed = ""
        result = check.status(certificate, path[position + 1])
        subject = certificate.subject_text
        if isinstance(result, Revoked):
            reasons.append(_revoked(position, subject, result))
        elif isinstance(result, BadStaple):
            reasons.append(Reason(Fault.BAD_STAPLE, position, subject, {"problem": result.problem}))
        elif isinstance(result, Unknown):
            unknown.append(f"certificate {position} ({subject}): {result.problem}")
            if revocation.unknown == "refuse":
                advice = _advice(certificate, revocation, check.not_allowed)
                facts: dict[str, object] = {
                    "problem": result.problem,
                    "advice": advice,
                    "not_allowed": check.not_allowed,
                }
                reasons.append(Reason(Fault.REVOCATION_UNKNOWN, position, subject, facts))
        else:
            until.append(result.until)
    reasons = check.staple_reasons() + reasons
    valid_until = min(until, default=None)
    if available.checks:
        finding = Finding("c", Outcome.UNKNOWN, "there are CRLs whose signatures are not checked yet")
        return PathCheck(finding, tuple(reasons), checks=tuple(available.checks))
    if unknown:
        text = "unknown, and accepted as configured: " + "; ".join(unknown)
        return PathCheck(Finding("c", Outcome.UNKNOWN, text), tuple(reasons), valid_until, check.requests())
    count = "1 certificate" if len(covered) == 1 else f"{len(covered)} certificates"
    text = f"{count} not revoked by {_evidence_text(available)}"
    return PathCheck(Finding("c", Outcome.PASSED, text), tuple(reasons), valid_until, check.requests())


def _revoked(position: int, subject: str, result: Revoked) -> Reason:
    facts: dict[str, object] = {"revoked_at": result.revoked_at, "reason": result.reason}
    return Reason(Fault.REVOKED, position, subject, facts)


def leaf_revocation(
    available: Available, path: Path, others: Sequence[ParsedCertificate], work: WorkBudget
) -> Reason | None:
    """Return the reason of `status_check` against the leaf of a path that is revoked; None for any other status."""
    leaf = path[0]
    result = RevocationCheck(available, path, others, work).status(leaf, path[1])
    if available.checks or not isinstance(result, Revoked):
        return None
    return _revoked(0, leaf.subject_text, result)


def _evidence_text(available: Available) -> str:
    revocation, fetched = available.policy, str(available.fetched or "")
    if fetched:
        return f"the evidence (fetched: {fetched})"
    only_crls = revocation.ocsp is None and revocation.staples == "ignore" and revocation.fetch is None
    return "the available CRLs" if only_crls else "the available evidence"


def _advice(certificate: ParsedCertificate, revocation: Revocation, not_allowed: str) -> str:
    if not_allowed:
        return f"allow {not_allowed} to be contacted, or supply a current CRL of {certificate.issuer_text}"
    reach = (
        "check that its OCSP responder and its CRL can be reached from here, "
        if revocation.fetch is not None
        else ""
    )
    return f"{reach}supply a current CRL of {certificate.issuer_text}, or accept an unknown status"


class RevocationCheck:
    """The check of one path by the available evidence.

    `in_progress` has the certificates (DER) whose status is being checked: one, then the signers of its evidence.
    """

    def __init__(
        self, available: Available, path: Path, others: Sequence[ParsedCertificate], work: WorkBudget
    ) -> None:
        self._available = available
        self._path = path
        checker = weakref.proxy(self)  # a cycle for each peer would wait for the garbage collector
        self._responses = ResponseSource(available, checker, work)
        self._crls = CRLSource(available, path, others, checker, work)
        self._news = NewsSource(available, path, others, checker, work)
        self._requests: list[EvidenceRequest] = []
        self.in_progress: list[bytes] = []
        self.not_allowed = ""  # a host that must not be contacted for evidence

    def status(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> Statement:
        """Return whether a certificate that `issuer` issued is revoked (RFC 5280 6.3.3)."""
        self.in_progress.append(certificate.der)
        try:
            by_response = fold(self._responses.statements(certificate, issuer))
            by_crl = self._crls.statements(certificate, issuer)
            by_news = self._news.revocations(certificate, issuer)
        finally:
            self.in_progress.pop()
        if not isinstance(by_response, Good):
            self._requests += [request for each in by_crl if isinstance(each, Good) for request in each.wants]
        result = fold([*([] if by_response is NO_STATEMENT else [by_response]), *by_crl, *by_news])
        if not isinstance(result, Unknown):
            return result
        if _has_no_revocation(certificate):
            return Good(certificate.not_after)
        unfetched = self._request_evidence(certificate, issuer)
        if result is not NO_STATEMENT:
            return Unknown("; ".join([result.problem, *unfetched]))
        unused = self._crls.unused(certificate)
        if unfetched:
            return Unknown("; ".join([*unfetched, *([unused] if unused else [])]))
        nothing = self._nothing_available(certificate)
        return Unknown(f"{nothing}: {unused}" if unused else nothing)

    def may_check(self, signer: ParsedCertificate) -> bool:
        """Whether the status of a signer does not depend on a certificate whose status is being checked."""
        return signer.der not in self.in_progress and len(self.in_progress) < _MAX_DEPTH

    def _nothing_available(self, certificate: ParsedCertificate) -> str:
        policy = self._available.policy
        what = "CRL" if policy.crls is not None and policy.fetch is None else "OCSP response or CRL"
        return f"no {what} of {certificate.issuer_text} for it is available"

    def requests(self) -> tuple[EvidenceRequest, ...]:
        """Return the requests for evidence that could change the result, up to the limit for one peer."""
        policy, fetched = self._available.policy.fetch, self._available.fetched
        if policy is None or fetched is None:
            return ()
        remaining = max(policy.requests - len(fetched), 0)
        return tuple(fetched.missing(self._requests)[:remaining])

    def _request_evidence(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[str]:
        """Request the evidence that a certificate names: its OCSP response, then, if that is not sufficient, CRLs.

        Returns why earlier requests had no result.
        """
        policy, fetched = self._available.policy.fetch, self._available.fetched
        if policy is None:
            return []
        if fetched is None:
            return ["nothing is fetched before the peer has proved that it holds the key"]
        possible = response_requests(certificate, issuer, policy), crl_requests(certificate, issuer, policy)
        if not any(possible):
            why = unusable_url(certificate, policy)
            none = "no evidence about it is available, and it names no URL from which we fetch any"
            return [f"{none} ({why})" if why else none]
        missing: list[str] = []
        for requests in possible:
            answers = {request: fetched.answer(request) for request in requests}
            failures = [each for each in answers.values() if isinstance(each, Missing)]
            missing += [each.problem for each in failures]
            self.not_allowed = next(
                (each.not_allowed for each in failures if each.not_allowed), self.not_allowed
            )
            new = [request for request, answer in answers.items() if answer is None]
            if new:
                self._requests += new
                break
        return missing

    def staple_reasons(self) -> list[Reason]:
        """Return the reason against a leaf without a good staple, where it (RFC 7633) or the policy requires one."""
        policy, leaf = self._available.policy.staples, self._path[0]
        if policy == "ignore" or not (policy == "require" or requires_staple(leaf)):
            return []
        result = self._responses.staple_statement(leaf, self._path[1])
        if result is not None and not isinstance(result, Unknown):
            return []
        problem = "it sent none" if result is None else result.problem
        by = "the certificate itself" if requires_staple(leaf) else "our configuration"
        facts: dict[str, object] = {"problem": problem, "required_by": by, "stapled": result is not None}
        return [Reason(Fault.STAPLE_REQUIRED, 0, leaf.subject_text, facts)]


def requires_staple(certificate: ParsedCertificate) -> bool:
    """Whether a certificate requires a stapled OCSP response (RFC 7633 4.2.3)."""
    features = certificate.extension(x509.TLSFeature)
    return features is not None and x509.TLSFeatureType.status_request in features


def _has_no_revocation(certificate: ParsedCertificate) -> bool:
    """Whether a certificate of an end entity has noRevAvail, and names no evidence (RFC 9608 2, 4)."""
    basic = certificate.extension(x509.BasicConstraints)
    return (
        _NO_REVOCATION_AVAILABLE in certificate.extensions
        and not (basic is not None and basic.ca)
        and not _names_evidence(certificate)
    )


def _names_evidence(certificate: ParsedCertificate) -> bool:
    """Whether a certificate has URLs or names of CRLs or OCSP responders."""
    access = certificate.extension(x509.AuthorityInformationAccess) or ()
    return (
        certificate.extension(x509.CRLDistributionPoints) is not None
        or certificate.extension(x509.FreshestCRL) is not None
        or any(each.access_method == AuthorityInformationAccessOID.OCSP for each in access)
    )
