"""Descriptions of keys and algorithms."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import pki
from bothways.describe.documents import Unreadable, key_text
from bothways.describe.documents.asn1 import whole
from bothways.describe.documents.keys import algorithm_text, public_key_text
from bothways.trust.decoding.parsing import PassphraseNeeded
from described_files import der, facts, oid, one, sequence

DER, PEM = Encoding.DER, Encoding.PEM
SPKI = PublicFormat.SubjectPublicKeyInfo
SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"), der(0x05, b""))
SHA1 = sequence(oid("1.3.14.3.2.26"))
PSS = oid("1.2.840.113549.1.1.10")
MGF1 = oid("1.2.840.113549.1.1.8")


@pytest.mark.parametrize(
    ("kind", "words", "public_words"),
    [
        ("P-384", "ECDSA on secp384r1", "ECDSA on secp384r1"),
        ("RSA-2048", "RSA, 2048 bits", "RSA, 2048 bits, exponent 65537"),
        ("Ed25519", "Ed25519", "Ed25519"),
        ("Ed448", "Ed448", "Ed448"),
        ("ML-DSA-65", "ML-DSA-65", "ML-DSA-65"),
    ],
)
def test_keys_are_named_and_never_printed(kind, words, public_words):
    """The public key identifies a private key."""
    key = pki.key(kind)
    private = one(key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert (private.kind, private.title) == ("private key", words)
    public = one(key.public_key().public_bytes(PEM, SPKI))
    assert (public.key_id, public.title) == (private.key_id, words)
    assert facts(public)["kind"] == public_words
    assert one(key.public_key().public_bytes(DER, SPKI)) == public
    assert one(key.private_bytes(DER, PrivateFormat.PKCS8, NoEncryption())) == private


def test_unusual_keys_are_named_too():
    """DSA by its size, what is unknown by its class."""
    key = pki.key("DSA")
    assert key_text(key) == "DSA, 2048 bits"
    assert one(key.public_key().public_bytes(DER, SPKI)).title == "DSA, 2048 bits"
    assert key_text(mldsa.MLDSA44PrivateKey.generate()) == "ML-DSA-44"


def test_a_key_in_any_form_is_the_same_key():
    """PKCS#8 and the form of old, encrypted or not, PEM or DER."""
    issued = pki.root()
    shown = one(issued.key_pem)
    lock = BestAvailableEncryption(b"sesame")
    for form, encoding, how in (
        (PrivateFormat.PKCS8, DER, lock),
        (PrivateFormat.PKCS8, PEM, lock),
        (PrivateFormat.TraditionalOpenSSL, PEM, lock),
        (PrivateFormat.TraditionalOpenSSL, DER, NoEncryption()),
    ):
        assert one(issued.key.private_bytes(encoding, form, how), password=b"sesame") == shown


def test_an_encrypted_key_asks_for_its_passphrase():
    """Missing, wrong, right, and one that is not needed."""
    issued = pki.root()
    locked = issued.encrypted_key_pem(b"sesame")
    with pytest.raises(PassphraseNeeded):
        one(locked)
    assert "the passphrase is wrong" in one(locked, password=b"other").damaged
    assert one(locked, password=b"sesame") == one(issued.key_pem)
    assert one(issued.key_pem, password=b"superfluous") == one(issued.key_pem)
    der_ = issued.key.private_bytes(DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    with pytest.raises(PassphraseNeeded):
        one(der_)
    with pytest.raises(Unreadable, match="the passphrase is wrong"):
        one(der_, password=b"other")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            sequence(der(0xA0, SHA256), der(0xA1, sequence(MGF1, SHA256)), der(0xA2, der(0x02, b"\x20"))),
            "rsassaPss with SHA-256, MGF1 with SHA-256, salt of 32 bytes",
        ),
        (sequence(), "rsassaPss with SHA-1, MGF1 with SHA-1, salt of 20 bytes"),
        (
            sequence(der(0xA1, sequence(MGF1, SHA1)), der(0xA3, der(0x02, b"\x02"))),
            "rsassaPss with SHA-1, MGF1 with SHA-1, salt of 20 bytes, trailer 2",
        ),
        (sequence(der(0xA1, sequence(oid("1.2.3.4")))), "rsassaPss with SHA-1, 1.2.3.4, salt of 20 bytes"),
        (
            sequence(der(0xA5, b"")),
            "rsassaPss with parameters that cannot be read (a field that does not belong there at byte 15)",
        ),
        (der(0x05, b""), "rsassaPss"),
    ],
)
def test_the_parameters_of_a_signature_are_described(parameters, words):
    """RFC 4055 3.1: what is left out has its default."""
    assert algorithm_text(whole(sequence(PSS, parameters), "algorithm")) == words


def test_an_unknown_algorithm_is_shown_by_its_object_identifier():
    """With its parameters, as far as they can be read."""
    assert algorithm_text(whole(sequence(oid("1.2.3.4")), "algorithm")) == "1.2.3.4"
    value = sequence(oid("1.2.3.4"), der(0x02, b"\x05"))
    assert algorithm_text(whole(value, "algorithm")) == "1.2.3.4 with parameters 5"
    value = sequence(der(0x02, b"\x05"))
    assert algorithm_text(whole(value, "algorithm")).startswith("an algorithm that cannot be read")


EC = oid("1.2.840.10045.2.1")
DSA = oid("1.2.840.10040.4.1")
BITS = der(0x03, b"\0\4\1\1")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (sequence(sequence(EC, oid("1.3.132.0.28")), BITS), "ECDSA on secp128r1"),
        (sequence(sequence(EC, oid("1.2.3.4")), BITS), "ECDSA on 1.2.3.4"),
        (
            sequence(sequence(EC, sequence(der(0x02, b"\1"))), BITS),
            "ECDSA on a curve given by its parameters",
        ),
        (sequence(sequence(EC), BITS), "id-ecPublicKey"),
        (sequence(sequence(oid("1.2.643.2.2.19")), BITS), "GOST R 34.10-2001"),
        (sequence(sequence(oid("1.2.3.4")), BITS), "1.2.3.4, 3 bytes"),
        (sequence(sequence(DSA), BITS), "DSA, by the parameters of its issuer's key"),
        (sequence(sequence(DSA, sequence(der(0x02, b"\0\xff"))), BITS), "DSA, 8 bits"),
        (sequence(sequence(oid("1.2.840.10046.2.1"), sequence(der(0x02, b"\x7f"))), BITS), "DH, 7 bits"),
        (sequence(sequence(oid("1.2.840.113549.1.1.1")), BITS), "cannot be read: "),
        (sequence(sequence(oid("1.2.840.113549.1.1.1"))), "cannot be read: no key at byte 15"),
        (sequence(), "cannot be read: no algorithm of the key at byte 2"),
    ],
)
def test_an_unsupported_key_is_described_as_far_as_possible(info, words):
    """Curves and kinds that are not supported have their names too."""
    assert public_key_text(whole(info, "key"))[0].startswith(words)


def test_a_key_restricted_to_rsassa_pss_is_described_as_such():
    """RFC 4055 1.2: id-RSASSA-PSS in the key itself."""
    rsa = sequence(der(0x02, b"\0" + b"\xff" * 256), der(0x02, b"\x03"))
    info = sequence(sequence(PSS, sequence(der(0xA0, SHA256))), der(0x03, b"\0" + rsa))
    words = public_key_text(whole(info, "key"))[0]
    assert (
        words
        == "RSA, 2048 bits, exponent 3, only for rsassaPss with SHA-256, MGF1 with SHA-1, salt of 20 bytes"
    )
    long = sequence(der(0x02, b"\x7f"), der(0x02, b"\x7f" * 100))
    info = sequence(sequence(oid("1.2.840.113549.1.1.1")), der(0x03, b"\0" + long))
    assert public_key_text(whole(info, "key"))[0] == "RSA, 7 bits, an exponent of 799 bits"


def test_an_unusable_public_key_is_described_with_the_reason():
    """It is shown all the same."""
    document = one(sequence(sequence(EC, oid("1.3.132.0.28")), BITS))
    assert document.title == "ECDSA on secp128r1"
    assert facts(document)["problem"].startswith("refused wherever it is used: ")
