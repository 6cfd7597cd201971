"""The available OCSP responses: found by certificate and issuer, and replaced only by later ones of their issuer."""

from __future__ import annotations

import warnings
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import MOST_UNPROVEN, OCSPStore
from pki import DAY, NOW, issue, leaf, ocsp_response, responder, root
from raw_certificates import edited

ROOT = root()
ISSUER = ParsedCertificate(ROOT.der)
ONE, TWO = leaf(ROOT, "one.example"), leaf(ROOT, "two.example")
LEAF = ParsedCertificate(ONE.der)
GOOD = ocsp_response(ONE)
HOUR = timedelta(hours=1)


def at_age(hours: float, **options: object) -> bytes:
    return ocsp_response(ONE, this_update=NOW - hours * HOUR, **options)


def forged(hours: float) -> OCSPResponse:
    """In the issuer's name, and signed by another key."""
    der = bytearray(at_age(hours))
    der[-1] ^= 1
    return OCSPResponse(bytes(der))


def proven(der: bytes) -> OCSPResponse:
    """A response whose signer a verification found to be authorised by its issuer."""
    response = OCSPResponse(der)
    assert not isinstance(response.signer(ISSUER, NOW), str)
    return response


def ders(store: OCSPStore) -> list[bytes]:
    return [each.der for each in store.of(LEAF, ISSUER, NOW)]


def begins(store: OCSPStore) -> list[object]:
    """From when each response about ONE is."""
    return [each.responses[0].this_update for each in store.of(LEAF, ISSUER)]


def test_a_store_finds_responses_by_their_certificates():
    """The newest first."""
    older, newer = at_age(24), at_age(1)
    store = OCSPStore([OCSPResponse(newer), OCSPResponse(older), OCSPResponse(older)])
    assert ders(store) == [newer, older]
    assert store.of(ParsedCertificate(TWO.der), ISSUER) == ()
    assert [each.der for each in store] == [newer, older]
    assert len(store) == 2
    assert repr(store) == "<OCSPStore of 2 responses>"
    assert store.speaks_of(LEAF) and not store.speaks_of(ParsedCertificate(TWO.der))


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA512()])
def test_responses_are_found_with_any_hash_in_their_certid(digest):
    """RFC 6960 4.3."""
    store = OCSPStore([OCSPResponse(at_age(1, digest=digest))])
    assert len(store.of(LEAF, ISSUER)) == 1


def test_responses_about_another_issuers_certificate_displace_none():
    """RFC 6960 4.1.1: the limit is for each certificate, not for each serial number."""
    other = root("Other")
    same = issue("same", other, serial=ONE.certificate.serial_number)
    store = OCSPStore([OCSPResponse(at_age(10))])
    for minutes in range(3 * MOST_UNPROVEN):
        store.add(OCSPResponse(ocsp_response(same, this_update=NOW - timedelta(minutes=minutes))))
    assert begins(store) == [NOW - 10 * HOUR]
    assert len(store.of(ParsedCertificate(same.der), ParsedCertificate(other.der))) == MOST_UNPROVEN


def test_forged_responses_displace_no_known_one_and_not_the_last_added():
    """Added responses remove none of them; those with an unknown signer are limited."""
    ours = proven(at_age(30, status="revoked"))
    store = OCSPStore([ours])
    for minutes in range(3 * MOST_UNPROVEN):
        store.add(forged(minutes / 60))
    assert ours in store.of(LEAF, ISSUER)
    assert len(store) == MOST_UNPROVEN + 1
    late = OCSPResponse(at_age(20))
    store.add(late)
    assert late in store.of(LEAF, ISSUER)


@pytest.mark.parametrize("digest", [None, hashes.SHA256()], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize("signer", [None, responder(ROOT)], ids=["issuer", "delegate"])
def test_later_responses_of_a_known_issuer_are_recognised_at_once(signer, digest):
    """Once a verification knows an issuer, no number of other responses displaces its own."""
    store = OCSPStore([proven(at_age(9, digest=digest))])
    store.of(LEAF, ISSUER, NOW)
    store.add(OCSPResponse(at_age(5, status="revoked", signer=signer)))
    for minutes in range(3 * MOST_UNPROVEN):
        store.add(forged(minutes / 60))
    assert NOW - 5 * HOUR in begins(store)
    if digest is None:
        assert NOW - 9 * HOUR not in begins(store)
        assert len(store) == MOST_UNPROVEN + 1


def test_responses_whose_signer_is_not_authorised_are_dropped_first():
    """A verification found no authorised signer."""
    store = OCSPStore([forged(100), OCSPResponse(at_age(50))])
    for minutes in range(MOST_UNPROVEN - 2):
        refused = forged(minutes / 60)
        refused.signer(ISSUER, NOW)
        assert refused.was_refused
        store.add(refused)
    for minutes in range(MOST_UNPROVEN - 4):
        store.add(forged(1 + minutes / 60))
    assert NOW - 50 * HOUR in begins(store)


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        ({"hours": 5}, {"hours": 1}, False),
        ({"hours": 5}, {"hours": 1, "signer": responder(ROOT)}, False),  # by leave of the same issuer
        ({"hours": 5}, {"hours": 5, "digest": hashes.SHA256()}, True),
        ({"hours": 5}, {"hours": -5}, True),  # from the future
        ({"hours": 5, "status": "revoked"}, {"hours": 1}, True),
        ({"hours": 5, "status": "revoked"}, {"hours": 1, "status": "revoked"}, False),
        ({"hours": 5, "status": "revoked", "reason": "certificate_hold"}, {"hours": 1}, False),
    ],
)
def test_only_a_later_authorised_response_that_ends_no_revocation_replaces_one(old, new, stays):
    """Nothing from the future or of another issuer does."""
    before, after = proven(at_age(**old)), proven(at_age(**new))
    store = OCSPStore([before])
    store.add(after, NOW)
    assert (before in store.of(LEAF, ISSUER)) is stays
    assert after in store.of(LEAF, ISSUER)


def test_an_older_response_is_not_added_to_a_later_one_of_its_issuer():
    """The later one replaces it."""
    store = OCSPStore([proven(at_age(5))])
    store.of(LEAF, ISSUER, NOW)
    seen = store.generation
    store.add(proven(at_age(9)))
    assert begins(store) == [NOW - 5 * HOUR]
    assert store.generation == seen


def test_without_a_time_no_response_is_replaced():
    """A response from the future cannot be recognised."""
    before, after = proven(at_age(5)), proven(at_age(1))
    store = OCSPStore([before])
    store.add(after)
    assert len(store) == 2
    assert len(store.of(LEAF, ISSUER, NOW)) == 2
    store.add(proven(at_age(0.5)))
    assert len(store) == 1


def test_the_generation_of_a_store_rises_with_a_new_response():
    """What was there already is no news."""
    store = OCSPStore([OCSPResponse(GOOD)])
    seen = store.generation
    store.add(OCSPResponse(GOOD))
    assert store.generation == seen
    store.add(OCSPResponse(ocsp_response(ONE, status="revoked")))
    assert store.generation != seen


def test_a_store_staples_valid_responses_to_our_chain():
    """RFC 9846 4.5.1.1: one for each certificate for which there is one; never one that lapsed."""
    ca = root("Staple CA")
    mine = leaf(ca)
    chain = (mine.certificate, ca.certificate)
    response = ocsp_response(mine)
    store = OCSPStore([OCSPResponse(response), OCSPResponse(GOOD)])
    assert store.staples(chain, NOW) == (response, None)
    assert store.staples(chain, NOW + 2 * DAY) == (None, None)
    renewed = ocsp_response(mine, this_update=NOW + DAY, next_update=NOW + 3 * DAY)
    store.add(OCSPResponse(renewed))
    assert store.staples(chain, NOW) == (response, None)
    assert store.staples(chain, NOW + 2 * DAY) == (renewed, None)


def test_a_response_about_another_issuers_certificate_is_not_stapled():
    """RFC 6960 4.1.1: the serial number alone is not a name."""
    other = issue("same", root("Other"), serial=ONE.certificate.serial_number)
    store = OCSPStore([OCSPResponse(ocsp_response(other))])
    assert store.staples([ONE.certificate], NOW) == (None,)
    assert not store.speaks_of(LEAF)


def test_our_certificate_may_have_a_serial_number_that_the_parser_warns_of():
    """RFC 5280 4.1.2.2; programs that make warnings errors staple all the same."""
    own = edited(ONE, serial=b"\x02\x01\xfb")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert OCSPStore([OCSPResponse(GOOD)]).staples([own.certificate], NOW) == (None,)
