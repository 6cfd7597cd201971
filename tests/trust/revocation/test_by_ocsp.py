"""The status of a certificate by OCSP responses: stapled or available, and their signers (RFC 6960)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bothways.faults import Fault
from bothways.iana import Alert
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.verdict import Trusted
from pki import (
    DAY,
    NOW,
    crl,
    intermediate,
    issue,
    issuing_point,
    leaf,
    ocsp_refusal,
    ocsp_response,
    responder,
    root,
)
from trust.responses import together
from trust.revocation.judging import (
    CA,
    CLEAN,
    OTHER,
    REVOKED,
    ROOT,
    SERVER,
    UNKNOWN,
    altered_response,
    answered,
    problem,
    refusals,
)


def test_a_good_response_counts_until_its_next_update():
    """RFC 6960 2.2, from the issuer itself."""
    verdict = answered(ocsp_response(SERVER))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == NOW + DAY + TOLERANCE
    assert verdict.findings[2].text == "1 certificate not revoked by the available evidence"


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (ocsp_response(SERVER, status="unknown"), "the OCSP responder does not know it"),
        (
            ocsp_response(SERVER, next_update=NOW - timedelta(hours=1)),
            "its OCSP response is not current: it expired on 2026-06-01 11:00",
        ),
        (
            ocsp_response(SERVER, this_update=NOW + timedelta(hours=1)),
            "its OCSP response is not current: it is not valid before",
        ),
        (
            ocsp_response(SERVER, next_update=None, this_update=NOW - 2 * DAY),
            "is too old since 2026-05-31 12:00",
        ),
        (ocsp_refusal("try_later"), "the responder answered: try later"),
    ],
)
def test_an_unusable_response_is_reported_with_the_reason(response, sentence):
    """RFC 6960 3.2: unknown is not good."""
    verdict = answered(staples=[response])
    assert refusals(verdict) == UNKNOWN
    assert sentence in problem(verdict)
    assert isinstance(answered(staples=[response], unknown="accept"), Trusted)
    assert isinstance(answered(staples=[response], lists=CLEAN), Trusted)


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (altered_response(ocsp_response(SERVER)), "does not verify under the key of CN=Intermediate"),
        (
            ocsp_response(SERVER, signer=root("Stranger")),
            "by CN=Stranger, whom CN=Intermediate has not authorised",
        ),
        (ocsp_response(OTHER), "it is for another certificate"),
        (b"garbage", "it cannot be read"),
        (ocsp_response(SERVER)[:-1], "it cannot be read"),
    ],
)
def test_an_invalid_staple_is_refused_whatever_other_evidence_says(response, sentence):
    """RFC 6066 8: bad_certificate_status_response; with a CRL that says good, and where unknown is accepted."""
    for verdict in (
        answered(staples=[response]),
        answered(staples=[response], lists=CLEAN),
        answered(staples=[response], unknown="accept"),
    ):
        assert refusals(verdict) == [(Fault.BAD_STAPLE, 0)]
        assert sentence in verdict.reasons[0].facts["problem"]
        assert verdict.reasons[0].fault.alert is Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    revoked = answered(staples=[response], lists=[crl(CA, SERVER)])
    assert refusals(revoked) == REVOKED


def test_an_invalid_available_response_is_ignored():
    """It only removes that evidence."""
    for response in (altered_response(ocsp_response(SERVER)), ocsp_response(SERVER, signer=root("Stranger"))):
        assert isinstance(answered(response, lists=CLEAN), Trusted)
        assert refusals(answered(response)) == UNKNOWN


def test_a_response_without_a_next_update_counts_for_a_day():
    """docs/defaults.md: RFC 6960 4.2.2.1 leaves it open."""
    verdict = answered(ocsp_response(SERVER, next_update=None))
    assert isinstance(verdict, Trusted)
    assert verdict.valid_until == NOW + DAY / 2 + TOLERANCE


def test_an_expired_response_still_proves_a_revocation_but_not_a_hold():
    """docs/defaults.md: as with CRLs."""
    old = {"status": "revoked", "next_update": NOW - timedelta(hours=1)}
    assert refusals(answered(ocsp_response(SERVER, reason="superseded", **old))) == REVOKED
    assert refusals(answered(ocsp_response(SERVER, reason="certificate_hold", **old))) == UNKNOWN


def test_a_delegated_responder_is_accepted():
    """RFC 6960 4.2.2.2."""
    for by_name in (False, True):
        assert isinstance(answered(ocsp_response(SERVER, signer=responder(CA), by_name=by_name)), Trusted)
    assert refusals(answered(ocsp_response(SERVER, status="revoked", signer=responder(CA)))) == REVOKED


@pytest.mark.parametrize(
    ("signer", "sentence"),
    [
        (responder(ROOT), "it did not issue that certificate"),
        (responder(CA, usage=("serverAuth",)), "is not for OCSP signing"),
        (responder(CA, usage=None), "is not for OCSP signing"),
        (responder(CA, not_after=NOW - DAY), "outside its validity period"),
        (responder(CA, key_kind="RSA-1024"), "key is too weak: RSA of 1024 bits"),
        (responder(CA, no_check=False), "own status is not good"),
    ],
)
def test_an_unauthorised_responder_is_reported(signer, sentence):
    """RFC 6960 4.2.2.2: authorised by that CA, for that purpose, now, and not revoked itself."""
    assert sentence in problem(answered(ocsp_response(SERVER, signer=signer)))


def test_a_delegate_without_nocheck_is_checked_for_revocation():
    """RFC 6960 4.2.2.2.1; not by a response of its own."""
    mine = responder(CA, no_check=False)
    response = ocsp_response(SERVER, signer=mine)
    assert isinstance(answered(response, lists=[crl(CA)]), Trusted)
    assert (
        refusals(answered(response, lists=[crl(CA, mine, point=issuing_point(["DN:Elsewhere"]))])) == UNKNOWN
    )
    own = ocsp_response(mine, CA, signer=mine)
    assert "own status is not good" in problem(answered(response, own))


def test_an_undecodable_delegate_is_skipped():
    """RFC 5280 4.2: the same extension twice."""
    response = ocsp_response(SERVER, signer=responder(CA))
    broken = response.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    assert ", without a certificate whose key verifies the signature" in problem(answered(broken))


def test_a_response_signed_with_a_weak_hash_does_not_count():
    """RFC 9325."""
    top = intermediate(ROOT, "RSA", key_kind="RSA-2048")
    server = leaf(top)
    rsa = bytes.fromhex("2a864886f70d0101")
    weak = ocsp_response(server).replace(rsa + b"\x0b", rsa + b"\x05")
    assert "it is signed with SHA-1" in problem(answered(weak, chain=server.chain))


GOOD, GONE = ocsp_response(SERVER), ocsp_response(SERVER, status="revoked")
UNSURE, LAPSED = (
    ocsp_response(SERVER, status="unknown"),
    ocsp_response(SERVER, this_update=NOW - 2 * DAY, next_update=NOW - DAY),
)


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ((GOOD, GONE), REVOKED),
        ((UNSURE, GONE), REVOKED),
        ((LAPSED, GONE), REVOKED),
        ((GOOD, UNSURE), UNKNOWN),
        ((GOOD, LAPSED), UNKNOWN),
        ((GOOD, ocsp_response(SERVER, status="revoked", digest=SHA256())), REVOKED),
    ],
)
def test_of_several_single_responses_the_worst_counts(responses, expected):
    """RFC 6960 4.2.2.3: in any order, stapled or available, and where unknown is accepted."""
    for order in (responses, responses[::-1]):
        both = together(order, CA)
        assert refusals(answered(both)) == expected
        assert refusals(answered(staples=[both])) == expected
        if expected is REVOKED:
            assert refusals(answered(both, unknown="accept")) == REVOKED
    assert isinstance(answered(together([GOOD, ocsp_response(OTHER, status="revoked")], CA)), Trusted)


@pytest.mark.parametrize("order", [1, -1])
def test_responses_with_an_unknown_signer_displace_none(order):
    """The number of those is limited, never that of responses the issuer signed."""
    forged = [
        altered_response(ocsp_response(SERVER, this_update=NOW - timedelta(minutes=each)))
        for each in range(40)
    ]
    for unknown in ("accept", "refuse"):
        assert refusals(answered(*[*forged, GONE][::order], unknown=unknown)) == REVOKED
        assert isinstance(answered(*[*forged, GOOD][::order], unknown=unknown), Trusted)


def test_responses_about_other_certificates_with_the_serial_number_displace_none():
    """RFC 6960 4.1.1."""
    other = root("Other")
    same = issue("same", other, serial=SERVER.certificate.serial_number)
    others = [ocsp_response(same, this_update=NOW - timedelta(minutes=each)) for each in range(100)]
    assert refusals(answered(*others, GONE, unknown="accept")) == REVOKED
    assert isinstance(answered(*others, GOOD), Trusted)


def test_a_response_with_an_unsupported_part_proves_revocations_only():
    """RFC 6960 4.4: an unknown critical extension."""
    odd = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]
    for options in ({}, {"unknown": "accept"}):
        assert refusals(answered(ocsp_response(SERVER, status="revoked", extra=odd), **options)) == REVOKED
    assert "the critical extension 1.3.6.1.4.1.99999.1" in problem(answered(ocsp_response(SERVER, extra=odd)))


def test_a_certificate_signs_no_response_about_itself():
    """RFC 6960 4.2.2.2.1: an attacker with its key would say that it is good."""
    own = issue("own", CA, usage=("serverAuth", "OCSPSigning"), extra=[(x509.OCSPNoCheck(), False)])
    words = problem(answered(ocsp_response(own, signer=own), chain=own.chain))
    assert "by CN=own, whose own status depends on it" in words
    assert isinstance(answered(ocsp_response(SERVER, signer=own)), Trusted)


def test_staples_of_a_whole_path_about_many_certificates_are_decoded():
    """The work budget grows with all that the peer sent, also staples."""
    others = [ocsp_response(OTHER, this_update=NOW - timedelta(minutes=each)) for each in range(150)]
    staples = [together([ocsp_response(SERVER), *others], CA), together([ocsp_response(CA), *others], ROOT)]
    assert isinstance(answered(staples=staples, covers="path"), Trusted)


def test_a_staple_is_charged_before_it_is_decoded():
    """Bounded work: the peer, not trusted yet, chooses its length and the keys in it."""
    dear = [responder(ROOT, f"Responder {each}", key_kind="RSA-2048") for each in range(8)]
    crowded = ocsp_response(SERVER, signer=responder(CA), delegates=dear, by_name=True)
    assert refusals(answered(staples=[crowded])) == [(Fault.BAD_STAPLE, 0)]
    nonce = x509.OCSPNonce(bytes(60_000))
    endless = ocsp_response(SERVER, extra=[(nonce, False)])
    assert refusals(answered(staples=[endless])) == [(Fault.PATH_SEARCH_EXHAUSTED, None)]
