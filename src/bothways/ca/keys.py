"""The keys of CAs and holders: their types, and the hash that each type signs with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bothways.errors import ConfigError

PrivateKey = (
    ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | mldsa.MLDSA65PrivateKey
)
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | mldsa.MLDSA65PublicKey


class HeldKey(ABC):
    """A private key that another component holds, such as a token: it signs and cannot be read."""

    @abstractmethod
    def public_key(self) -> PublicKey:
        """The public key."""

    @abstractmethod
    def sign(self, data: bytes) -> bytes:
        """Sign data with the hash of `signature_hash`: RSA with PKCS#1 v1.5, ECDSA as a DER SEQUENCE."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection to the component that holds it."""


SigningKey = PrivateKey | HeldKey
SignatureHash = hashes.SHA256 | hashes.SHA384 | None


class KeyType(Enum):
    """The type of a new key; the values are those of the command line."""

    P256 = "p256"
    P384 = "p384"
    ED25519 = "ed25519"
    RSA3072 = "rsa3072"
    MLDSA65 = "mldsa65"


def new_key(key_type: KeyType) -> PrivateKey:
    """Generate a private key."""
    match key_type:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.RSA3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        case KeyType.MLDSA65:
            return mldsa.MLDSA65PrivateKey.generate()


def signature_hash(key: PrivateKey | PublicKey) -> SignatureHash:
    """Return the hash of a signature, as strong as the curve; None for Ed25519 and ML-DSA, which hash internally."""
    match key:
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return hashes.SHA256()
        case _:
            return None


def private_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Encode a private key as PKCS#8 in PEM, encrypted if there is a passphrase."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def usable_key(key: object, source: str) -> PrivateKey:
    """Return a key with which a CA can sign, or raise ConfigError."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        return key
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        return key
    raise ConfigError(f"{source}: contains a {type(key).__name__}, with which a CA cannot sign here")
