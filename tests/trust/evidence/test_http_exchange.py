"""How evidence is asked for over HTTP, and what may be taken for an answer."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import (
    LONGEST_GET,
    Missing,
    cache_key,
    http_request,
    issue_time,
    may_be_cached,
    read_answer,
    read_reply,
    read_stored,
    valid_until,
    with_nonces,
)
from bothways.trust.evidence.locations import read_location
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.work import WorkBudget
from pki import DAY, NOW, crl, leaf, ocsp_refusal, ocsp_response, responder
from trust.evidence.evidence_requests import CA, LISTS, OTHER, RESPONDER, SERVER, evidence_request
from trust.responses import together
from trust.revocation.judging import altered_response

NONCE = bytes(range(32))
HERE = read_location(RESPONDER)


def test_a_short_request_without_nonce_is_sent_by_get() -> None:
    """RFC 6960 A.1, RFC 5019 5: caches on the way may answer it."""
    asked = http_request(evidence_request(), HERE)
    path = asked.location.target.removeprefix("/")
    assert asked.method == "GET" and not asked.body and len(str(asked.location)) <= LONGEST_GET
    assert "/" not in path and "+" not in path
    request = ocsp.load_der_ocsp_request(b64decode(unquote(path), validate=True))
    assert request.serial_number == SERVER.certificate.serial_number
    assert asked.headers["Accept"] == "application/ocsp-response"


@pytest.mark.parametrize(
    ("nonce", "url"), [(NONCE, RESPONDER), (None, RESPONDER + "a" * 200), (None, RESPONDER + "?ca=1")]
)
def test_a_request_is_posted_where_get_cannot_be_used(nonce: bytes | None, url: str) -> None:
    """With a nonce no cache may answer; and not every server accepts long URLs."""
    asked = http_request(evidence_request(nonce=nonce), read_location(url))
    assert (asked.method, str(asked.location)) == ("POST", url)
    assert asked.headers["Content-Type"] == "application/ocsp-request"
    request = ocsp.load_der_ocsp_request(asked.body)
    assert [each.value.nonce for each in request.extensions] == ([] if nonce is None else [nonce])


def test_a_path_of_the_responder_stays_before_the_request() -> None:
    """Whether it ends in a slash or not."""
    for url in ("http://ocsp.example/a", "http://ocsp.example/a/"):
        assert http_request(evidence_request(), read_location(url)).location.target.startswith("/a/MF")


def test_a_crl_is_requested_by_get() -> None:
    """RFC 5280 4.2.1.13."""
    asked = http_request(evidence_request("crl"), read_location(LISTS))
    assert (asked.method, str(asked.location), asked.body) == ("GET", LISTS, b"")
    assert asked.headers["Accept"] == "application/pkix-crl"
    assert asked.headers["Accept-Encoding"] == "identity"


def test_equal_requests_to_one_location_have_one_cache_key() -> None:
    """The nonce does not count; for a CRL, the certificate does not either."""
    assert cache_key(evidence_request(nonce=NONCE), RESPONDER) == cache_key(evidence_request(), RESPONDER)
    assert cache_key(evidence_request("crl"), LISTS) == cache_key(evidence_request("crl", OTHER), LISTS)
    different = {
        cache_key(evidence_request(), RESPONDER),
        cache_key(evidence_request("ocsp", OTHER), RESPONDER),
        cache_key(evidence_request(), "http://other.example/"),
        cache_key(evidence_request("crl"), LISTS),
        cache_key(evidence_request("crl"), RESPONDER),
    }
    assert len(different) == 5
    assert all(len(key) <= 70 and key.replace(".", "").isalnum() for key in different)


def test_an_answer_is_decoded_as_what_was_requested() -> None:
    """An OCSP response or a CRL."""
    assert isinstance(read_answer(evidence_request(), ocsp_response(SERVER), NOW), OCSPResponse)
    assert isinstance(read_answer(evidence_request("crl"), crl(CA), NOW), CRL)


STRANGER = leaf(CA, "stranger.example")


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        ("ocsp", b"<html>not found</html>", "it is an HTML or XML document"),
        ("ocsp", b"", "it is not an OCSP response: "),
        ("ocsp", crl(CA), "it is not an OCSP response: "),
        ("ocsp", ocsp_refusal("try_later"), "the responder answered: try later"),
        ("ocsp", ocsp_response(OTHER), "it is about another certificate"),
        ("ocsp", ocsp_response(SERVER, signer=STRANGER), "whom CN=Intermediate has not authorised"),
        ("ocsp", altered_response(ocsp_response(SERVER)), "its signature does not verify"),
        ("crl", b"\n<!DOCTYPE html>", "it is an HTML or XML document"),
        ("crl", b"no CRL", "it is not a CRL: "),
        ("crl", ocsp_response(SERVER), "it is not a CRL: "),
        ("crl", x509.load_der_x509_crl(crl(CA)).public_bytes(Encoding.PEM), "it is PEM, where DER is required"),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_refused_with_the_reason(kind: str, answer: bytes, problem: str) -> None:
    """RFC 6960 3.2: before any of it is cached."""
    with pytest.raises(ValueError, match=problem):
        read_answer(evidence_request(kind), answer, NOW)


def test_an_answer_with_another_nonce_is_refused() -> None:
    """RFC 9654 2.1: it is a replay; a cached one has the nonce of its own request."""
    replayed = ocsp_response(SERVER, nonce=b"x" * 32)
    with pytest.raises(ValueError, match="it returns another nonce than ours"):
        read_answer(evidence_request(nonce=NONCE), replayed, NOW)
    assert read_stored(evidence_request(nonce=NONCE), replayed, NOW)
    assert read_answer(evidence_request(nonce=NONCE), ocsp_response(SERVER, nonce=NONCE), NOW)


def test_an_answer_without_nonce_is_accepted_unless_one_is_required() -> None:
    """Responders that sign in advance return none."""
    assert read_answer(evidence_request(nonce=NONCE), ocsp_response(SERVER), NOW)
    with pytest.raises(ValueError, match="it does not return our nonce"):
        read_answer(evidence_request(nonce=NONCE), ocsp_response(SERVER), NOW, requires_nonce=True)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "it could not be obtained"),
        (Missing("down"), "down"),
        (b"x" * 9000, "it is longer than 8192 bytes"),
        (b"garbage", "it is not an OCSP response"),
    ],
)
def test_invalid_data_of_a_caller_counts_as_missing(answer: bytes | Missing | None, problem: str) -> None:
    """It raises no error."""
    found = read_reply(evidence_request(), answer, NOW, 8192, requires_nonce=False)
    assert isinstance(found, Missing) and problem in found.problem


def test_bytes_of_a_caller_are_decoded_and_decoded_evidence_is_used() -> None:
    """From a cache, without a check of the nonce, since nothing was sent."""
    response = OCSPResponse(ocsp_response(SERVER, nonce=b"earlier"))
    assert read_reply(evidence_request(nonce=NONCE), response, NOW, 8192, requires_nonce=True) is response
    fresh = read_reply(
        evidence_request(nonce=NONCE), ocsp_response(SERVER, nonce=NONCE), NOW, 8192, requires_nonce=True
    )
    assert isinstance(fresh, OCSPResponse)


def test_bytes_of_a_caller_may_be_as_many_as_the_limit_says_and_no_more() -> None:
    response = ocsp_response(SERVER)
    for limit, kind in ((len(response), OCSPResponse), (len(response) - 1, Missing)):
        assert isinstance(read_reply(evidence_request(), response, NOW, limit, requires_nonce=False), kind)


def test_each_ocsp_request_has_its_own_nonce() -> None:
    """RFC 9654 2.1: 32 bytes; CRLs have none."""
    drawn = iter([b"a" * 32, b"b" * 32])
    requests = with_nonces(
        [evidence_request(), evidence_request("crl"), evidence_request("ocsp", OTHER)],
        lambda size: next(drawn)[:size],
    )
    assert [each.nonce for each in requests] == [b"a" * 32, None, b"b" * 32]


def test_a_delegates_response_and_the_issuers_crl_may_be_cached() -> None:
    """RFC 6960 4.2.2.2."""
    response = read_answer(evidence_request(), ocsp_response(SERVER, signer=responder(CA)), NOW)
    assert may_be_cached(evidence_request(), response, NOW)
    assert may_be_cached(evidence_request("crl"), CRL(crl(CA)), NOW)


def test_expired_evidence_and_that_of_an_unknown_signer_is_not_cached_for_long() -> None:
    """It is used, and cached for a short time only."""
    expired = OCSPResponse(ocsp_response(SERVER, next_update=NOW - DAY / 4))
    future = OCSPResponse(ocsp_response(SERVER, this_update=NOW + DAY / 2))
    assert not may_be_cached(evidence_request(), expired, NOW) and not may_be_cached(
        evidence_request(), future, NOW
    )
    assert not may_be_cached(evidence_request("crl"), CRL(crl(CA, next_update=NOW - DAY / 2)), NOW)
    assert not may_be_cached(evidence_request("crl"), CRL(crl(STRANGER)), NOW)


def test_evidence_states_its_validity() -> None:
    """Without nextUpdate a response is valid for a day."""
    response = OCSPResponse(ocsp_response(SERVER, this_update=NOW - DAY / 2, next_update=None))
    assert (issue_time(evidence_request(), response), valid_until(evidence_request(), response)) == (
        NOW - DAY / 2,
        NOW + DAY / 2,
    )
    listed = CRL(crl(CA))
    assert (issue_time(evidence_request("crl"), listed), valid_until(evidence_request("crl"), listed)) == (
        NOW - DAY,
        NOW + 7 * DAY,
    )
    about_another = OCSPResponse(ocsp_response(OTHER))
    assert (
        issue_time(evidence_request(), about_another),
        valid_until(evidence_request(), about_another),
    ) == (
        NOW - DAY / 2,
        None,
    )


def test_a_response_whose_signer_is_too_expensive_to_find_is_refused(monkeypatch) -> None:
    """Bounded work: a peer caused it to be fetched."""
    monkeypatch.setattr("bothways.trust.ocsp.response.WorkBudget", lambda: WorkBudget(microseconds=100.0))
    dear = ocsp_response(SERVER, signer=responder(CA))
    with pytest.raises(ValueError, match="too many certificates, or too large keys"):
        read_stored(evidence_request(), dear, NOW)


def test_a_response_with_two_statements_has_the_earlier_end_and_the_later_start() -> None:
    """So that nothing from the future replaces another, and nothing expired is used."""
    early = ocsp_response(SERVER, this_update=NOW - DAY, next_update=NOW + DAY / 4)
    both = OCSPResponse(
        together([ocsp_response(SERVER, this_update=NOW + DAY, next_update=NOW + DAY), early], CA)
    )
    assert valid_until(evidence_request(), both) == NOW + DAY / 4
    assert issue_time(evidence_request(), both) == NOW + DAY
