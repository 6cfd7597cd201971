"""Describes keys and the algorithms of keys and signatures. Private keys are named, never shown."""

from __future__ import annotations

import re
from hashlib import sha256

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    INTEGER,
    NULL,
    OID,
    SEQUENCE,
    Element,
    Fields,
    first,
    integer,
    number_text,
    oid,
    outline,
    whole,
)
from bothways.describe.documents.document import Document, Unreadable
from bothways.describe.escape import visible
from bothways.oids import ALGORITHMS, CURVES, HASHES
from bothways.trust.decoding import parsing
from bothways.trust.decoding.parsing import EncodingError

_PSS, _MGF1, _EC = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8", "1.2.840.10045.2.1"


def key_text(key: object) -> str:
    """Return kind and size of a public or private key as text."""
    match key:
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return f"RSA, {key.key_size} bits"
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return f"ECDSA on {key.curve.name}"
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519"
        case ed448.Ed448PublicKey() | ed448.Ed448PrivateKey():
            return "Ed448"
        case dsa.DSAPublicKey() | dsa.DSAPrivateKey():
            return f"DSA, {key.key_size} bits"
    return (
        re.sub(r"(Public|Private)Key$", "", type(key).__name__)
        .replace("MLDSA", "ML-DSA-")
        .replace("MLKEM", "ML-KEM-")
    )


def key_id(key: object) -> str:
    """Return the SHA-256 digest of a key's SubjectPublicKeyInfo, in hexadecimal."""
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(encoded).hexdigest()


def public_key_text(info: Element) -> tuple[str, str]:
    """Return a SubjectPublicKeyInfo as text, and the `key_id` of its key, or why it cannot be decoded.

    The key is not loaded, since that may take long for a malicious one.
    """
    identity = sha256(info.encoded).hexdigest()
    try:
        fields = Fields(info)
        algorithm = fields.take(SEQUENCE, "algorithm of the key")
        key = fields.take(BIT_STRING, "key").content[1:]
        return _public_key(algorithm, key), identity
    except ValueError as error:
        return f"cannot be read: {error}", identity


def algorithm_text(found: Element) -> str:
    """Return an AlgorithmIdentifier as text, with its parameters if there are any."""
    try:
        fields = Fields(found.expect(SEQUENCE, "algorithm"))
        identifier = oid(fields.take(OID, "identifier of an algorithm"))
        rest = list(fields.rest())
    except ValueError as error:
        return f"an algorithm that cannot be read ({error})"
    name = ALGORITHMS.get(identifier) or HASHES.get(identifier) or identifier
    if not rest or rest[0].tag == NULL:
        return name
    try:
        return f"{name} {_parameters(identifier, rest[0])}"
    except ValueError as error:
        return f"{name} with parameters that cannot be read ({error})"


def public_key_document(der: bytes) -> Document:
    """Describe a public key."""
    text, identity = public_key_text(first(der, "public key"))
    try:
        parsing.public_key(der)
        problem = []
    except EncodingError as error:
        problem = [("problem", f"refused wherever it is used: {visible(str(error))}")]
    facts = (("kind", text), *problem, ("SHA-256", identity))
    return Document("public key", text.partition(", exponent")[0], facts, identity)


def private_key_document(data: bytes, password: bytes | None) -> Document:
    """Describe a private key, PEM or DER, by its kind and its public key. Raises Unreadable or PassphraseNeeded."""
    try:
        key = parsing.private_key(data, password)
    except parsing.PassphraseNeeded:
        raise
    except EncodingError as error:
        wrong = "the passphrase is wrong, or the private key is damaged"
        damaged = wrong if password else "cannot be parsed as a key"
        raise Unreadable(f"{damaged} ({visible(str(error), 120)})") from None
    return named_private_key(key)


def named_private_key(key: object) -> Document:
    """Describe a decrypted private key."""
    identity = key_id(key.public_key())  # type: ignore[attr-defined]
    facts = (("kind", key_text(key)), ("public half, SHA-256", identity))
    return Document("private key", key_text(key), facts, identity)


def _public_key(algorithm: Element, key: bytes) -> str:
    fields = Fields(algorithm)
    identifier = oid(fields.take(OID, "identifier of an algorithm"))
    parameters = next(fields.rest(), None)
    match identifier:
        case "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" | "2.5.8.1.1":
            only = "" if identifier != _PSS else f", only for {algorithm_text(algorithm)}"
            return _rsa(whole(key, "RSA key")) + only
        case "1.2.840.10045.2.1" if parameters is not None:
            return f"ECDSA {_parameters(identifier, parameters)}"
        case "1.2.840.10040.4.1":
            return _dsa(parameters)
        case "1.2.840.113549.1.3.1" | "1.2.840.10046.2.1" if parameters is not None:
            return f"DH, {_prime_size(parameters)} bits"
    text = algorithm_text(algorithm)
    return text if identifier in ALGORITHMS else f"{text}, {len(key)} bytes"


def _rsa(found: Element) -> str:
    fields = Fields(found)
    parts = [fields.take(INTEGER, what).content for what in ("modulus", "exponent")]
    modulus, exponent = (int.from_bytes(part, "big") for part in parts)
    size = exponent.bit_length()
    text = f"exponent {exponent}" if size <= 64 else f"an exponent of {size} bits"
    return f"RSA, {modulus.bit_length()} bits, {text}"


def _dsa(parameters: Element | None) -> str:
    if parameters is None or parameters.tag == NULL:
        return "DSA, by the parameters of its issuer's key"
    return f"DSA, {_prime_size(parameters)} bits"


def _prime_size(parameters: Element) -> int:
    """Return the size of the prime at the beginning of DSA and DH parameters."""
    return integer(Fields(parameters).take(INTEGER, "prime")).bit_length()


def _parameters(identifier: str, found: Element) -> str:
    if identifier == _PSS:
        return _pss(found)
    if identifier == _MGF1:
        return f"with {algorithm_text(found)}"
    if identifier == _EC:
        return (
            f"on {CURVES.get(curve := oid(found), curve)}"
            if found.tag == OID
            else "on a curve given by its parameters"
        )
    return f"with parameters {outline(found.encoded)}"


def _pss(found: Element) -> str:
    """Describe the parameters of RSASSA-PSS; absent ones have their default (RFC 4055 3.1)."""
    fields = Fields(found.expect(SEQUENCE, "parameters"))
    hash_, mask = "SHA-1", "mgf1 with SHA-1"
    salt, trailer = "20", "1"
    if (part := fields.optional(0xA0)) is not None:
        hash_ = algorithm_text(part.only(SEQUENCE, "hash algorithm"))
    if (part := fields.optional(0xA1)) is not None:
        mask = algorithm_text(part.only(SEQUENCE, "mask generation"))
    if (part := fields.optional(0xA2)) is not None:
        salt = number_text(part.only(0x02, "length of the salt"))
    if (part := fields.optional(0xA3)) is not None:
        trailer = number_text(part.only(0x02, "trailer"))
    fields.end()
    text = f"with {hash_}, {mask.upper().replace('WITH', 'with') if mask.startswith('mgf1') else mask}"
    return f"{text}, salt of {salt} bytes" + (f", trailer {trailer}" if trailer != "1" else "")
