"""Which lists speak of a certificate, by its distribution points and their scope (RFC 5280 6.3.3 b)."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.trust.verdict import Trusted
from pki import (
    crl,
    issue,
    issuing_point,
    leaf,
    name,
    points,
)
from trust.revocation.judging import (
    CA,
    REVOKED,
    ROOT,
    SERVER,
    SIGNS_LISTS,
    UNKNOWN,
    indirect,
    judged,
    refusals,
)


def test_every_list_that_applies_is_consulted_not_just_the_first():
    """The wrong list chosen hides a revocation."""
    users = crl(CA, point=issuing_point(users=True))
    revoking = crl(CA, SERVER, point=issuing_point(["DN:Intermediate"]))
    for lists in ((users, revoking), (revoking, users)):
        assert refusals(judged(crl(ROOT), *lists)) == REVOKED


@pytest.mark.parametrize(
    ("point", "applies"),
    [
        (issuing_point(users=True), True),
        (issuing_point(cas=True), False),
        (issuing_point(attributes=True), False),
        (issuing_point(["URI:http://a.example/1"]), False),
        (issuing_point(["DN:Intermediate"]), True),
    ],
)
def test_a_list_counts_only_for_its_scope(point, applies):
    """RFC 5280 6.3.3 b 2."""
    verdict = judged(crl(ROOT), crl(CA, point=point))
    assert isinstance(verdict, Trusted) if applies else refusals(verdict) == UNKNOWN


def test_a_partitioned_list_counts_for_certificates_that_name_its_point():
    """RFC 5280 6.3.3 b 2 i."""
    server = leaf(CA, extra=[points("URI:http://a.example/1")])
    mine, other = issuing_point(["URI:http://a.example/1"]), issuing_point(["URI:http://a.example/2"])
    assert isinstance(judged(crl(ROOT), crl(CA, point=mine), chain=server.chain), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, point=other), chain=server.chain)) == UNKNOWN
    assert refusals(judged(crl(ROOT), crl(CA, server, point=mine), chain=server.chain)) == REVOKED


def test_a_point_of_which_only_the_issuer_is_named_matches_that_issuers_scope():
    """RFC 5280 6.3.3 b 2 i: the point's name may be left out."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS)
    issuer = [x509.DirectoryName(name("List signer"))]
    extension = x509.CRLDistributionPoints([x509.DistributionPoint(None, None, None, issuer)])
    server = leaf(CA, extra=[(extension, False)])
    verdict = judged(
        crl(ROOT), crl(CA, point=issuing_point(["DN:Intermediate"])), indirect(server, signer, server),
        chain=[server.der, CA.der, signer.der],
    )  # fmt: skip
    assert refusals(verdict) == REVOKED
