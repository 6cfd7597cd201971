"""Signatures: every scheme signs and checks, fits its own keys alone, and an altered one is refused."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bothways.faults import Fault
from bothways.iana import SignatureScheme, name
from bothways.roles import Version
from bothways.tls.crypto import signing
from bothways.tls.crypto.signing import (
    CLIENT_CONTEXT,
    SCHEMES,
    SERVER_CONTEXT,
    check_fits,
    check_signature,
    described,
    is_signature,
    proof_input,
    schemes_for,
    sign,
)
from faults import blames
from pki import key, leaf
from raw_certificates import edited
from raw_keys import PSS as PSS_KEY
from raw_keys import of_algorithm, pss_parameters

S = SignatureScheme
RSA13 = (S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512)
RSA12 = (*RSA13, S.rsa_pkcs1_sha256, S.rsa_pkcs1_sha384, S.rsa_pkcs1_sha512)
PSS = (S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512)
ECDSA = (S.ecdsa_secp256r1_sha256, S.ecdsa_secp384r1_sha384, S.ecdsa_secp521r1_sha512)
FITTING = {
    "P-256": ((S.ecdsa_secp256r1_sha256,), ECDSA),
    "P-384": ((S.ecdsa_secp384r1_sha384,), ECDSA),
    "P-521": ((S.ecdsa_secp521r1_sha512,), ECDSA),
    "RSA-2048": (RSA13, RSA12),
    "Ed25519": ((S.ed25519,), (S.ed25519,)),
    "Ed448": ((S.ed448,), (S.ed448,)),
    "ML-DSA-44": ((S.mldsa44,), ()),
    "ML-DSA-65": ((S.mldsa65,), ()),
    "ML-DSA-87": ((S.mldsa87,), ()),
}
PAIRS = [(kind, scheme) for kind, (_, tls12) in FITTING.items() for scheme in {*FITTING[kind][0], *tls12}]
every_pair = pytest.mark.parametrize(
    ("kind", "scheme"), PAIRS, ids=lambda value: getattr(value, "name", value)
)
every_kind = pytest.mark.parametrize("kind", FITTING)


# Its key is bound to PSS: `openssl req -x509 -newkey rsa-pss` made it, since `cryptography` makes none.
PSS_CERTIFICATE = b"""-----BEGIN CERTIFICATE-----
MIIDYTCCAhSgAwIBAgIUWRzXIlmw92j+TDW6sYb70aWgd4swQgYJKoZIhvcNAQEK
MDWgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
AKIEAgIA3jAMMQowCAYDVQQDDAF4MB4XDTI2MTEyMzIwNDEwNFoXDTI2MTIwMzIw
NDEwNFowDDEKMAgGA1UEAwwBeDCCASAwCwYJKoZIhvcNAQEKA4IBDwAwggEKAoIB
AQCGa7By2ZwO//4pj3h+W3qRd6ZqlQfNikKj0+H9Aa55eKCGLgvqPprw4VxzEgDt
Oz7LofucNOCvI+SlDwNk4Y/tycReiZtKrp2VllkVaLg8Se1CqI2XJtdSWqVbuoGZ
U80QcfvgCvrNqOTbFUCGb9trKyQqy8be/+4adbAXwlcx2MtVl2cDkZZFE2gclCrO
3sLMjqiRlt3XQG3aCYTTax5DNHCsYGclGv5lqWADginbOF7I+JPJL2+U+VjH3GB8
mhY7vfa5LDmNJLFiK0tPBsLXx3eatn18O65Dvwqm06Oy7iKJ0Rj95R3zNC7ysrNk
cFYPnAfpZGaCrzcrl66EeHVjAgMBAAGjUzBRMB0GA1UdDgQWBBSoUJZViE465DCA
oVr4c7N5ESQ5XzAfBgNVHSMEGDAWgBSoUJZViE465DCAoVr4c7N5ESQ5XzAPBgNV
HRMBAf8EBTADAQH/MEIGCSqGSIb3DQEBCjA1oA8wDQYJYIZIAWUDBAIBBQChHDAa
BgkqhkiG9w0BAQgwDQYJYIZIAWUDBAIBBQCiBAICAN4DggEBAAFAJQxcdBWoSqAx
UGLE0q4pTs8nXC+tDYieocJVKKNLyB8VFSd93310cTnswcW4QV7I0bP1yAfROczE
23iIOWCL7W0rEmpdPsh53SVNmn/QyZzl84snhS/3U62zgolzqmRTWoi4SSODC76z
srGCYEWjQgwKyTDk0HPt987qOwAFfQ2tUeNaH5gCU4x/l2CYwz6zjtKIy0ruiywc
fs+XXM8S/CqLjZiIjClXOjx1BYBn8kr3DKz8KSZ6uVJr5HBbWYze9PrAD+q9m9KG
rQ0EPR2zliAFw456uXfgUGm+v2LmQGvK8wB/2CDPk71YwOFv4ERuyZkyvP0XV8cL
v1FK0zU=
-----END CERTIFICATE-----
"""


def version_for(kind: str, scheme: int) -> Version:
    """The newest version in which a key of that kind signs by `scheme`."""
    return Version.TLS13 if scheme in FITTING[kind][0] else Version.TLS12


@every_pair
def test_signature_by_every_scheme_is_verified(kind: str, scheme: SignatureScheme) -> None:
    """RFC 9846 4.3.3: by every scheme, with a key that fits."""
    signature = sign(scheme, key(kind), b"data")
    assert is_signature(scheme, key(kind).public_key(), b"data", signature)
    check_signature(scheme, key(kind).public_key(), b"data", signature, version_for(kind, scheme))


@every_pair
def test_an_altered_signature_is_refused(kind: str, scheme: SignatureScheme) -> None:
    """RFC 9846 4.5.2: any other signature, data or key means decrypt_error."""
    public = key(kind).public_key()
    signature = sign(scheme, key(kind), b"data")
    altered = bytearray(signature)
    altered[-1] ^= 1
    for wrong in (
        bytes(altered),
        signature[:-1],
        signature + b"\0",
        b"",
        b"\0" * len(signature),
        b"\x30" * 70000,
    ):
        with blames(Fault.BAD_CERTIFICATE_VERIFY):
            check_signature(scheme, public, b"data", wrong, version_for(kind, scheme))
    with blames(Fault.BAD_CERTIFICATE_VERIFY):
        check_signature(scheme, public, b"date", signature, version_for(kind, scheme))
    other = key(kind, 1).public_key()
    with blames(Fault.BAD_CERTIFICATE_VERIFY):
        check_signature(scheme, other, b"data", signature, version_for(kind, scheme))


@every_kind
def test_the_schemes_of_a_key_are_those_of_the_rfc(kind: str) -> None:
    """RFC 9846 4.3.3: curve-bound ECDSA and PSS alone in TLS 1.3; RFC 5246 7.4.1.4.1 and RFC 8422 in 1.2."""
    public = key(kind).public_key()
    assert schemes_for(public, Version.TLS13) == FITTING[kind][0]
    assert set(schemes_for(public, Version.TLS12)) == set(FITTING[kind][1])
    assert schemes_for(leaf(None, own_key=key(kind)).certificate, Version.TLS13) == FITTING[kind][0]


@every_kind
def test_a_scheme_that_does_not_fit_the_key_is_refused(kind: str) -> None:
    """RFC 9846 4.5.2: the algorithm of a CertificateVerify is one for the key of the certificate."""
    public = key(kind).public_key()
    for scheme in (*S, 0x0A0A, 0xFFFF):
        for version, fitting in zip((Version.TLS13, Version.TLS12), FITTING[kind], strict=True):
            if scheme in fitting:
                check_fits(scheme, public, version)
                continue
            with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, got=name(S, scheme), key=described(public)):
                check_fits(scheme, public, version)
            with blames(Fault.SCHEME_DOES_NOT_FIT_KEY):
                check_signature(scheme, public, b"data", b"signature", version)


@every_kind
def test_no_key_checks_by_a_scheme_of_another_kind(kind: str) -> None:
    """A signature is never handed to a key of another kind."""
    for scheme in set(S) - set(FITTING[kind][0]) - set(FITTING[kind][1]) - set(PSS):
        assert not is_signature(scheme, key(kind).public_key(), b"data", bytes(64))


def test_a_key_bound_to_pss_signs_by_the_pss_schemes_alone() -> None:
    """RFC 9846 4.3.3: rsa_pss_pss is for keys with the OID of RSASSA-PSS, rsa_pss_rsae for all others."""
    certificate = x509.load_pem_x509_certificate(PSS_CERTIFICATE)
    assert schemes_for(certificate, Version.TLS13) == PSS
    assert schemes_for(certificate, Version.TLS12) == PSS
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, got="rsa_pss_rsae_sha256", key="2048-bit RSA"):
        check_fits(S.rsa_pss_rsae_sha256, certificate, Version.TLS13)
    plain = leaf(None, own_key=key("RSA-2048")).certificate
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, got="rsa_pss_pss_sha256"):
        check_fits(S.rsa_pss_pss_sha256, plain, Version.TLS13)
    with blames(Fault.BAD_CERTIFICATE_VERIFY):
        check_signature(S.rsa_pss_pss_sha256, certificate, b"data", bytes(256), Version.TLS13)


@pytest.mark.parametrize(
    ("digest", "salt", "schemes"),
    [
        ("SHA256", 32, (S.rsa_pss_pss_sha256,)),
        ("SHA384", 48, (S.rsa_pss_pss_sha384,)),
        ("SHA512", 64, (S.rsa_pss_pss_sha512,)),
        ("SHA256", 20, ()),
        ("SHA1", 20, ()),
    ],
)
def test_a_key_bound_to_parameters_of_pss_signs_by_the_scheme_that_has_them(
    digest: str, salt: int, schemes: tuple[int, ...]
) -> None:
    """RFC 9846 4.3.3: the parameters in the signature are identical to those in the public key."""
    own = leaf(None, own_key=key("RSA-2048"))
    bound = edited(own, key=of_algorithm(own.key, PSS_KEY, pss_parameters(digest, salt))).certificate
    assert schemes_for(bound, Version.TLS13) == schemes
    assert schemes_for(bound, Version.TLS12) == schemes


@pytest.mark.parametrize("scheme", PSS, ids=lambda scheme: scheme.name)
def test_a_pss_scheme_signs_with_a_salt_as_long_as_its_hash(scheme: SignatureScheme) -> None:
    """RFC 9846 4.3.3: the same signature verifies by the rsae scheme of that hash, the keys being alike."""
    signature = sign(scheme, key("RSA-2048"), b"data")
    twin = S[scheme.name.replace("pss_pss", "pss_rsae")]
    assert is_signature(twin, key("RSA-2048").public_key(), b"data", signature)


@pytest.mark.parametrize(("bits", "schemes"), [(1024, RSA13[:2]), (1040, RSA13)])
def test_an_rsa_key_too_short_for_hash_and_salt_has_no_such_scheme(
    bits: int, schemes: tuple[int, ...]
) -> None:
    """RFC 8017 9.1.1: the encoded message holds hash and salt; its strength is asked by trust."""
    private = rsa.generate_private_key(65537, bits)
    assert schemes_for(private.public_key(), Version.TLS13) == schemes
    for scheme in schemes:
        assert is_signature(scheme, private.public_key(), b"data", sign(scheme, private, b"data"))
    assert not is_signature(S.rsa_pss_rsae_sha512, private.public_key(), b"data", bytes(bits // 8))


@pytest.mark.parametrize(("bits", "fits"), [(17, True), (256, True), (257, False), (2040, False)])
def test_an_rsa_key_with_a_long_exponent_has_no_scheme(bits: int, fits: bool) -> None:
    """FIPS 186-5 A.1.1: a check takes time that grows with it, on the word of a peer that is not trusted yet."""
    public = rsa.RSAPublicNumbers(
        1 << (bits - 1) | 1, key("RSA-2048").public_key().public_numbers().n
    ).public_key()
    assert bool(schemes_for(public, Version.TLS13)) is bool(schemes_for(public, Version.TLS12)) is fits
    if not fits:
        with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, key=f"2048-bit RSA with an exponent of {bits} bits"):
            check_fits(S.rsa_pss_rsae_sha256, public, Version.TLS13)


def test_a_curve_that_we_do_not_speak_has_no_scheme() -> None:
    """RFC 9846 4.3.3: there is no code point for it."""
    public = ec.generate_private_key(ec.SECP256K1()).public_key()
    assert schemes_for(public, Version.TLS13) == ()
    assert schemes_for(public, Version.TLS12) == ()
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, key="secp256k1"):
        check_fits(S.ecdsa_secp256r1_sha256, public, Version.TLS13)


def test_a_key_of_an_unknown_kind_has_no_scheme() -> None:
    """Whatever `cryptography` may load besides."""
    assert schemes_for(key("DSA").public_key(), Version.TLS13) == ()
    with blames(Fault.SCHEME_DOES_NOT_FIT_KEY, key="DSAPublicKey"):
        check_fits(S.ed25519, key("DSA").public_key(), Version.TLS13)


def test_we_never_sign_with_a_key_that_does_not_fit() -> None:
    """Our own mistake, not the peer's."""
    with pytest.raises(ValueError, match="ed25519 does not fit a secp256r1 key"):
        sign(S.ed25519, key("P-256"), b"data")


def test_no_scheme_with_sha1_is_supported() -> None:
    """RFC 9846 4.3.3: SHA-1 signatures are not accepted."""
    assert not {S.rsa_pkcs1_sha1, S.ecdsa_sha1} & set(SCHEMES)
    assert set(SCHEMES) == set(S) - {S.rsa_pkcs1_sha1, S.ecdsa_sha1}
    assert all(row.name == S(code).name for code, row in signing.TABLE.items())


def test_a_proof_covers_padding_context_and_transcript() -> None:
    """RFC 9846 4.5.2: the example for a server and a hash of 32 bytes of 01."""
    expected = (
        "20" * 64 + "544c5320312e332c207365727665722043657274696669636174655665726966790" + "0" + "01" * 32
    )
    assert proof_input(SERVER_CONTEXT, b"\1" * 32).hex() == expected
    assert proof_input(CLIENT_CONTEXT, b"\1" * 32)[64:].startswith(b"TLS 1.3, client CertificateVerify\0\1")


@every_kind
def test_a_key_is_described_in_words(kind: str) -> None:
    """What an error says of a key."""
    words = {"RSA-2048": "2048-bit RSA", "P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
    assert described(key(kind)) == described(key(kind).public_key())
    assert described(key(kind)) == words.get(kind, kind.replace("-", "").upper())
