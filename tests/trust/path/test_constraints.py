"""What a certificate allows at its place in a path (RFC 5280 6.1.3 to 6.1.5)."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.constraints import certificate_reasons, flaws, key_weakness
from bothways.trust.path.policies import Policies, policy_reasons
from bothways.trust.verdict import Purpose
from pki import DAY, NOW, Issued, as_version_1, der, intermediate, issue, key, leaf, root
from raw_certificates import edited, raw, sequence
from raw_keys import rsa_key

ROOT = root()


def reasons(issued: Issued, purpose: Purpose = Purpose.SERVER, key_usage: str | None = "digitalSignature"):
    path = [ParsedCertificate(each.der) for each in (issued, *issued.above)]
    return certificate_reasons(path, purpose, NOW, key_usage)


def faults(issued: Issued, purpose: Purpose = Purpose.SERVER) -> list[tuple[Fault, int]]:
    return [(each.fault, each.position) for each in reasons(issued, purpose)]


def test_a_valid_path_has_no_reason_against_it():
    """RFC 5280 6.1."""
    assert faults(leaf(intermediate(ROOT))) == []


@pytest.mark.parametrize("basic", [None, False])
def test_an_issuer_that_is_not_a_ca_is_refused(basic):
    """RFC 5280 6.1.4 k."""
    fake = issue("Fake", ROOT, ca=basic, key_usage=("key_cert_sign",))
    assert faults(leaf(fake)) == [(Fault.NOT_A_CA, 1)]


def test_an_anchor_of_version_3_that_is_no_ca_is_refused_and_one_of_version_1_is_a_ca():
    """docs/defaults.md: version 1 cannot say it; making it an anchor does."""
    assert faults(leaf(issue("Root", None, ca=None, key_usage=None))) == [(Fault.NOT_A_CA, 1)]
    assert faults(leaf(as_version_1(root("Old")))) == []
    assert faults(leaf(as_version_1(intermediate(ROOT, "Old CA")))) == [(Fault.NOT_A_CA, 1)]


def test_an_issuer_without_key_cert_sign_is_refused():
    """RFC 5280 6.1.4 n."""
    ca = issue("CA", ROOT, ca=True, key_usage=("crl_sign",))
    assert faults(leaf(ca)) == [(Fault.KEY_MAY_NOT_SIGN_CERTIFICATES, 1)]


def test_an_issuer_without_key_usage_may_issue():
    """RFC 5280 4.2.1.3: absent, it restricts nothing."""
    assert faults(leaf(issue("CA", ROOT, ca=True, key_usage=None))) == []


def test_path_length_counts_the_cas_below_that_are_not_self_issued():
    """RFC 5280 6.1.4 l and m."""
    top = intermediate(ROOT, "Top", path_length=0)
    assert faults(leaf(top)) == []
    rolled = intermediate(top, "Top", own_key=key("P-256", 1))
    assert faults(leaf(rolled)) == []
    assert faults(leaf(intermediate(top, "Below"))) == [(Fault.PATH_LENGTH_EXCEEDED, 2)]


@pytest.mark.parametrize(
    ("usage", "purpose", "accepted"),
    [
        (None, Purpose.SERVER, True),
        (None, Purpose.CLIENT, True),
        (("serverAuth",), Purpose.SERVER, True),
        (("serverAuth",), Purpose.CLIENT, False),
        (("clientAuth",), Purpose.CLIENT, True),
        (("clientAuth",), Purpose.SERVER, False),
        (("codeSigning", "any"), Purpose.SERVER, True),
        (("codeSigning",), Purpose.CLIENT, False),
    ],
)
def test_an_extended_key_usage_allows_what_it_lists_or_any_and_absent_it_allows_all(usage, purpose, accepted):
    """RFC 5280 4.2.1.12; docs/defaults.md."""
    expected = [] if accepted else [(Fault.WRONG_EXTENDED_KEY_USAGE, 0)]
    assert faults(leaf(ROOT, usage=usage), purpose) == expected
    nested = [] if accepted else [(Fault.WRONG_EXTENDED_KEY_USAGE, 1)]
    assert faults(leaf(intermediate(ROOT, usage=usage)), purpose) == nested


def test_a_refused_usage_says_what_is_allowed():
    """RFC 5280 4.2.1.12."""
    [reason] = reasons(leaf(ROOT, usage=("clientAuth", "codeSigning")))
    assert reason.facts == {"wanted": "serverAuth", "got": ["clientAuth", "codeSigning"]}


@pytest.mark.parametrize(
    ("kind", "weakness"),
    [
        ("RSA-1024", "RSA of 1024 bits"),
        ("P-224", "elliptic curve secp224r1"),
        ("DSA", "DSA of 2048 bits"),
        ("RSA-2048", None),
        ("Ed448", None),
    ],
)
def test_a_weak_key_is_refused_wherever_it_stands(kind, weakness):
    """RFC 9325 4.5."""
    weak = leaf(ROOT, key_kind=kind)
    assert key_weakness(ParsedCertificate(weak.der).key) == weakness
    assert [(each.fault, each.facts) for each in reasons(weak)] == (
        [(Fault.WEAK_KEY, {"got": weakness})] if weakness else []
    )


@pytest.mark.parametrize(
    ("bits", "exponent", "weakness"),
    [
        (2048, 3, None),
        (2048, 2**255 + 1, None),
        (2048, 2**256 + 1, "RSA of 2048 bits with an exponent of 257"),
        (4096, 2**63 + 1, None),
        (4096, 2**64 + 1, "RSA of 4096 bits with an exponent of 65"),
    ],
)
def test_an_rsa_key_with_a_long_exponent_is_refused(bits, exponent, weakness):
    """FIPS 186-5 A.1.1; OpenSSL checks nothing by a large modulus with a longer one."""
    modulus = key(f"RSA-{bits}").public_key().public_numbers().n
    odd = edited(leaf(ROOT), key=rsa_key(modulus, exponent))
    assert key_weakness(ParsedCertificate(odd.der).key) == weakness


def test_an_rsa_key_with_an_even_modulus_is_refused():
    """It is not a product of two primes."""
    odd = edited(leaf(ROOT), key=rsa_key((1 << 2047) + 2, 65537))
    assert key_weakness(ParsedCertificate(odd.der).key) == "RSA of 2048 bits with an even modulus"


@pytest.mark.parametrize("exponent", [0, 1, 2, 4, 65536])
def test_an_rsa_key_with_an_exponent_that_is_none_is_not_read(exponent):
    """RFC 8017 3.1: an odd number of 3 or more."""
    modulus = key("RSA-2048").public_key().public_numbers().n
    with pytest.raises(ValueError, match="subjectPublicKeyInfo: e must be"):
        ParsedCertificate(edited(leaf(ROOT), key=rsa_key(modulus, exponent)).der).load()


def test_a_weak_key_of_an_anchor_is_refused():
    """docs/defaults.md: an anchor signs, so its key counts."""
    assert (Fault.WEAK_KEY, 1) in faults(leaf(root("Weak", key_kind="RSA-1024")))


@pytest.mark.parametrize(("digest", "named"), [("SHA1", "SHA-1"), ("MD5", "MD5")])
def test_a_weak_hash_is_refused_below_the_anchor_and_ignored_in_its_self_signature(digest, named):
    """RFC 9846 4.5.1.4: an anchor's own signature is not checked."""
    old = root("Old", key_kind="RSA-2048", digest=digest)
    assert faults(leaf(old)) == []
    [reason] = reasons(leaf(root("New", key_kind="RSA-2048"), digest=digest))
    assert (reason.fault, reason.position, reason.facts) == (Fault.WEAK_HASH, 0, {"got": named})


def test_a_ca_certificate_may_be_a_leaf():
    """docs/defaults.md: RFC 5280 forbids it nowhere."""
    assert faults(issue("server", ROOT, ca=True, usage=("serverAuth",))) == []


def test_a_period_of_validity_counts_at_every_place():
    """RFC 5280 6.1.3 a 2."""
    late = intermediate(ROOT, "Late", not_before=NOW + DAY)
    old = leaf(late, not_after=NOW - DAY, not_before=NOW - 9 * DAY)
    assert faults(old) == [(Fault.CERTIFICATE_EXPIRED, 0), (Fault.CERTIFICATE_NOT_YET_VALID, 1)]


def test_an_unknown_critical_extension_is_found_at_every_place():
    """RFC 5280 4.2."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    [reason] = reasons(leaf(intermediate(ROOT, "Odd", extra=[(unknown, True)])))
    assert (reason.fault, reason.position) == (Fault.UNKNOWN_CRITICAL_EXTENSION, 1)
    assert reason.facts == {"oid": "1.3.6.1.4.1.99999.1"}


def test_a_leafs_key_usage_is_held_to_what_its_key_does():
    """RFC 5280 4.2.1.3."""
    [reason] = reasons(leaf(ROOT), key_usage="keyEncipherment")
    assert (reason.fault, reason.facts) == (Fault.WRONG_KEY_USAGE, {"wanted": "keyEncipherment"})


def test_without_purpose_and_key_usage_the_leaf_may_be_anything():
    """RFC 5280 6.3.3 f: the path of a CRL's signer."""
    signer = issue("Signer", ROOT, key_usage=("crl_sign",), usage=("codeSigning",))
    path = [ParsedCertificate(each.der) for each in (signer, ROOT)]
    assert certificate_reasons(path, None, NOW, None) == []


def test_faults_that_do_not_depend_on_the_path_are_found_once():
    """Cached issuers keep them."""
    weak = ParsedCertificate(leaf(ROOT, key_kind="RSA-1024").der)
    assert flaws(weak) is flaws(weak)


POLICY = der(0x06, bytes.fromhex("2a0304"))
NOBODYS = sequence(der(0x06, bytes.fromhex("2a0305")), b"\5\0")
NOBODYS_TEXT = sequence(der(0x06, bytes.fromhex("2a0305")), der(0x16, b"http://a/"))
CPS = sequence(der(0x06, bytes.fromhex("2b06010505070201")), der(0x16, b"http://a/"))
CPS_IN_UTF8 = sequence(der(0x06, bytes.fromhex("2b06010505070201")), der(0x0C, b"http://a/"))
QUALIFIED = [(CPS, False), (CPS_IN_UTF8, True), (NOBODYS, True), (NOBODYS_TEXT, True)]


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(("qualifier", "unknown"), QUALIFIED)
def test_a_policy_qualifier_that_cannot_be_interpreted_refuses_where_policies_are_critical(
    qualifier, unknown, critical
):
    """RFC 5280 4.2.1.4: "including the optional qualifier"."""
    policies = raw("2.5.29.32", sequence(sequence(POLICY, sequence(qualifier))), critical)
    found = [(each.fault, each.facts) for each in reasons(leaf(ROOT, extra=[policies]))]
    what = {"oid": "2.5.29.32 with a policy qualifier"}
    assert found == ([(Fault.UNKNOWN_CRITICAL_EXTENSION, what)] if unknown and critical else [])


def test_a_policy_with_an_unknown_qualifier_counts():
    """RFC 5280 4.2.1.4: the qualifier is ignored, and the policy is not."""
    policies = raw("2.5.29.32", sequence(sequence(POLICY, sequence(NOBODYS))))
    top = ParsedCertificate(ROOT.der)
    path = [ParsedCertificate(leaf(ROOT, extra=[policies]).der), top]
    assert policy_reasons(path, Policies(frozenset({"1.2.3.4"}), required=True)) == []
    [reason] = policy_reasons(path, Policies(frozenset({"1.2.3.5"}), required=True))
    assert reason.fault is Fault.NO_VALID_POLICY


@pytest.mark.parametrize(
    ("value", "leaf_faults", "issuer_faults"),
    [
        ("3000", [], [Fault.NOT_A_CA]),
        ("3003010100", [], [Fault.NOT_A_CA]),
        ("3003020100", [], [Fault.NOT_A_CA]),
        ("3006010100020100", [], [Fault.NOT_A_CA]),
        ("30030101ff", [], []),
    ],
)
def test_an_encoded_default_of_basicconstraints_is_accepted(value, leaf_faults, issuer_faults):
    """RFC 5280 4.2.1.9: cA FALSE, and a path length without a CA, are ignored."""
    basic = raw("2.5.29.19", bytes.fromhex(value), critical=True)
    end = issue("server.example", ROOT, extra=[basic], alternatives=["DNS:server.example"])
    assert [each.fault for each in reasons(end)] == leaf_faults
    below = leaf(issue("Odd", ROOT, key_usage=("key_cert_sign",), extra=[basic]))
    assert [each.fault for each in reasons(below)] == issuer_faults
