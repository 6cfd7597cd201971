"""Which CRLs speak of a certificate, by its distribution points and their scope (RFC 5280 6.3.3 b)."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.faults import Fault
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from pki import (
    NOW,
    crl,
    issue,
    issuing_point,
    key,
    leaf,
    name,
    points,
)
from trust.revocation.judging import (
    ANCHORS,
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

EXHAUSTED = [(Fault.PATH_SEARCH_EXHAUSTED, None)]


def test_every_applicable_crl_is_used_not_only_the_first():
    """The wrong choice of a CRL would hide a revocation."""
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
def test_a_crl_counts_only_for_its_scope(point, applies):
    """RFC 5280 6.3.3 b 2."""
    verdict = judged(crl(ROOT), crl(CA, point=point))
    assert isinstance(verdict, Trusted) if applies else refusals(verdict) == UNKNOWN


def test_a_partitioned_crl_counts_for_certificates_with_its_distribution_point():
    """RFC 5280 6.3.3 b 2 i."""
    server = leaf(CA, extra=[points("URI:http://a.example/1")])
    mine, other = issuing_point(["URI:http://a.example/1"]), issuing_point(["URI:http://a.example/2"])
    assert isinstance(judged(crl(ROOT), crl(CA, point=mine), chain=server.chain), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, point=other), chain=server.chain)) == UNKNOWN
    assert refusals(judged(crl(ROOT), crl(CA, server, point=mine), chain=server.chain)) == REVOKED


@pytest.mark.parametrize("is_indirect", [True, False])
def test_a_crl_of_a_crlissuer_counts_only_if_it_is_indirect(is_indirect):
    """RFC 5280 6.3.3 b 1: else it says nothing of certificates of another issuer."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS, extra=[points("URI:http://a.example/1")])
    server = leaf(CA, extra=[points("DN:List signer", issuer="List signer")])
    about_signer = crl(CA, point=issuing_point(["URI:http://a.example/1"]))
    other = crl(signer, point=issuing_point(["DN:List signer"], indirect=is_indirect))
    verdict = judged(about_signer, other, chain=[server.der, CA.der, signer.der], covers="leaf")
    assert isinstance(verdict, Trusted) if is_indirect else refusals(verdict) == UNKNOWN


def test_a_distribution_point_with_only_a_crlissuer_matches_its_scope():
    """RFC 5280 6.3.3 b 2 i: its name may be absent."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS)
    issuer = [x509.DirectoryName(name("List signer"))]
    extension = x509.CRLDistributionPoints([x509.DistributionPoint(None, None, None, issuer)])
    server = leaf(CA, extra=[(extension, False)])
    verdict = judged(
        crl(ROOT), crl(CA, point=issuing_point(["DN:Intermediate"])), indirect(server, signer, server),
        chain=[server.der, CA.der, signer.der],
    )  # fmt: skip
    assert refusals(verdict) == REVOKED


@pytest.mark.parametrize("place", [0, 10, 63, 64, 99])
@pytest.mark.parametrize("unknown", ["refuse", "accept"])
def test_of_any_number_of_crls_the_applicable_one_is_used(place, unknown):
    """A CA with a hundred partitions: the work grows with the points of the certificate."""
    parts = [f"URI:http://a.example/{each}" for each in range(100)]
    server = leaf(CA, extra=[points(parts[place])])
    lists = [
        crl(CA, *([server] if each == place else []), point=issuing_point([part]))
        for each, part in enumerate(parts)
    ]
    asked = {"chain": server.chain, "unknown": unknown}
    assert refusals(judged(crl(ROOT), *lists, **asked)) == REVOKED
    lists[place] = crl(CA, point=issuing_point([parts[place]]))
    assert isinstance(judged(crl(ROOT), *lists, **asked), Trusted)


@pytest.mark.parametrize("place", [0, 31, 32, 79])
@pytest.mark.parametrize("unknown", ["refuse", "accept"])
def test_every_distribution_point_of_a_certificate_is_checked(place, unknown):
    """RFC 5280 4.2.1.13: a CRL at the last one may revoke too."""
    parts = [f"URI:http://a.example/{each}" for each in range(80)]
    server = leaf(CA, extra=[points(*parts)])
    revoking = crl(CA, server, point=issuing_point([parts[place]]))
    asked = {"chain": server.chain, "unknown": unknown}
    assert refusals(judged(crl(ROOT), crl(CA), revoking, **asked)) == REVOKED
    assert isinstance(judged(crl(ROOT), crl(CA), **asked), Trusted)


@pytest.mark.parametrize("count", [1, 20, 200])
@pytest.mark.parametrize("is_first", [True, False])
def test_any_number_of_forged_crls_hides_no_authentic_one(count, is_first):
    """They differ by their signatures only; here all are newer and of the same scope.

    What is looked at is bounded by work and not by number: a peer is refused for what was not looked at, even where
    unknown is accepted, and what was looked at is not looked at again.
    """
    forged = [
        crl(CA, number=each + 2, this_update=NOW, signed_by=key("P-256", 4400)) for each in range(count)
    ]
    store = CRLStore(map(CRL, [crl(CA, SERVER), *forged] if is_first else [*forged, crl(CA, SERVER)]))
    results = [
        refusals(
            judge(
                SERVER.chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW,
                revocation=Revocation(crls=store, covers="leaf", unknown="accept"),
            )
        )
        for _ in range(6)
    ]  # fmt: skip
    assert results[0] == (REVOKED if count < 200 else EXHAUSTED)
    assert results[-1] == REVOKED
    assert all(each in (REVOKED, EXHAUSTED) for each in results)


def test_a_scope_with_an_empty_name_covers_nothing():
    """RFC 5280 5.2.5: the names of a distribution point are one or more."""
    empty = x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, bytes.fromhex("3007a002a0008101ff"))
    listed = crl(CA, extra=[(empty, True)])
    assert CRL(listed).scope.names == frozenset()
    assert refusals(judged(crl(ROOT), listed)) == UNKNOWN
