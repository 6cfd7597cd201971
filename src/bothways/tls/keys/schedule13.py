"""The key schedule of TLS 1.3: secrets as types, each of which can only be had from the one before it.

Keys and IVs of one direction are made where records are protected. No secret shows in a repr.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from bothways.tls.crypto.hkdf import derive_secret, digest, expand_label, extract
from bothways.tls.crypto.suites import Suite


class EarlySecret:
    """Where the schedule starts; without a PSK it holds nothing secret (RFC 9846 7.1)."""

    __slots__ = ("suite",)

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    def handshake(self, shared_secret: bytes, transcript_hash: bytes) -> HandshakeSecrets:
        """Mix in the result of the key agreement; the hash is that of ClientHello...ServerHello."""
        salt = _derived_early_secret(self.suite.hash)
        return HandshakeSecrets(self.suite, extract(self.suite.hash, salt, shared_secret), transcript_hash)


class HandshakeSecrets:
    """The secrets of both sides' handshake traffic: `client`, `server`."""

    __slots__ = ("_secret", "client", "server", "suite")

    def __init__(self, suite: Suite, secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        self.client = derive_secret(suite.hash, secret, "c hs traffic", transcript_hash)
        self.server = derive_secret(suite.hash, secret, "s hs traffic", transcript_hash)
        self._secret = secret

    def application(self, transcript_hash: bytes) -> ApplicationSecrets:
        """Go on to the main secret; the hash is that of ClientHello...server's Finished."""
        suite = self.suite
        salt = derive_secret(suite.hash, self._secret, "derived", _empty_digest(suite.hash))
        return ApplicationSecrets(suite, extract(suite.hash, salt, bytes(suite.hash_size)), transcript_hash)


class ApplicationSecrets:
    """The secrets of both sides' first application traffic, and the one for exporters."""

    __slots__ = ("_main_secret", "client", "exporter", "server", "suite")

    def __init__(self, suite: Suite, main_secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        self.client = derive_secret(suite.hash, main_secret, "c ap traffic", transcript_hash)
        self.server = derive_secret(suite.hash, main_secret, "s ap traffic", transcript_hash)
        self.exporter = derive_secret(suite.hash, main_secret, "exp master", transcript_hash)
        self._main_secret = main_secret

    def resumption(self, transcript_hash: bytes) -> bytes:
        """The secret of which tickets are made; the hash is that of ClientHello...client's Finished."""
        return derive_secret(self.suite.hash, self._main_secret, "res master", transcript_hash)


def finished_mac(base_secret: bytes, transcript_hash: bytes, suite: Suite) -> bytes:
    """The verify_data of a Finished (RFC 9846 4.5.3)."""
    key = expand_label(suite.hash, base_secret, "finished", b"", suite.hash_size)
    mac = HMAC(key, suite.hash)
    mac.update(transcript_hash)
    return mac.finalize()


def exporter(exporter_secret: bytes, label: str, context: bytes, length: int, suite: Suite) -> bytes:
    """Keying material for another protocol, of `length` bytes (RFC 9846 7.5)."""
    secret = derive_secret(suite.hash, exporter_secret, label, _empty_digest(suite.hash))
    return expand_label(suite.hash, secret, "exporter", digest(suite.hash, context), length)


def same_secret(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing but whether the lengths agree."""
    return bytes_eq(one, other)


def _derived_early_secret(algorithm: HashAlgorithm) -> bytes:
    return _start(type(algorithm))[0]


def _empty_digest(algorithm: HashAlgorithm) -> bytes:
    return _start(type(algorithm))[1]


@lru_cache(maxsize=8)
def _start(kind: type[HashAlgorithm]) -> tuple[bytes, bytes]:
    """What every schedule over one hash has in common: the early secret's successor, the hash of nothing."""
    algorithm = kind()
    nothing = digest(algorithm, b"")
    early = extract(algorithm, b"", bytes(algorithm.digest_size))
    return derive_secret(algorithm, early, "derived", nothing), nothing
