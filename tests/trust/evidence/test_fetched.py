"""What was fetched to verify one peer; nothing is requested twice."""

from __future__ import annotations

import pytest

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.ocsp.response import OCSPResponse
from pki import crl, ocsp_response
from trust.evidence.evidence_requests import CA, OTHER, ROOT, SERVER, evidence_request

RESPONSE, LIST = OCSPResponse(ocsp_response(SERVER)), CRL(crl(CA))


def test_evidence_is_found_by_what_it_is_about() -> None:
    """Responses by the certificate, CRLs by their issuer."""
    fetched = FetchedEvidence()
    fetched.take(
        [evidence_request(), evidence_request("crl"), evidence_request("ocsp", OTHER)],
        [RESPONSE, LIST, Missing("down")],
    )
    assert fetched.responses(ParsedCertificate(SERVER.der)) == [RESPONSE]
    assert fetched.responses(ParsedCertificate(OTHER.der)) == []
    assert fetched.crls(ParsedCertificate(CA.der).normal_subject) == [LIST]
    assert fetched.crls(ParsedCertificate(ROOT.der).normal_subject) == []
    assert len(fetched) == 3


def test_a_request_that_was_answered_is_not_missing() -> None:
    """Any answer counts; a missing request is listed once, whatever its nonce."""
    fetched = FetchedEvidence()
    assert fetched.answer(evidence_request()) is None
    assert [
        each.kind
        for each in fetched.missing(
            [evidence_request(), evidence_request(nonce=b"n"), evidence_request("crl")]
        )
    ] == [
        "ocsp",
        "crl",
    ]
    fetched.take([evidence_request(nonce=b"n")], [Missing("down")])
    assert fetched.answer(evidence_request()) == Missing("down")
    assert [each.kind for each in fetched.missing([evidence_request(), evidence_request("crl")])] == ["crl"]


def test_there_is_an_answer_for_each_request() -> None:
    """Fewer answers are an error of the caller."""
    with pytest.raises(ValueError):
        FetchedEvidence().take([evidence_request(), evidence_request("crl")], [RESPONSE])


def test_fetched_evidence_is_counted_as_text() -> None:
    """For the finding of a verdict; failures are reported elsewhere."""
    fetched = FetchedEvidence()
    assert str(fetched) == ""
    fetched.take([evidence_request(), evidence_request("crl", SERVER, "http://a/")], [RESPONSE, LIST])
    fetched.take(
        [evidence_request("crl", SERVER, "http://b/"), evidence_request("ocsp", OTHER)],
        [LIST, Missing("down")],
    )
    assert str(fetched) == "1 OCSP response and 2 CRLs"
