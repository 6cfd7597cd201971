"""Where randomness comes from."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bothways.iana import NamedGroup, SignatureScheme
from bothways.tls.crypto.randomness import SystemRandomness


def counting(size: int) -> bytes:
    return bytes(range(size))


randomness = SystemRandomness(counting)


def test_random_bytes_come_from_the_source_that_was_given() -> None:
    """The engine names no entropy of its own."""
    assert randomness.random(32) == counting(32)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        (NamedGroup.x25519, X25519PrivateKey),
        (NamedGroup.MLKEM768, MLKEM768PrivateKey),
        (NamedGroup.MLKEM1024, MLKEM1024PrivateKey),
    ],
)
def test_a_private_key_is_of_its_group(group: NamedGroup, kind: type) -> None:
    """RFC 9846 4.3.7."""
    first, second = randomness.private_key(group), randomness.private_key(group)
    assert isinstance(first, kind)
    assert first.public_key().public_bytes_raw() != second.public_key().public_bytes_raw()


@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1])
def test_a_private_key_is_on_its_curve(group: NamedGroup) -> None:
    """RFC 9846 4.3.7."""
    key = randomness.private_key(group)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == group.name
    assert key.private_numbers() != randomness.private_key(group).private_numbers()


def test_an_encapsulation_tells_its_secret_to_the_private_key_alone() -> None:
    """FIPS 203: secret first, then the ciphertext."""
    key = randomness.private_key(NamedGroup.MLKEM768)
    secret, ciphertext = randomness.encapsulate(key.public_key())
    assert key.decapsulate(ciphertext) == secret
    assert randomness.private_key(NamedGroup.MLKEM768).decapsulate(ciphertext) != secret


def test_a_secret_is_encrypted_for_an_rsa_key() -> None:
    """RFC 5246 7.4.7.1: with the padding of PKCS #1 v1.5."""
    key = rsa.generate_private_key(65537, 2048)
    ciphertext = randomness.encrypt(key.public_key(), b"secret")
    assert key.decrypt(ciphertext, PKCS1v15()) == b"secret"
    assert randomness.encrypt(key.public_key(), b"secret") != ciphertext


def test_a_signature_is_made_by_the_scheme_that_was_named() -> None:
    """RFC 9846 4.3.3."""
    key = ed25519.Ed25519PrivateKey.generate()
    signature = randomness.sign(SignatureScheme.ed25519, key, b"data")
    key.public_key().verify(signature, b"data")
