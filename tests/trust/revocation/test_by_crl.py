"""What CRLs say of a certificate: who may sign them, which of two counts, what amends them (RFC 5280 6.3.3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Trusted
from pki import (
    DAY,
    NOW,
    crl,
    intermediate,
    issue,
    issuing_point,
    key,
    leaf,
    name,
    points,
    root,
)
from pki import der as encode
from trust.revocation.judging import (
    CA,
    OTHER,
    REVOKED,
    ROOT,
    SERVER,
    SIGNS_LISTS,
    UNKNOWN,
    delegated,
    indirect,
    judged,
    problem,
    refusals,
)

OF_CA = issuing_point(["DN:Intermediate"])


def test_an_expired_crl_means_unknown_and_the_reason_has_its_end():
    """Never good."""
    old = crl(CA, next_update=NOW - timedelta(hours=1))
    assert problem(judged(crl(ROOT), old)) == "the CRL of CN=Intermediate expired on 2026-06-01 11:00"


def test_an_expired_crl_still_proves_a_revocation_but_not_a_hold():
    """docs/defaults.md: a revocation is permanent, a hold may have ended."""
    expired = {"next_update": NOW - timedelta(hours=1)}
    assert refusals(judged(crl(ROOT), crl(CA, (SERVER, "superseded"), **expired))) == REVOKED
    assert refusals(judged(crl(ROOT), crl(CA, (SERVER, "certificate_hold"), **expired))) == UNKNOWN


def test_a_crl_from_the_future_means_unknown():
    """RFC 5280 5.1.2.4."""
    early = crl(CA, this_update=NOW + timedelta(hours=1))
    assert "is not valid before" in problem(judged(crl(ROOT), early))


def test_the_tolerance_of_times_is_five_minutes_unless_said_otherwise():
    """docs/defaults.md: at either end of a CRL, never of a certificate."""
    for edge in ({"next_update": NOW - timedelta(minutes=4)}, {"this_update": NOW + timedelta(minutes=4)}):
        assert isinstance(judged(crl(ROOT), crl(CA, **edge)), Trusted)
        assert refusals(judged(crl(ROOT), crl(CA, **edge), tolerance=timedelta(0))) == UNKNOWN


def test_the_newer_of_two_crls_of_one_series_is_used():
    """In whatever order they are added."""
    older = crl(CA, (SERVER, "certificate_hold"), number=1, this_update=NOW - 3 * DAY)
    newer = crl(CA, number=2)
    for lists in ((older, newer), (newer, older)):
        assert isinstance(judged(crl(ROOT), *lists), Trusted)
    held = crl(CA, (SERVER, "certificate_hold"), number=3, this_update=NOW - timedelta(hours=1))
    assert refusals(judged(crl(ROOT), newer, held)) == REVOKED


def test_a_forged_newer_crl_replaces_no_authentic_one():
    """RFC 5280 6.3.3 g: signatures first."""
    forged = crl(CA, number=99, signed_by=key("P-256", 3000), this_update=NOW)
    assert refusals(judged(crl(ROOT), crl(CA, SERVER), forged)) == REVOKED
    assert "is not signed by a known key of that CA" in problem(judged(crl(ROOT), forged))


def test_a_crl_signed_with_a_weak_hash_cannot_be_used():
    """As for certificates."""
    top = root("CRL RSA", key_kind="RSA-2048")
    weak = crl(top).replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    verdict = judged(weak, chain=leaf(top).chain, anchors=TrustStore.from_pem(top.pem))
    assert problem(verdict) == "the CRL of CN=CRL RSA is signed with SHA-1"


def test_a_crl_with_an_unknown_critical_extension_cannot_be_used():
    """RFC 5280 5.2."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "cannot be used" in problem(judged(crl(ROOT), crl(CA, extra=[(unknown, True)])))


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
NO_ISSUER = x509.UnrecognizedExtension(x509.CertificateIssuer.oid, b"\x30\x00")
IN_DOUBT = {
    "a critical extension": {"extra": [(UNKNOWN_EXTENSION, True)]},
    "a critical extension of an entry": {"entry_extra": [(UNKNOWN_EXTENSION, True)]},
}


@pytest.mark.parametrize("what", IN_DOUBT)
def test_a_crl_with_an_unsupported_part_still_proves_revocations(what):
    """X.509 7.3: it proves no certificate good, but its revocations are not ignored."""
    doubtful = IN_DOUBT[what]
    assert "cannot be used" in problem(judged(crl(ROOT), crl(CA, OTHER, **doubtful)))
    assert refusals(judged(crl(ROOT), crl(CA, SERVER, **doubtful), unknown="accept")) == REVOKED
    assert refusals(judged(crl(ROOT), crl(CA), crl(CA, SERVER, point=OF_CA, **doubtful))) == REVOKED
    held = crl(CA, (SERVER, "certificate_hold"), number=5)
    removes = crl(CA, (SERVER, "remove_from_crl"), number=7, base=5, **doubtful)
    assert refusals(judged(crl(ROOT), held, removes)) == REVOKED


def test_an_entry_with_an_unknown_issuer_makes_a_crl_prove_nothing_good():
    """RFC 5280 5.3.3."""
    verdict = judged(crl(ROOT), crl(CA, OTHER, entry_extra=[(NO_ISSUER, False)]))
    assert "the certificate issuer of an entry cannot be read" in problem(verdict)


def test_a_crl_of_a_ca_without_crlsign_means_unknown():
    """RFC 5280 6.3.3 f."""
    ca = intermediate(ROOT, "No lists", key_usage=("key_cert_sign",))
    verdict = judged(crl(ROOT), crl(ca), chain=leaf(ca).chain)
    assert "usage lacks cRLSign" in problem(verdict)


def test_crls_must_together_cover_all_reasons():
    """RFC 5280 6.3.3 d, e and l."""
    everything = [
        each.name for each in x509.ReasonFlags if each.name not in ("unspecified", "remove_from_crl")
    ]
    some = crl(CA, point=issuing_point(reasons=everything[:2]))
    rest = crl(CA, point=issuing_point(reasons=everything[2:]))
    assert isinstance(judged(crl(ROOT), some, rest), Trusted)
    assert "the available CRLs do not cover the reasons" in problem(judged(crl(ROOT), some))
    revoking = crl(CA, (SERVER, "key_compromise"), point=issuing_point(reasons=everything[:2]))
    assert refusals(judged(crl(ROOT), revoking, rest)) == REVOKED


def test_a_delta_adds_to_its_base_and_removes_from_it():
    """RFC 5280 5.2.4, 6.3.3 c, i and k."""
    clean, held = crl(CA, number=5), crl(CA, (SERVER, "certificate_hold"), number=5)
    adds = crl(CA, (SERVER, "superseded"), number=7, base=5)
    removes = crl(CA, (SERVER, "remove_from_crl"), number=7, base=4)
    assert refusals(judged(crl(ROOT), clean, adds)) == REVOKED
    assert isinstance(judged(crl(ROOT), held, removes), Trusted)
    assert refusals(judged(crl(ROOT), held)) == REVOKED


@pytest.mark.parametrize(
    "unfit",
    [
        {"number": 7, "base": 6},
        {"number": 5, "base": 5},
        {"number": 7, "base": 5, "next_update": NOW - DAY / 2},
        {"number": 7, "base": 5, "signed_by": key("P-256", 3000)},
        {"number": 7, "base": 5, "point": issuing_point(users=True)},
    ],
)
def test_a_delta_that_does_not_fit_its_base_is_not_applied(unfit):
    """RFC 5280 5.2.4."""
    held = crl(CA, (SERVER, "certificate_hold"), number=5)
    removes = crl(CA, (SERVER, "remove_from_crl"), **unfit)
    assert refusals(judged(crl(ROOT), held, removes)) == REVOKED


def test_removefromcrl_in_a_complete_crl_is_no_revocation():
    """RFC 5280 6.3.3 k, although 5.3.1 allows that reason in delta CRLs only."""
    assert isinstance(judged(crl(ROOT), crl(CA, (SERVER, "remove_from_crl"))), Trusted)
    other = crl(CA, SERVER, point=issuing_point(["DN:Intermediate"]))
    assert refusals(judged(crl(ROOT), crl(CA, (SERVER, "remove_from_crl")), other)) == REVOKED


def test_a_crl_from_the_future_replaces_no_valid_one_and_still_revokes():
    """RFC 5280 5.1.2.4: our clock may be wrong."""
    early = {"this_update": NOW + DAY, "number": 9}
    assert isinstance(judged(crl(ROOT), crl(CA), crl(CA, **early)), Trusted)
    assert refusals(judged(crl(ROOT), crl(CA, SERVER), crl(CA, **early))) == REVOKED
    assert refusals(judged(crl(ROOT), crl(CA), crl(CA, SERVER, **early))) == REVOKED


def test_a_delta_crl_without_its_base_proves_nothing_good():
    """RFC 5280 5.2.4."""
    assert refusals(judged(crl(ROOT), crl(CA, number=7, base=5))) == UNKNOWN


@pytest.mark.parametrize("unknown", ["accept", "refuse"])
@pytest.mark.parametrize("complete", [(), (crl(CA, number=5),)], ids=["alone", "beside a list"])
@pytest.mark.parametrize(
    "options",
    [
        {"base": 6},  # of a CRL that is not at hand
        {"base": 5, "next_update": NOW - timedelta(hours=1)},
        {"base": 5, "this_update": NOW + DAY, "next_update": NOW + 2 * DAY},
        {"base": 5, "point": issuing_point(users=True)},
    ],
)
def test_a_delta_crl_proves_a_permanent_revocation_without_its_base(options, complete, unknown):
    """As a CRL does that is expired or from the future."""
    delta = crl(CA, (SERVER, "key_compromise"), number=7, **options)
    assert refusals(judged(crl(ROOT), *complete, delta, unknown=unknown)) == REVOKED


def test_a_delta_crl_without_its_base_proves_only_permanent_revocations():
    """Neither a hold, nor what a later CRL no longer contains, nor by an unauthorised signer."""
    for reason in ("certificate_hold", "remove_from_crl"):
        assert refusals(judged(crl(ROOT), crl(CA, (SERVER, reason), number=7, base=6))) == UNKNOWN
    delta = crl(CA, (SERVER, "key_compromise"), number=7, base=6)
    later = crl(CA, number=8, this_update=NOW - timedelta(hours=1))
    assert isinstance(judged(crl(ROOT), delta, later), Trusted)
    forged = crl(CA, (SERVER, "key_compromise"), number=7, base=6, signed_by=key("P-256", 3000))
    assert isinstance(judged(crl(ROOT), crl(CA, number=5), forged), Trusted)
    elsewhere = crl(CA, SERVER, number=7, base=6, point=issuing_point(["URI:http://other.example/"]))
    assert isinstance(judged(crl(ROOT), crl(CA, number=5), elsewhere), Trusted)


def test_an_indirect_crl_is_used_where_the_certificate_names_its_issuer():
    """RFC 5280 6.3.3 b 1; its signer comes with the chain, and is checked too."""
    server, signer = delegated()
    chain = [server.der, CA.der, signer.der]
    lists = (crl(ROOT), crl(CA))
    assert isinstance(judged(*lists, indirect(server, signer), chain=chain), Trusted)
    assert refusals(judged(*lists, indirect(server, signer, server), chain=chain)) == REVOKED
    unsent = [server.der, CA.der]
    only = judged(crl(ROOT), indirect(server, signer), chain=unsent)
    assert "is not signed by a known key of that CA" in problem(only)


def test_a_signer_of_crls_must_be_good_itself():
    """RFC 5280 6.3.3 f: its path, its usage, its own status."""
    server, signer = delegated()
    chain = [server.der, CA.der, signer.der]
    revoked = judged(crl(ROOT), crl(CA, signer), indirect(server, signer), chain=chain)
    assert isinstance(revoked, Trusted)  # the CA's own CRL covers the server as well
    scoped = issuing_point(["DN:Elsewhere"])
    alone = judged(crl(ROOT), crl(CA, signer, point=scoped), indirect(server, signer), chain=chain)
    assert "whose own status is not good" in problem(alone)
    server, expired = delegated(not_after=NOW - DAY)
    stale = judged(crl(ROOT), indirect(server, expired), chain=[server.der, CA.der, expired.der])
    assert "without a valid path through the CAs above it" in problem(stale)


def test_the_leafs_own_key_signs_no_crl_about_the_leaf():
    """Such a CRL proves nothing."""
    own = issue(
        "Self", CA, key_usage=("digital_signature", "crl_sign"), extra=[points("DN:Self", issuer="Self")]
    )
    point = issuing_point(["DN:Self"], indirect=True)
    verdict = judged(crl(ROOT), crl(own, point=point), chain=own.chain)
    assert "own status depends on it" in problem(verdict)


UNTIL = bytes.fromhex("170d") + b"260608120000Z"


def with_end(der: bytes, end: bytes) -> bytes:
    """A CRL of CA with another nextUpdate, or none, signed again."""
    tbs = x509.load_der_x509_crl(der).tbs_certlist_bytes
    assert UNTIL in tbs
    header = 2 + (tbs[1] - 128 if tbs[1] > 128 else 0)
    changed = encode(0x30, tbs[header:].replace(UNTIL, end))
    signature = CA.key.sign(changed, ec.ECDSA(SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return encode(0x30, changed + algorithm + encode(0x03, b"\x00" + signature))


def test_a_crl_without_nextupdate_proves_nothing_good():
    """RFC 5280 5.1.2.5."""
    assert "has no nextUpdate" in problem(judged(crl(ROOT), with_end(crl(CA), b"")))


def test_an_undecodable_signer_of_crls_is_skipped():
    """RFC 5280 4.2: the same extension twice."""
    server, signer = delegated()
    broken = signer.der.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    verdict = judged(crl(ROOT), indirect(server, signer), chain=[server.der, CA.der, broken])
    assert "is not signed by a known key of that CA" in problem(verdict)


def test_a_signer_of_crls_is_checked_up_to_the_path():
    """RFC 5280 6.3.3 f: the certificates of the path are checked anyway."""
    below = intermediate(CA, "Below")
    signer = issue("List signer", below, key_usage=SIGNS_LISTS)
    server = leaf(below, extra=[points("DN:List signer", issuer="List signer")])
    named = x509.CertificateIssuer([x509.DirectoryName(name("Below"))])
    listing = crl(
        signer, server, entry_extra=[(named, True)], point=issuing_point(["DN:List signer"], indirect=True)
    )
    chain = [server.der, below.der, CA.der, signer.der]
    assert refusals(judged(crl(ROOT), crl(CA), crl(below), listing, chain=chain)) == REVOKED


UNREADABLE = [
    (x509.UnrecognizedExtension(x509.FreshestCRL.oid, b"\x30\x03"), False),
    (x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, b"\x05\x00"), True),
    (x509.UnrecognizedExtension(x509.IssuerAlternativeName.oid, b""), False),
]


@pytest.mark.parametrize("extension", UNREADABLE)
def test_a_crl_with_an_undecodable_extension_proves_revocations_only(extension):
    """RFC 5280 5.2: its scope or its delta CRLs are not known."""
    clean, bearing = (crl(CA, *revoked, extra=[extension]) for revoked in ((), (SERVER,)))
    assert "the CRL of CN=Intermediate cannot be decoded completely: " in problem(judged(crl(ROOT), clean))
    assert refusals(judged(crl(ROOT), bearing)) == REVOKED


def test_a_delta_crl_with_an_undecodable_extension_releases_no_hold():
    """RFC 5280 5.2.4: it may revoke, but neither release nor confirm."""
    base = crl(CA, (SERVER, "certificate_hold"), number=5)
    released = crl(CA, (SERVER, "remove_from_crl"), number=6, base=5, extra=UNREADABLE[:1])
    assert refusals(judged(crl(ROOT), base, released)) == REVOKED
    silent = crl(CA, number=6, base=5, extra=UNREADABLE[:1])
    assert "cannot be decoded completely: freshestCRL: " in problem(
        judged(crl(ROOT), crl(CA, number=5), silent)
    )


def test_a_crl_that_ends_when_it_begins_is_valid_at_that_time():
    """RFC 5280 5.1.2.5: both ends are included."""
    times = {"this_update": NOW, "next_update": NOW}
    assert isinstance(judged(crl(CA, **times), covers="leaf"), Trusted)


def test_a_crl_with_nextupdate_before_thisupdate_is_never_valid():
    """RFC 5280 5.1.2.5, whatever the tolerance; its revocations count."""
    earlier = bytes.fromhex("170d") + b"260601115900Z"
    clean, revoking = (with_end(crl(CA, *each, this_update=NOW), earlier) for each in ((), (SERVER,)))
    assert "has a nextUpdate before its thisUpdate" in problem(judged(crl(ROOT), clean))
    assert refusals(judged(crl(ROOT), revoking)) == REVOKED
