"""Which clients new evidence is about."""

from __future__ import annotations

from bothways.gateway.routes.newly_listed import listed_in
from bothways.trust.certificate.parsed import ParsedCertificate
from gateway.news_talk import ALICE, BOB, CA, ROOT, listing, response
from pki import leaf


def named(issued: object) -> tuple[bytes, bytes]:
    parsed = ParsedCertificate(issued.der)
    return parsed.normal_issuer, parsed.serial


def test_newly_revoked_certificates_of_a_crl_or_a_response_are_found() -> None:
    carol = leaf(CA, "carol.example")
    leaves = {named(each) for each in (ALICE, BOB, carol)}
    assert listed_in(leaves, [listing(ALICE), response(BOB)]) == {named(ALICE), named(BOB)}
    assert listed_in(leaves, []) == set()
    assert listed_in(leaves, [listing(ALICE, by=ROOT)]) == set()
