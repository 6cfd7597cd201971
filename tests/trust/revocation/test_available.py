"""The evidence for one verification: CRLs by issuer and distribution point, responses, staples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation.available import Available
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import EvidenceRequest
from pki import NOW, crl, issuing_point, ocsp_response
from trust.revocation.judging import ANCHORS, CA, SERVER

PARTS = [CRL(crl(CA, point=issuing_point([f"URI:http://a.example/{each}"]))) for each in range(4)]
WHOLE = CRL(crl(CA))
LEAF, ISSUER = ParsedCertificate(SERVER.der), ParsedCertificate(CA.der)
RESPONSE = ocsp_response(SERVER)


def available(*lists: CRL, fetched: tuple[object, ...] = (), **options: object) -> Available:
    evidence = FetchedEvidence()
    for each in fetched:
        kind = "crl" if isinstance(each, CRL) else "ocsp"
        evidence.take([EvidenceRequest(kind, LEAF, ISSUER, (str(id(each)),), None)], [each])
    policy = Revocation(**{"crls": CRLStore(lists)} | options)
    return Available(policy, ANCHORS, NOW, {SERVER.der: RESPONSE}, evidence)


def test_crls_are_the_available_and_fetched_ones_for_a_distribution_point() -> None:
    """RFC 5280 6.3.3 a: of the store and for this peer."""
    found = available(PARTS[0], PARTS[1], WHOLE, fetched=(PARTS[2], PARTS[3]))
    names = (PARTS[1].scope.names or frozenset()) | (PARTS[2].scope.names or frozenset())
    assert set(found.crls_about(WHOLE.normal_issuer, names)) == {WHOLE, PARTS[1], PARTS[2]}
    assert found.crls_about(WHOLE.normal_issuer, frozenset()) == [WHOLE]
    assert found.crls_about(b"another", names) == []


def test_responses_are_the_available_and_fetched_ones() -> None:
    """RFC 6960."""
    one, other = OCSPResponse(RESPONSE), OCSPResponse(ocsp_response(SERVER, status="revoked"))
    found = available(fetched=(other,), ocsp=OCSPStore([one]))
    assert found.responses_about(LEAF, ISSUER) == [one, other]
    assert available().responses_about(LEAF, ISSUER) == []


def test_a_staple_is_used_only_where_the_policy_says_so() -> None:
    """Otherwise it is ignored."""
    assert available().staple(LEAF) is None
    assert available(staples="use").staple(LEAF) == RESPONSE
    assert available(staples="use").staple(ISSUER) is None


def test_evidence_expires_after_the_tolerance_also_at_the_end_of_the_calendar() -> None:
    """docs/defaults.md."""
    assert available(tolerance=timedelta(minutes=1)).usable_until(NOW) == NOW + timedelta(minutes=1)
    assert available().usable_until(datetime.max.replace(tzinfo=UTC)) == datetime.max.replace(tzinfo=UTC)
