"""Signs certificates and CRLs also with keys in hardware.

The builders of `cryptography` sign only with keys in memory. For a key in hardware the certificate or CRL is built
with a temporary key of the same type, and its signature is replaced.
"""

from __future__ import annotations

from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.der import BIT_STRING, SEQUENCE, sequence, tagged
from bothways.ca.errors import KeyUnavailable
from bothways.ca.keys import HeldKey, PrivateKey, PublicKey, SigningKey, signature_hash
from bothways.trust.decoding import parsing
from bothways.trust.der import elements, expect_element


def sign_certificate(builder: x509.CertificateBuilder, key: SigningKey) -> x509.Certificate:
    """Sign a certificate."""
    if not isinstance(key, HeldKey):
        return builder.sign(key, signature_hash(key))
    stand_in = _placeholder(key.public_key())
    built = builder.sign(stand_in, signature_hash(stand_in))
    return parsing.certificate(_re_signed(built.public_bytes(Encoding.DER), key))


def sign_crl(
    builder: x509.CertificateRevocationListBuilder, key: SigningKey
) -> x509.CertificateRevocationList:
    """Sign a CRL."""
    if not isinstance(key, HeldKey):
        return builder.sign(key, signature_hash(key))
    stand_in = _placeholder(key.public_key())
    built = builder.sign(stand_in, signature_hash(stand_in))
    return parsing.crl(_re_signed(built.public_bytes(Encoding.DER), key))


def _re_signed(der: bytes, key: HeldKey) -> bytes:
    """Replace the signature of a SEQUENCE { toBeSigned, algorithm, signature } (RFC 5280 4.1 and 5.1)."""
    start, end = expect_element(der, 0, len(der), SEQUENCE, "signed sequence")
    (_, signed_at, _, signed_end), (_, _, _, algorithm_end), _ = elements(der, start, end)
    signed, algorithm = der[signed_at:signed_end], der[signed_end:algorithm_end]
    signature = key.sign(signed)
    _check(signature, signed, key.public_key())
    return sequence(signed, algorithm, tagged(BIT_STRING, b"\0" + signature))


def _check(signature: bytes, signed: bytes, public: PublicKey) -> None:
    """Verify a signature of a token with the public key before it is used."""
    algorithm = signature_hash(public)
    try:
        if isinstance(public, ec.EllipticCurvePublicKey) and algorithm is not None:
            public.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(public, rsa.RSAPublicKey) and algorithm is not None:
            public.verify(signature, signed, padding.PKCS1v15(), algorithm)
        else:
            raise KeyUnavailable("a key in a token signs with ECDSA or RSA only")
    except InvalidSignature:
        raise KeyUnavailable("the token's signature does not verify with its public key") from None


def _placeholder(public: PublicKey) -> PrivateKey:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _ec_key(type(public.curve))
    return _rsa_key()


@cache
def _ec_key(curve: type[ec.EllipticCurve]) -> PrivateKey:
    return ec.generate_private_key(curve())


@cache
def _rsa_key() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
