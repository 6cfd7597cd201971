"""HKDF with the labels of TLS 1.3 (RFC 5869; RFC 9846 7.1)."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from bothways.tls.crypto.aead import NONCE_SIZE, TrafficKeys
from bothways.tls.crypto.suites import Suite


def extract(algorithm: HashAlgorithm, salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 2.2)."""
    return HKDF.extract(algorithm, salt, key_material)


def expand(algorithm: HashAlgorithm, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869 2.3)."""
    return HKDFExpand(algorithm, length, info).derive(secret)


class Labels:
    """HKDF-Expand-Label from one secret, for several labels: the key is set once (RFC 9846 7.1).

    What a label gives is one block of RFC 5869 2.3, that is, one HMAC.
    """

    __slots__ = ("_keyed",)

    def __init__(self, algorithm: HashAlgorithm, secret: bytes) -> None:
        self._keyed = HMAC(secret, algorithm)

    def expand(self, label: str, context: bytes, length: int) -> bytes:
        """Return `length` bytes, at most those of one hash."""
        mac = self._keyed.copy()
        mac.update(_label_head(label, length, len(context)) + context + b"\x01")
        block = mac.finalize()
        if length > len(block):
            raise ValueError(f"{length} bytes are more than one block of {len(block)}")
        return block[:length]

    def derive(self, label: str, transcript_hash: bytes) -> bytes:
        """Derive-Secret over the hash of the messages, which the caller has (RFC 9846 7.1)."""
        return self.expand(label, transcript_hash, len(transcript_hash))


def expand_label(algorithm: HashAlgorithm, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label, of any length (RFC 9846 7.1)."""
    return expand(algorithm, secret, _label_head(label, length, len(context)) + context, length)


def derive_secret(algorithm: HashAlgorithm, secret: bytes, label: str, transcript_hash: bytes) -> bytes:
    """Derive-Secret over the hash of the messages, which the caller has (RFC 9846 7.1)."""
    return Labels(algorithm, secret).derive(label, transcript_hash)


def traffic_keys(suite: Suite, secret: bytes) -> TrafficKeys:
    """The key and the IV of one direction (RFC 9846 7.3)."""
    labels = Labels(suite.hash, secret)
    return TrafficKeys(labels.expand("key", b"", suite.key_size), labels.expand("iv", b"", NONCE_SIZE))


def next_traffic_secret(suite: Suite, secret: bytes) -> bytes:
    """The secret that takes over after a KeyUpdate (RFC 9846 7.2)."""
    return Labels(suite.hash, secret).expand("traffic upd", b"", suite.hash_size)


def finished_key(suite: Suite, secret: bytes) -> bytes:
    """The key of a Finished under a traffic secret (RFC 9846 4.5.3)."""
    return Labels(suite.hash, secret).expand("finished", b"", suite.hash_size)


def digest(algorithm: HashAlgorithm, data: bytes) -> bytes:
    """The hash of `data`."""
    running = Hash(algorithm)
    running.update(data)
    return running.finalize()


@lru_cache(maxsize=256)
def _label_head(label: str, length: int, context_length: int) -> bytes:
    full = b"tls13 " + label.encode("ascii")
    return b"%b%c%b%c" % (length.to_bytes(2, "big"), len(full), full, context_length)
