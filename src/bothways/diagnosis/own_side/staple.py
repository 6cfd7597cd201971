"""Whether the peer misses a stapled OCSP response with our certificate, by what it asked for and what we sent."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.diagnosis.case import Case
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Likely, Weight
from bothways.diagnosis.stacks import Stack
from bothways.trust.revocation.check import requires_staple

LIKELY, POSSIBLE = Weight.LIKELY, Weight.POSSIBLE
OURS = Party.OURS
ITSELF = "the certificate itself"
ASKED = "its ClientHello asked for one (status_request), and we sent none"


def required(case: Case) -> Iterator[Likely]:
    """Our certificate requires a stapled OCSP response (RFC 7633): clients refuse it without one by any alert."""
    if case.is_client or not case.chain or not requires_staple(case.chain[0]) or case.observed.stapled:
        return
    evidence, offer = "our certificate has the TLS feature status_request", case.observed.offer
    if _is_missed(case):
        detail = "clients that look at that feature refuse it without one"
        yield case.likely(
            Cause.STAPLE_MISSING, OURS, LIKELY, f"{evidence}; {ASKED}", detail=detail, required_by=ITSELF
        )
    elif offer is None or offer.wants_staple:  # who asks for none does not look at that feature
        detail = "whether one was sent is not known here; `serve` staples with --staple"
        yield case.likely(Cause.STAPLE_MISSING, OURS, POSSIBLE, evidence, detail=detail, required_by=ITSELF)


def wanted(case: Case) -> Iterator[Likely]:
    """A client asked for a stapled OCSP response, got none, and left without an alert.

    OpenSSL asks only where it is told to, as by curl with --cert-status, which looks at the answer after the handshake.
    """
    if _is_missed(case) and case.stack is Stack.OPENSSL:
        evidence = f"{ASKED}; OpenSSL, as which it lists its schemes, asks only where it is told to"
        yield _missed(case, evidence)


def perhaps_wanted(case: Case) -> Iterator[Likely]:
    """The same of an implementation that asks every server."""
    if _is_missed(case) and case.stack is not Stack.OPENSSL:
        yield _missed(case, f"{ASKED}; many clients ask so that do not require it")


def _missed(case: Case, evidence: str) -> Likely:
    facts = {"detail": "curl is by --cert-status", "required_by": "a client that is configured so"}
    return case.likely(Cause.STAPLE_MISSING, OURS, POSSIBLE, evidence, **facts)


def _is_missed(case: Case) -> bool:
    """Whether a client asked for a staple with our certificate and got none."""
    seen = case.observed
    asked = seen.offer is not None and seen.offer.wants_staple
    return not case.is_client and bool(seen.shown) and asked and not seen.stapled


def refused(case: Case) -> Iterator[Likely]:
    """The peer refuses for the stapled OCSP response: for the one that we sent, or since it requires one."""
    alone, by = "the alert is for that alone", f"the certificate itself or the {case.role.peer}"
    sent = case.observed.stapled
    if not sent:
        evidence = f"{alone}; {ASKED}" if _is_missed(case) else alone
        detail = "see the peer's policy"
        yield case.likely(Cause.STAPLE_MISSING, OURS, LIKELY, evidence, detail=detail, required_by=by)
    if sent or not _is_missed(case):
        weight, evidence = (LIKELY, f"{alone}; we sent one") if sent else (POSSIBLE, "")
        detail = "it is for another certificate, or out of date"
        yield case.likely(Cause.BAD_STAPLE, OURS, weight, evidence, detail=detail)
