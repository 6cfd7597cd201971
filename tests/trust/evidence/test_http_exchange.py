"""How evidence is asked for over HTTP, and what may be taken for an answer."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.trust.crl import CRL
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
from bothways.trust.ocsp import OCSPResponse
from bothways.trust.work import WorkBudget
from pki import DAY, NOW, crl, leaf, ocsp_refusal, ocsp_response, responder
from trust.evidence.evidence_requests import CA, LISTS, OTHER, RESPONDER, SERVER, evidence_request
from trust.responses import together

NONCE = bytes(range(32))
HERE = read_location(RESPONDER)


def test_a_short_request_without_nonce_goes_out_by_get() -> None:
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
def test_a_request_goes_out_by_post_where_get_will_not_do(nonce: bytes | None, url: str) -> None:
    """With a nonce no cache may answer; and long addresses are not borne everywhere."""
    asked = http_request(evidence_request(nonce=nonce), read_location(url))
    assert (asked.method, str(asked.location)) == ("POST", url)
    assert asked.headers["Content-Type"] == "application/ocsp-request"
    request = ocsp.load_der_ocsp_request(asked.body)
    assert [each.value.nonce for each in request.extensions] == ([] if nonce is None else [nonce])


def test_a_path_of_the_responder_stays_before_the_request() -> None:
    """Whether it ends in a slash or not."""
    for url in ("http://ocsp.example/a", "http://ocsp.example/a/"):
        assert http_request(evidence_request(), read_location(url)).location.target.startswith("/a/MF")


def test_a_list_is_got() -> None:
    """RFC 5280 4.2.1.13."""
    asked = http_request(evidence_request("crl"), read_location(LISTS))
    assert (asked.method, str(asked.location), asked.body) == ("GET", LISTS, b"")
    assert asked.headers["Accept"] == "application/pkix-crl"
    assert asked.headers["Accept-Encoding"] == "identity"


def test_one_key_for_all_who_want_the_same_from_the_same_place() -> None:
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


def test_an_answer_is_read_as_what_was_wanted() -> None:
    """A response for a response, a CRL for a CRL."""
    assert isinstance(read_answer(evidence_request(), ocsp_response(SERVER), NOW), OCSPResponse)
    assert isinstance(read_answer(evidence_request("crl"), crl(CA), NOW), CRL)


STRANGER = leaf(CA, "stranger.example")


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        ("ocsp", b"<html>not found</html>", "it is not an OCSP response: "),
        ("ocsp", b"", "it is not an OCSP response: "),
        ("ocsp", crl(CA), "it is not an OCSP response: "),
        ("ocsp", ocsp_refusal("try_later"), "the responder answered: try later"),
        ("ocsp", ocsp_response(OTHER), "it is about another certificate"),
        ("ocsp", ocsp_response(SERVER, signer=STRANGER), "whom CN=Intermediate has not authorised"),
        ("ocsp", ocsp_response(SERVER)[:-1] + b"\0", "its signature does not verify"),
        ("crl", b"<html>not found</html>", "it is not a CRL: "),
        ("crl", ocsp_response(SERVER), "it is not a CRL: "),
        ("crl", x509.load_der_x509_crl(crl(CA)).public_bytes(Encoding.PEM), "it is PEM, where DER is owed"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_words(kind: str, answer: bytes, problem: str) -> None:
    """RFC 6960 3.2: before anything is kept of it."""
    with pytest.raises(ValueError, match=problem):
        read_answer(evidence_request(kind), answer, NOW)


def test_an_answer_to_another_nonce_is_an_answer_to_somebody_else() -> None:
    """RFC 9654 2.1: an old answer that is replayed is refused; one from an earlier fetch has its own nonce."""
    replayed = ocsp_response(SERVER, nonce=b"x" * 32)
    with pytest.raises(ValueError, match="it returns another nonce than ours"):
        read_answer(evidence_request(nonce=NONCE), replayed, NOW)
    assert read_stored(evidence_request(nonce=NONCE), replayed, NOW)
    assert read_answer(evidence_request(nonce=NONCE), ocsp_response(SERVER, nonce=NONCE), NOW)


def test_an_answer_without_nonce_is_taken_unless_it_is_required() -> None:
    """Responders that sign ahead return none."""
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
def test_what_was_given_and_is_no_evidence_is_missing(answer: bytes | Missing | None, problem: str) -> None:
    """Whoever drives a connection gives what it has; nothing of it raises an error."""
    found = read_reply(evidence_request(), answer, NOW, 8192, requires_nonce=False)
    assert isinstance(found, Missing) and problem in found.problem


def test_what_was_given_is_read_and_what_was_read_before_is_taken() -> None:
    """From a cache, without looking at the nonce of a request that was never sent."""
    response = OCSPResponse(ocsp_response(SERVER, nonce=b"earlier"))
    assert read_reply(evidence_request(nonce=NONCE), response, NOW, 8192, requires_nonce=True) is response
    fresh = read_reply(
        evidence_request(nonce=NONCE), ocsp_response(SERVER, nonce=NONCE), NOW, 8192, requires_nonce=True
    )
    assert isinstance(fresh, OCSPResponse)


def test_each_response_that_is_wanted_gets_a_nonce_of_its_own() -> None:
    """RFC 9654 2.1: 32 bytes; CRLs have none."""
    drawn = iter([b"a" * 32, b"b" * 32])
    requests = with_nonces(
        [evidence_request(), evidence_request("crl"), evidence_request("ocsp", OTHER)],
        lambda size: next(drawn)[:size],
    )
    assert [each.nonce for each in requests] == [b"a" * 32, None, b"b" * 32]


def test_a_delegates_answer_is_sound_and_so_is_the_issuers_list() -> None:
    """RFC 6960 4.2.2.2."""
    response = read_answer(evidence_request(), ocsp_response(SERVER, signer=responder(CA)), NOW)
    assert may_be_cached(evidence_request(), response, NOW)
    assert may_be_cached(evidence_request("crl"), CRL(crl(CA)), NOW)


def test_what_does_not_hold_or_is_signed_by_somebody_unseen_is_not_sound() -> None:
    """It is judged, and kept but briefly."""
    expired = OCSPResponse(ocsp_response(SERVER, next_update=NOW - DAY / 4))
    future = OCSPResponse(ocsp_response(SERVER, this_update=NOW + DAY / 2))
    assert not may_be_cached(evidence_request(), expired, NOW) and not may_be_cached(
        evidence_request(), future, NOW
    )
    assert not may_be_cached(evidence_request("crl"), CRL(crl(CA, next_update=NOW - DAY / 2)), NOW)
    assert not may_be_cached(evidence_request("crl"), CRL(crl(STRANGER)), NOW)


def test_evidence_says_from_when_and_until_when_it_is() -> None:
    """Without nextUpdate a response holds for a day."""
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


def test_a_response_that_costs_too_much_to_see_who_signed_it_is_refused(monkeypatch) -> None:
    """Bounded work: it is fetched on a peer's word."""
    monkeypatch.setattr("bothways.trust.ocsp.WorkBudget", lambda: WorkBudget(microseconds=100.0))
    dear = ocsp_response(SERVER, signer=responder(CA))
    with pytest.raises(ValueError, match="too many certificates, or too large keys"):
        read_stored(evidence_request(), dear, NOW)


def test_a_response_that_speaks_twice_holds_as_long_as_both_and_is_as_late_as_the_later() -> None:
    """So nothing from the future takes a place, and nothing that ended is used on."""
    early = ocsp_response(SERVER, this_update=NOW - DAY, next_update=NOW + DAY / 4)
    both = OCSPResponse(
        together([ocsp_response(SERVER, this_update=NOW + DAY, next_update=NOW + DAY), early], CA)
    )
    assert valid_until(evidence_request(), both) == NOW + DAY / 4
    assert issue_time(evidence_request(), both) == NOW + DAY
