"""What is signed by a key that `cryptography` does not hold is as if it did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from bothways.ca.authority import Authority
from bothways.ca.crl import RevokedEntry, build_crl
from bothways.ca.errors import KeyUnavailable
from bothways.ca.keys import HeldKey, KeyType, PrivateKey, PublicKey, new_key, signature_hash
from bothways.ca.profiles import Profile
from ca.issuers import NOW


class Elsewhere(HeldKey):
    """A key that signs by itself, as one in hardware does."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.signed: list[bytes] = []

    def public_key(self) -> PublicKey:
        return self.key.public_key()

    def sign(self, data: bytes) -> bytes:
        self.signed.append(data)
        algorithm = signature_hash(self.key)
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(algorithm))  # type: ignore[arg-type]
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), algorithm)  # type: ignore[arg-type]
        return self.key.sign(data)

    def close(self) -> None:
        """Nothing is open."""


class Faulty(Elsewhere):
    """One that signs something else."""

    def sign(self, data: bytes) -> bytes:
        return super().sign(data + b"x")


HELD = [KeyType.P256, KeyType.P384, KeyType.RSA3072]


def authority(held: HeldKey) -> Authority:
    return Authority.create("Test", key=held, now=lambda: NOW)


@pytest.mark.parametrize("key_type", HELD)
def test_a_token_signs_the_octets_of_the_certificate(key_type: KeyType) -> None:
    """RFC 5280 4.1.1 and 5.1.1: the signature is outside of the signed part."""
    held = Elsewhere(new_key(key_type))
    issuer = authority(held)
    leaf = issuer.issue(Profile.CLIENT, "alice").certificate
    crl = build_crl(issuer, [RevokedEntry(7, NOW, "keyCompromise")], 1, NOW, NOW + timedelta(days=1))
    assert held.signed == [
        issuer.certificate.tbs_certificate_bytes,
        leaf.tbs_certificate_bytes,
        crl.tbs_certlist_bytes,
    ]
    leaf.verify_directly_issued_by(issuer.certificate)
    issuer.certificate.verify_directly_issued_by(issuer.certificate)
    assert crl.is_signature_valid(held.public_key())
    assert [entry.serial_number for entry in crl] == [7]


@pytest.mark.parametrize("key_type", HELD)
def test_only_the_signature_differs_from_that_of_a_key_in_memory(key_type: KeyType) -> None:
    key = new_key(key_type)
    drawn = lambda size: bytes([7]) * size  # noqa: E731
    made = [
        Authority.create("Test", key=each, now=lambda: NOW, random=drawn).certificate
        for each in (key, Elsewhere(key))
    ]
    assert made[0].tbs_certificate_bytes == made[1].tbs_certificate_bytes
    assert made[0].signature_algorithm_oid == made[1].signature_algorithm_oid
    assert isinstance(made[1], x509.Certificate)
    assert isinstance(made[1].signature_hash_algorithm, hashes.SHA256 | hashes.SHA384)


@pytest.mark.parametrize("key_type", HELD)
def test_a_wrong_signature_of_a_token_is_refused(key_type: KeyType) -> None:
    with pytest.raises(KeyUnavailable, match="does not verify with its public key"):
        authority(Faulty(new_key(key_type)))


def test_an_unsupported_key_of_a_token_is_reported() -> None:
    with pytest.raises(KeyUnavailable, match="signs with ECDSA or RSA only"):
        authority(Elsewhere(ed25519.Ed25519PrivateKey.generate()))
