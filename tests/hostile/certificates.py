"""Certificates built by hand and signed with real keys of the stranger who sends them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import pki
from hostile.der import (
    NULL,
    OCTET_STRING,
    bits,
    dotted,
    explicit,
    name,
    oid,
    sequence,
    time,
    tlv,
)

ECDSA_SHA256 = sequence(dotted("1.2.840.10045.4.3.2"))
RSA_SHA256 = sequence(dotted("1.2.840.113549.1.1.11"), tlv(NULL))
RSA_SHA1 = sequence(dotted("1.2.840.113549.1.1.5"), tlv(NULL))
VALIDITY = sequence(time("260101000000Z"), time("270101000000Z"))
TRUE = b"\x01\x01\xff"

BASIC_CONSTRAINTS = oid(2, 5, 29, 19)
KEY_USAGE = oid(2, 5, 29, 15)
ALTERNATIVE_NAME = oid(2, 5, 29, 17)
ISSUER_ALTERNATIVE_NAME = oid(2, 5, 29, 18)
NAME_CONSTRAINTS = oid(2, 5, 29, 30)
DISTRIBUTION_POINTS = oid(2, 5, 29, 31)
POLICIES = oid(2, 5, 29, 32)
MAPPINGS = oid(2, 5, 29, 33)
AUTHORITY_KEY = oid(2, 5, 29, 35)
POLICY_CONSTRAINTS = oid(2, 5, 29, 36)
EXTENDED_USAGE = oid(2, 5, 29, 37)
FRESHEST = oid(2, 5, 29, 46)
SUBJECT_KEY = oid(2, 5, 29, 14)
AUTHORITY_ACCESS = dotted("1.3.6.1.5.5.7.1.1")
SUBJECT_ACCESS = dotted("1.3.6.1.5.5.7.1.11")
TLS_FEATURE = dotted("1.3.6.1.5.5.7.1.24")
TIMESTAMPS = dotted("1.3.6.1.4.1.11129.2.4.2")

IS_CA = (BASIC_CONSTRAINTS, True, sequence(TRUE))

Extension = tuple[bytes, bool, bytes]


@cache
def spki(kind: str = "P-256", number: int = 0) -> bytes:
    """The public key of one of the shared keys, as a certificate has it."""
    return pki.key(kind, number).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def extension(kind: bytes, critical: bool, value: bytes) -> bytes:
    return sequence(kind, TRUE if critical else b"", tlv(OCTET_STRING, value))


def certificate(
    subject: bytes,
    issuer: bytes,
    extensions: Sequence[Extension] = (),
    *,
    key: bytes | None = None,
    signer: object = None,
    serial: bytes = b"\x02\x01\x07",
    version: bytes = b"\xa0\x03\x02\x01\x02",
    validity: bytes = VALIDITY,
    algorithm: bytes | None = None,
    signature: bytes | None = None,
) -> bytes:
    """One certificate in DER. key: its public key with the algorithm.  signer: a private key.

    signature: bytes that stand where a signature would, which then is none.
    """
    signer = signer or pki.key("P-256", 0)
    algorithm = algorithm or (RSA_SHA256 if isinstance(signer, rsa.RSAPrivateKey) else ECDSA_SHA256)
    those = explicit(3, sequence(*(extension(*each) for each in extensions))) if extensions else b""
    signed = sequence(version, serial, algorithm, issuer, validity, subject, key or spki(), those)
    return sequence(signed, algorithm, bits(_signature(signer, signed) if signature is None else signature))


def _signature(signer: object, data: bytes) -> bytes:
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return signer.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(data, padding.PKCS1v15(), hashes.SHA256())
    raise TypeError(f"{type(signer).__name__} signs nothing here")


def authority(subject: bytes, issuer: bytes, *extensions: Extension, **options: object) -> bytes:
    """A certificate of a CA."""
    return certificate(subject, issuer, (IS_CA, *extensions), **options)


EMPTY = sequence()
NOBODY = name("Nobody")
