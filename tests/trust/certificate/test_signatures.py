"""Whether a key signed a certificate, and which algorithms count."""

from __future__ import annotations

from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.x509.oid import SignatureAlgorithmOID

from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by, weakness
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.decoding.pem import body
from bothways.trust.ocsp.response import OCSPResponse
from pki import NOW, altered, crl, der, key, leaf, ocsp_response, root
from raw_certificates import edited, sequence, signature_of
from raw_keys import NULL, PSS, RSA, of_algorithm, pss_parameters, signing_by_pss

KINDS = ["P-256", "P-384", "P-521", "RSA-2048", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]


def holder(kind: str) -> ParsedCertificate:
    """A certificate with a key of a kind."""
    return ParsedCertificate(root(f"Root {kind}", key_kind=kind).der)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_valid_under_its_own_key_only(kind):
    """RFC 5280 6.1.3 a 1."""
    top = root(f"Root {kind}", key_kind=kind)
    child = leaf(top)
    assert weakness(ParsedCertificate(child.der)) is None
    assert is_signed_by(ParsedCertificate(child.der), ParsedCertificate(top.der))
    assert not is_signed_by(ParsedCertificate(altered(child).der), ParsedCertificate(top.der))
    others = [holder(other) for other in KINDS if other != kind]
    assert not any(is_signed_by(ParsedCertificate(child.der), other) for other in others)


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("pss", [False, True])
def test_rsa_signatures_hold_with_either_padding_and_any_strong_hash(digest, pss):
    """RFC 4055."""
    child = ParsedCertificate(leaf(root("RSA", key_kind="RSA-2048"), digest=digest, pss=pss).der)
    assert weakness(child) is None
    assert is_signed_by(child, ParsedCertificate(root("RSA", key_kind="RSA-2048").der))


@pytest.mark.parametrize(("digest", "named"), [("SHA1", "SHA-1"), ("MD5", "MD5")])
def test_a_weak_hash_is_named(digest, named):
    """RFC 9846 4.5.1.4."""
    child = ParsedCertificate(leaf(root("RSA", key_kind="RSA-2048"), digest=digest).der)
    assert weakness(child) == (Fault.WEAK_HASH, named)


def test_an_algorithm_that_we_do_not_accept_is_named():
    """RFC 9846 4.3.3: SHA-224 and unknown algorithms."""
    rsa, last = bytes.fromhex("2a864886f70d0101"), b"\x0b"
    der = leaf(root("RSA", key_kind="RSA-2048")).der
    sha224 = ParsedCertificate(der.replace(rsa + last, rsa + b"\x0e"))
    assert weakness(sha224) == (Fault.UNSUPPORTED_SIGNATURE, "sha224WithRSAEncryption")
    nobodys = ParsedCertificate(der.replace(rsa + last, rsa + b"\x7f"))
    assert weakness(nobodys) == (Fault.UNSUPPORTED_SIGNATURE, "1.2.840.113549.1.1.127")
    assert not is_signed_by(sha224, holder("Ed25519"))
    assert SignatureAlgorithmOID.RSA_WITH_SHA224.dotted_string == "1.2.840.113549.1.1.14"


def test_rsa_pss_with_an_unknown_mask_hash_is_not_accepted():
    """RFC 8017 A.2.3; the parser raises only when the parameters are asked for."""
    top = root("RSA", key_kind="RSA-2048")
    mask = bytes.fromhex("06092a864886f70d010108300d0609608648016503040201")
    unknown = ParsedCertificate(leaf(top, pss=True).der.replace(mask, mask[:-1] + b"\x7f"))
    assert weakness(unknown) == (Fault.UNSUPPORTED_SIGNATURE, "RSASSA-PSS with unknown parameters")
    assert not is_signed_by(unknown, ParsedCertificate(top.der))


def test_rsa_pss_with_a_weak_or_unknown_hash_does_not_count():
    """RFC 4055 3.1."""
    der = leaf(root("RSA", key_kind="RSA-2048"), pss=True).der
    sha256 = bytes.fromhex("0609608648016503040201")
    assert sha256 in der
    unknown = ParsedCertificate(der.replace(sha256, bytes.fromhex("060960864801650304027f")))
    assert weakness(unknown) == (Fault.UNSUPPORTED_SIGNATURE, "RSASSA-PSS with unknown parameters")
    vector = Path(cryptography_vectors.__file__).parent / "x509" / "ee-pss-sha1-cert.pem"
    old = ParsedCertificate(body(vector.read_bytes()))
    assert weakness(old) == (Fault.WEAK_HASH, "SHA-1")


def test_a_key_of_another_kind_verifies_nothing():
    """RFC 5280 6.1.3 a 1: an RSA signature cannot be checked with an EC key."""
    child = ParsedCertificate(leaf(root("RSA", key_kind="RSA-2048")).der)
    assert not is_signed_by(child, holder("P-256"))
    assert not is_signed_by(child, ParsedCertificate(leaf(root(), own_key=key("DSA")).der))


RSA_CA = root("RSA", key_kind="RSA-2048")
BOUND = {
    "unbound": of_algorithm(RSA_CA.key, RSA, NULL),
    "to PSS": of_algorithm(RSA_CA.key, PSS),
    "to PSS with SHA-256 and 32": of_algorithm(RSA_CA.key, PSS, pss_parameters("SHA256", 32)),
    "to PSS with SHA-256 and 20": of_algorithm(RSA_CA.key, PSS, pss_parameters("SHA256", 20)),
    "to PSS with SHA-384 and 48": of_algorithm(RSA_CA.key, PSS, pss_parameters("SHA384", 48)),
    "to PSS with SHA-1 and 20": of_algorithm(RSA_CA.key, PSS, sequence()),
}
PKCS1_SHA256 = sequence(der(0x06, bytes.fromhex("2a864886f70d01010b")), NULL)
SIGNED = {
    "PKCS#1": (PKCS1_SHA256, signature_of),
    "SHA-256, 32": (sequence(PSS, pss_parameters("SHA256", 32)), signing_by_pss("SHA256", 32)),
    "SHA-256, 20": (sequence(PSS, pss_parameters("SHA256", 20)), signing_by_pss("SHA256", 20)),
    "SHA-384, 48": (sequence(PSS, pss_parameters("SHA384", 48)), signing_by_pss("SHA384", 48)),
}
HOLDS = {
    "unbound": {"PKCS#1", "SHA-256, 32", "SHA-256, 20", "SHA-384, 48"},
    "to PSS": {"SHA-256, 32", "SHA-256, 20", "SHA-384, 48"},
    "to PSS with SHA-256 and 32": {"SHA-256, 32"},
    "to PSS with SHA-256 and 20": {"SHA-256, 32", "SHA-256, 20"},
    "to PSS with SHA-384 and 48": {"SHA-384, 48"},
    "to PSS with SHA-1 and 20": set(),
}


@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("bound", BOUND)
def test_a_key_restricted_to_pss_verifies_no_other_signature(bound, signed):
    """RFC 4055 1.2 and 3.3: nor one with another hash or a shorter salt."""
    signer = ParsedCertificate(edited(RSA_CA, key=BOUND[bound]).der)
    algorithm, sign = SIGNED[signed]
    child = ParsedCertificate(edited(leaf(RSA_CA), algorithm=algorithm, sign=sign).der)
    assert weakness(child) is None
    assert is_signed_by(child, signer) is (signed in HOLDS[bound])


def test_a_crl_of_a_key_restricted_to_pss_needs_a_pss_signature():
    """RFC 4055 1.2."""
    assert CRL(crl(RSA_CA)).is_signed_by(ParsedCertificate(RSA_CA.der))
    assert not CRL(crl(RSA_CA)).is_signed_by(ParsedCertificate(edited(RSA_CA, key=BOUND["to PSS"]).der))


def test_an_ocsp_response_of_a_key_restricted_to_pss_needs_a_pss_signature():
    """RFC 4055 1.2."""
    end = leaf(RSA_CA)
    response = OCSPResponse(ocsp_response(end))
    assert isinstance(response.signer(ParsedCertificate(RSA_CA.der), NOW), ParsedCertificate)
    assert isinstance(response.signer(ParsedCertificate(edited(RSA_CA, key=BOUND["to PSS"]).der), NOW), str)


def identifier(text: str) -> bytes:
    return der(0x06, bytes.fromhex(text))


SHA256_RSA, SHA256_ECDSA, ED25519 = map(identifier, ("2a864886f70d01010b", "2a8648ce3d040302", "2b6570"))
PARAMETERS = [
    ("RSA-2048", sequence(SHA256_RSA, NULL), True),
    ("RSA-2048", sequence(SHA256_RSA), True),
    ("RSA-2048", sequence(SHA256_RSA, sequence()), False),
    ("P-256", sequence(SHA256_ECDSA), True),
    ("P-256", sequence(SHA256_ECDSA, NULL), False),
    ("P-256", sequence(SHA256_ECDSA, sequence()), False),
    ("Ed25519", sequence(ED25519), True),
    ("Ed25519", sequence(ED25519, NULL), False),
]


@pytest.mark.parametrize(("kind", "algorithm", "holds"), PARAMETERS)
def test_an_algorithm_has_the_parameters_that_it_may_have(kind, algorithm, holds):
    """RFC 4055 5, RFC 5758 3.2, RFC 8410 3: NULL, or none; RSA without NULL is accepted."""
    top = root(f"Root {kind}", key_kind=kind)
    child = ParsedCertificate(edited(leaf(top), algorithm=algorithm).der)
    if holds:
        assert is_signed_by(child, ParsedCertificate(top.der))
    else:
        with pytest.raises(ValueError, match="trailing bytes"):
            is_signed_by(child, ParsedCertificate(top.der))
