"""HPKE in base mode, for the encrypted ClientHello (RFC 9180 5.1.1; RFC 9849 6.1).

`cryptography` has HPKE for one message without associated data. Here the encapsulated key has to be known before the
associated data, and one context seals two messages (RFC 9849 6.1.1, 6.1.5), so the schedule of RFC 9180 is composed of
the library's X25519, HKDF and AEADs, as that of TLS is; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.iana import HpkeAead, HpkeKdf, HpkeKem, NamedGroup
from bothways.tls.crypto.aead import AES_GCM, CHACHA20_POLY1305, NONCE_SIZE, TAG_SIZE, AeadKind, Forged
from bothways.tls.crypto.hkdf import expand, extract
from bothways.tls.crypto.randomness import Randomness

EXPANSION = TAG_SIZE
MESSAGES = 2  # a ClientHello, and one more after a HelloRetryRequest

KDFS: Mapping[int, HashAlgorithm] = {
    HpkeKdf.HKDF_SHA256: SHA256(),
    HpkeKdf.HKDF_SHA384: SHA384(),
    HpkeKdf.HKDF_SHA512: SHA512(),
}
AEADS: Mapping[int, tuple[int, AeadKind]] = {
    HpkeAead.AES_128_GCM: (16, AES_GCM),
    HpkeAead.AES_256_GCM: (32, AES_GCM),
    HpkeAead.ChaCha20Poly1305: (32, CHACHA20_POLY1305),
}


def _code(number: int) -> bytes:
    return number.to_bytes(2, "big")


class HpkeSuite(NamedTuple):
    """A KDF and an AEAD, by their codes (RFC 9180 7.2, 7.3); the KEM is DHKEM(X25519, HKDF-SHA256)."""

    kdf: int
    aead: int

    @property
    def is_known(self) -> bool:
        """Whether both are supported."""
        return self.kdf in KDFS and self.aead in AEADS


class Context:
    """The state of one sender or recipient: a key, and a nonce for each message (RFC 9180 5.2)."""

    __slots__ = ("_aead", "_base_nonce", "_sequence")

    def __init__(self, suite: HpkeSuite, shared_secret: bytes, info: bytes) -> None:
        size, kind = AEADS[suite.aead]
        hpke = _Labeled(
            KDFS[suite.kdf], b"HPKE" + _code(HpkeKem.DHKEM_X25519) + _code(suite.kdf) + _code(suite.aead)
        )
        schedule = b"\0" + hpke.extract(b"", "psk_id_hash", b"") + hpke.extract(b"", "info_hash", info)
        secret = hpke.extract(shared_secret, "secret", b"")
        self._aead = kind(hpke.expand(secret, "key", schedule, size))
        self._base_nonce = int.from_bytes(hpke.expand(secret, "base_nonce", schedule, NONCE_SIZE), "big")
        self._sequence = 0

    def seal(self, associated_data: bytes, plaintext: bytes) -> bytes:
        """Encrypt the next message. Raises ValueError after `MESSAGES`."""
        return self._aead.encrypt(self._next_nonce(), plaintext, associated_data)

    def open(self, associated_data: bytes, ciphertext: bytes) -> bytes:
        """Decrypt the next message. Raises `Forged`, and ValueError after `MESSAGES`."""
        return self._aead.decrypt(self._next_nonce(), ciphertext, associated_data)

    def _next_nonce(self) -> bytes:
        if self._sequence == MESSAGES:
            raise ValueError(f"a context is for {MESSAGES} messages")
        nonce = (self._base_nonce ^ self._sequence).to_bytes(NONCE_SIZE, "big")
        self._sequence += 1
        return nonce


def sender(suite: HpkeSuite, recipient: bytes, info: bytes, randomness: Randomness) -> tuple[bytes, Context]:
    """Return the encapsulated key and a context for messages to the holder of a private key (RFC 9180 5.1.1).

    recipient: the X25519 public key. Raises ValueError for one that gives no secret.
    """
    ephemeral: X25519PrivateKey = randomness.private_key(NamedGroup.x25519)
    encapsulated = public_bytes(ephemeral)
    secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    return encapsulated, Context(suite, _shared_secret(secret, encapsulated + recipient), info)


def recipient(suite: HpkeSuite, encapsulated: bytes, private_key: X25519PrivateKey, info: bytes) -> Context:
    """Return the context for messages that were sealed for `private_key` (RFC 9180 5.1.1).

    Raises `Forged` for an encapsulated key that gives no secret.
    """
    try:
        secret = private_key.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    except ValueError:
        raise Forged from None
    return Context(suite, _shared_secret(secret, encapsulated + public_bytes(private_key)), info)


def is_valid_public_key(public_key: bytes) -> bool:
    """Whether a key exchange with this public key gives a secret; points of small order do not (RFC 7748 6.1)."""
    try:
        X25519PrivateKey.from_private_bytes(bytes(32)).exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        return False
    return True


def public_bytes(private_key: X25519PrivateKey) -> bytes:
    """Return the encoded public key (RFC 7748 5)."""
    return private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class _Labeled(NamedTuple):
    """HKDF with the labels of HPKE (RFC 9180 4)."""

    algorithm: HashAlgorithm
    suite_id: bytes

    def extract(self, salt: bytes, label: str, key_material: bytes) -> bytes:
        """LabeledExtract."""
        labeled = b"HPKE-v1" + self.suite_id + label.encode("ascii") + key_material
        return extract(self.algorithm, salt, labeled)

    def expand(self, secret: bytes, label: str, info: bytes, length: int) -> bytes:
        """LabeledExpand."""
        labeled = _code(length) + b"HPKE-v1" + self.suite_id + label.encode("ascii") + info
        return expand(self.algorithm, secret, labeled, length)


_KEM = _Labeled(SHA256(), b"KEM" + _code(HpkeKem.DHKEM_X25519))


def _shared_secret(secret: bytes, kem_context: bytes) -> bytes:
    """ExtractAndExpand of the KEM (RFC 9180 4.1)."""
    return _KEM.expand(_KEM.extract(b"", "eae_prk", secret), "shared_secret", kem_context, 32)
