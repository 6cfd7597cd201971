"""HKDF with the labels of TLS 1.3 (RFC 5869; RFC 9846 7.1)."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from bothways.tls.crypto.suites import Suite

IV_SIZE = 12


def extract(algorithm: HashAlgorithm, salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 2.2)."""
    return HKDF.extract(algorithm, salt, key_material)


def expand(algorithm: HashAlgorithm, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869 2.3)."""
    return HKDFExpand(algorithm, length, info).derive(secret)


def expand_label(algorithm: HashAlgorithm, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 9846 7.1)."""
    info = b"%b%c%b" % (_label_head(label, length), len(context), context)
    return HKDFExpand(algorithm, length, info).derive(secret)


def derive_secret(algorithm: HashAlgorithm, secret: bytes, label: str, transcript_hash: bytes) -> bytes:
    """Derive-Secret over the hash of the messages, which the caller has (RFC 9846 7.1)."""
    return expand_label(algorithm, secret, label, transcript_hash, algorithm.digest_size)


def traffic_key(suite: Suite, secret: bytes) -> bytes:
    """The key of one direction (RFC 9846 7.3)."""
    return expand_label(suite.hash, secret, "key", b"", suite.key_size)


def traffic_iv(suite: Suite, secret: bytes) -> bytes:
    """The IV of one direction (RFC 9846 7.3)."""
    return expand_label(suite.hash, secret, "iv", b"", IV_SIZE)


def next_traffic_secret(suite: Suite, secret: bytes) -> bytes:
    """The secret that takes over after a KeyUpdate (RFC 9846 7.2)."""
    return expand_label(suite.hash, secret, "traffic upd", b"", suite.hash_size)


def digest(algorithm: HashAlgorithm, data: bytes) -> bytes:
    """The hash of `data`."""
    running = Hash(algorithm)
    running.update(data)
    return running.finalize()


@lru_cache(maxsize=256)
def _label_head(label: str, length: int) -> bytes:
    full = b"tls13 " + label.encode("ascii")
    return length.to_bytes(2, "big") + bytes([len(full)]) + full
