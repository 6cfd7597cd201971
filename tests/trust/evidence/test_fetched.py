"""What was fetched to judge one peer, and that nothing is wanted twice."""

from __future__ import annotations

import pytest

from bothways.trust.certificate import ParsedCertificate
from bothways.trust.crl import CRL
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.ocsp import OCSPResponse
from pki import crl, ocsp_response
from trust.evidence.wanting import CA, OTHER, ROOT, SERVER, want

RESPONSE, LIST = OCSPResponse(ocsp_response(SERVER)), CRL(crl(CA))


def test_evidence_is_found_by_what_it_is_about() -> None:
    """Responses by the certificate, lists by their issuer."""
    gathered = FetchedEvidence()
    gathered.take([want(), want("crl"), want("ocsp", OTHER)], [RESPONSE, LIST, Missing("down")])
    assert gathered.responses(ParsedCertificate(SERVER.der)) == [RESPONSE]
    assert gathered.responses(ParsedCertificate(OTHER.der)) == []
    assert gathered.lists(ParsedCertificate(CA.der).normal_subject) == [LIST]
    assert gathered.lists(ParsedCertificate(ROOT.der).normal_subject) == []
    assert len(gathered) == 3


def test_what_was_asked_for_is_not_missing_whatever_came() -> None:
    """And what is missing is missing once, whatever its nonce."""
    gathered = FetchedEvidence()
    assert gathered.answer(want()) is None
    assert [each.kind for each in gathered.missing([want(), want(nonce=b"n"), want("crl")])] == [
        "ocsp",
        "crl",
    ]
    gathered.take([want(nonce=b"n")], [Missing("down")])
    assert gathered.answer(want()) == Missing("down")
    assert [each.kind for each in gathered.missing([want(), want("crl")])] == ["crl"]


def test_there_is_an_answer_for_each_want() -> None:
    """Whoever gives fewer has made a mistake."""
    with pytest.raises(ValueError):
        FetchedEvidence().take([want(), want("crl")], [RESPONSE])


def test_what_was_had_is_counted_in_words() -> None:
    """For the finding of a verdict; what could not be had is told elsewhere."""
    gathered = FetchedEvidence()
    assert str(gathered) == ""
    gathered.take([want(), want("crl", SERVER, "http://a/")], [RESPONSE, LIST])
    gathered.take([want("crl", SERVER, "http://b/"), want("ocsp", OTHER)], [LIST, Missing("down")])
    assert str(gathered) == "1 OCSP response and 2 CRLs"
