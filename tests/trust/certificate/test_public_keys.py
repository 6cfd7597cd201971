"""The algorithm and parameters of a public key in a certificate (RFC 4055, RFC 5480)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bothways.trust.certificate.public_keys import PSSRestriction, check_key_algorithm, pss_restriction
from pki import der, key
from raw_certificates import sequence
from raw_keys import (
    EC,
    HASHES,
    MGF1,
    NULL,
    PSS,
    RSA,
    explicit_p256,
    hash_algorithm,
    integer,
    of_algorithm,
    pss_parameters,
    public_key,
)

OWN = key("RSA-2048", 91)
P256_KEY = key("P-256", 91)
SHA1, SHA256, SHA384 = (bytes.fromhex(HASHES[each]) for each in ("SHA1", "SHA256", "SHA384"))


def with_point(point: bytes, unused: int = 0) -> bytes:
    """A key on P-256 with another point, of which the parser may think what it will."""
    algorithm = sequence(EC, der(6, bytes.fromhex("2a8648ce3d030107")))
    return sequence(algorithm, der(3, bytes([unused]) + point))


READ = ("RSA-2048", "P-256", "P-384", "Ed25519", "Ed448", "DSA", "ML-DSA-44")


@pytest.mark.parametrize("kind", READ)
def test_keys_of_known_kinds_are_read(kind):
    """RFC 5280 4.1.2.7."""
    spki = public_key(key(kind))
    check_key_algorithm(spki)
    assert pss_restriction(spki) is None


@pytest.mark.parametrize(
    ("spki", "problem"),
    [
        (of_algorithm(P256_KEY, EC, explicit_p256()), "is not given by its name"),
        (of_algorithm(P256_KEY, EC, explicit_p256(b"\4" + bytes(64))), "is not given by its name"),
        (of_algorithm(P256_KEY, EC, NULL), "is not given by its name"),
        (of_algorithm(P256_KEY, EC), "is not given by its name"),
        (of_algorithm(P256_KEY, der(6, bytes.fromhex("2b8104010c"))), "a type of key that we do not support"),
        (
            of_algorithm(OWN, der(6, bytes.fromhex("2a864886f70d010107"))),
            "a type of key that we do not support",
        ),
        (with_point(b"\6" + bytes(64)), "an elliptic curve point in a form that is not allowed for keys"),
        (with_point(b"\7" + bytes(64)), "an elliptic curve point in a form that is not allowed for keys"),
        (with_point(b"\0"), "an elliptic curve point in a form that is not allowed for keys"),
        (with_point(b""), "an elliptic curve point in a form that is not allowed for keys"),
        (
            with_point(b"\4" + bytes(64), unused=1),
            "an elliptic curve point in a form that is not allowed for keys",
        ),
        (b"\5\0", "no subjectPublicKeyInfo"),
        (sequence(NULL), "no algorithm"),
        (sequence(sequence(NULL)), "no algorithm"),
    ],
)
def test_keys_of_other_kinds_and_on_unnamed_curves_are_refused(spki, problem):
    """RFC 5480 2.1.1: "implicitCurve and specifiedCurve MUST NOT be used in PKIX"; 2.2: no hybrid form either."""
    with pytest.raises(ValueError, match=problem):
        check_key_algorithm(spki)


@pytest.mark.parametrize(
    ("algorithm", "binding"),
    [
        ((RSA, NULL), None),
        ((RSA,), None),
        ((PSS,), PSSRestriction()),
        ((PSS, sequence()), PSSRestriction(SHA1, SHA1, 20)),
        ((PSS, pss_parameters("SHA256", 32)), PSSRestriction(SHA256, SHA256, 32)),
        ((PSS, pss_parameters("SHA256", 20, mask="SHA384")), PSSRestriction(SHA256, SHA384, 20)),
        ((PSS, pss_parameters("SHA256", 32, trailer=1)), PSSRestriction(SHA256, SHA256, 32)),
    ],
)
def test_the_restriction_of_a_key_to_rsassa_pss_is_decoded(algorithm, binding):
    """RFC 4055 1.2 and 3.1."""
    assert pss_restriction(of_algorithm(OWN, *algorithm)) == binding


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        (NULL, "no parameters of RSASSA-PSS"),
        (pss_parameters("SHA256", 32, trailer=2), "an RSASSA-PSS trailerField that is not 1"),
        (sequence(der(0xA1, sequence(RSA, hash_algorithm("SHA256")))), "is not MGF1"),
        (sequence(der(0xA1, sequence(MGF1))), "no algorithm|cut off"),
        (sequence(der(0xA2, NULL)), "a number"),
        (sequence(der(0xA2, integer(1) + integer(2))), "a number"),
        (sequence(der(0xA2, integer(2**40))), "a number"),
    ],
)
def test_malformed_pss_parameters_are_refused(parameters, problem):
    """RFC 4055 3.1."""
    with pytest.raises(ValueError, match=problem):
        pss_restriction(of_algorithm(OWN, PSS, parameters))


CHOSEN = [
    ("SHA256", 32, hashes.SHA256(), hashes.SHA256(), 32, True),
    ("SHA256", 20, hashes.SHA256(), hashes.SHA256(), 32, True),
    ("SHA256", 32, hashes.SHA256(), hashes.SHA256(), 20, False),
    ("SHA256", 32, hashes.SHA384(), hashes.SHA384(), 48, False),
    ("SHA256", 32, hashes.SHA256(), hashes.SHA384(), 32, False),
    ("SHA256", 32, hashes.SHA384(), hashes.SHA256(), 32, False),
    ("nobody's", 32, hashes.SHA3_256(), hashes.SHA3_256(), 32, False),
]


@pytest.mark.parametrize(("bound", "salt", "digest", "mask", "chosen", "allowed"), CHOSEN)
def test_a_restricted_key_signs_with_its_hash_and_no_shorter_salt(bound, salt, digest, mask, chosen, allowed):
    """RFC 4055 3.3."""
    binding = pss_restriction(of_algorithm(OWN, PSS, pss_parameters(bound, salt)))
    assert binding.allows(padding.PSS(padding.MGF1(mask), chosen), digest) is allowed
    assert PSSRestriction().allows(padding.PSS(padding.MGF1(mask), chosen), digest)


def test_a_restricted_key_is_for_the_tls_scheme_with_its_parameters():
    """RFC 9846 4.3.3: they are identical."""
    bound = pss_restriction(of_algorithm(OWN, PSS, pss_parameters("SHA256", 32)))
    assert bound.is_for(hashes.SHA256())
    assert not bound.is_for(hashes.SHA384())
    assert not pss_restriction(of_algorithm(OWN, PSS, pss_parameters("SHA256", 20))).is_for(hashes.SHA256())
    assert PSSRestriction().is_for(hashes.SHA512())
