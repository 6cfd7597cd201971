"""A verification as one value, which can be repeated and keeps no results."""

from __future__ import annotations

from typing import Any

import pytest

from bothways.faults import Fault
from bothways.trust import Fetch, Purpose, Refused, Revocation, Trusted, verify
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.request import VerificationRequest
from pki import DAY, NOW, crl, intermediate, leaf, ocsp_response, points, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA, extra=[points("URI:http://crl.example/ca")])
ANCHORS = TrustStore.from_pem(ROOT.pem)
FETCHING = Revocation(fetch=Fetch(by_caller=True), covers="leaf")


def asked(**options: Any) -> VerificationRequest:
    known = {"chain": SERVER.chain, "anchors": ANCHORS, "purpose": Purpose.SERVER, "name": "server.example"}
    return VerificationRequest(**known | options)


def test_a_request_is_answered_as_verify_answers_its_arguments() -> None:
    """The public function builds one."""
    for options in ({}, {"name": "other.example"}, {"chain": SERVER.chain[:1]}, {"key_usage": None}):
        known = {"purpose": Purpose.SERVER, "name": "server.example"}
        arguments = {"chain": SERVER.chain, "anchors": ANCHORS, **known, **options}
        assert verify(**arguments, at=NOW) == asked(**options).verify(NOW)


def test_a_request_can_be_verified_again_and_cannot_be_changed() -> None:
    """The peer of an open connection is verified again by the request of its handshake."""
    request = asked()
    assert isinstance(request.verify(NOW), Trusted)
    later = request.verify(NOW + 3650 * DAY)
    assert isinstance(later, Refused) and later.reasons[0].fault is Fault.CERTIFICATE_EXPIRED
    assert isinstance(request.verify(NOW), Trusted)
    with pytest.raises(AttributeError):
        request.name = "other.example"  # type: ignore[misc]


def test_fetched_evidence_is_not_part_of_the_request() -> None:
    """Without it the same is wanted again; where nothing is to be fetched nothing is wanted."""
    request = asked(revocation=FETCHING)
    fetched = FetchedEvidence()
    first = request.verify(NOW, fetched)
    assert isinstance(first, Refused) and [request.kind for request in first.wants] == ["crl"]
    fetched.take(first.wants, [CRL(crl(CA))])
    assert isinstance(request.verify(NOW, fetched), Trusted)
    assert request.verify(NOW, FetchedEvidence()).wants == first.wants
    assert request.verify(NOW).wants == ()


def test_a_staple_belongs_to_the_certificate_at_its_position() -> None:
    """RFC 9846 4.5.1.1; a chain without any has none."""
    checking, staple = Revocation(staples="use", covers="leaf"), ocsp_response(SERVER)
    assert isinstance(asked(revocation=checking, staples=(staple,)).verify(NOW), Trusted)
    for staples in ((), (None, staple)):
        verdict = asked(revocation=checking, staples=staples).verify(NOW)
        assert isinstance(verdict, Refused) and verdict.reasons[0].fault is Fault.REVOCATION_UNKNOWN
