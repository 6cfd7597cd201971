"""The key schedule of TLS 1.3: secrets as types, each of which can only be had from the one before it.

Keys and IVs of one direction are made where records are protected. No secret shows in a repr.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from bothways.tls.crypto.hkdf import Labels, derive_secret, digest, expand_label, extract, finished_key
from bothways.tls.crypto.suites import Suite


class EarlySecret:
    """Where the schedule starts: from a PSK, or from nothing at all (RFC 9846 7.1)."""

    __slots__ = ("_extracted", "suite")

    def __init__(self, suite: Suite, psk: bytes | None = None) -> None:
        self.suite = suite
        nothing = bytes(suite.hash_size)
        self._extracted = None if psk is None else extract(suite.hash, nothing, psk)

    def handshake(self, shared_secret: bytes, transcript_hash: bytes) -> HandshakeSecrets:
        """Mix in the result of the key agreement; the hash is that of ClientHello...ServerHello."""
        algorithm = self.suite.hash
        start = _start(type(algorithm))
        if self._extracted is None:
            salt = start.derived
        else:
            salt = derive_secret(algorithm, self._extracted, "derived", start.empty)
        return HandshakeSecrets(self.suite, extract(algorithm, salt, shared_secret), transcript_hash)

    def binder_key(self) -> bytes:
        """The base secret of a binder, by the PSK of an earlier session (RFC 9846 7.1)."""
        if self._extracted is None:
            raise ValueError("without a PSK there is no binder")
        algorithm = self.suite.hash
        return derive_secret(algorithm, self._extracted, "res binder", _start(type(algorithm)).empty)

    def binder(self, transcript_hash: bytes) -> bytes:
        """A Finished over the hello that offers the PSK, up to its binders (RFC 9846 4.3.11.2)."""
        return finished_mac(finished_key(self.suite, self.binder_key()), transcript_hash, self.suite)


class HandshakeSecrets:
    """The secrets of both sides' handshake traffic, `client` and `server`, and the keys of their Finished."""

    __slots__ = ("_derived", "client", "client_finished", "server", "server_finished", "suite")

    def __init__(self, suite: Suite, secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        labels = Labels(suite.hash, secret)
        self.client = labels.derive("c hs traffic", transcript_hash)
        self.server = labels.derive("s hs traffic", transcript_hash)
        self._derived = labels.derive("derived", _start(type(suite.hash)).empty)
        self.client_finished = finished_key(suite, self.client)
        self.server_finished = finished_key(suite, self.server)

    def application(self, transcript_hash: bytes) -> ApplicationSecrets:
        """Go on to the main secret; the hash is that of ClientHello...server's Finished."""
        suite = self.suite
        main_secret = extract(suite.hash, self._derived, bytes(suite.hash_size))
        return ApplicationSecrets(suite, main_secret, transcript_hash)


class ApplicationSecrets:
    """The secrets of both sides' first application traffic, and the one for exporters."""

    __slots__ = ("_main_secret", "client", "exporter", "server", "suite")

    def __init__(self, suite: Suite, main_secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        labels = Labels(suite.hash, main_secret)
        self.client = labels.derive("c ap traffic", transcript_hash)
        self.server = labels.derive("s ap traffic", transcript_hash)
        self.exporter = labels.derive("exp master", transcript_hash)
        self._main_secret = main_secret

    def resumption(self, transcript_hash: bytes) -> bytes:
        """The secret of which tickets are made; the hash is that of ClientHello...client's Finished."""
        return derive_secret(self.suite.hash, self._main_secret, "res master", transcript_hash)


def resumption_psk(resumption_secret: bytes, ticket_nonce: bytes, suite: Suite) -> bytes:
    """The PSK that belongs to one ticket (RFC 9846 4.7.1)."""
    return Labels(suite.hash, resumption_secret).expand("resumption", ticket_nonce, suite.hash_size)


def finished_mac(key: bytes, transcript_hash: bytes, suite: Suite) -> bytes:
    """The verify_data of a Finished, under its `finished_key` (RFC 9846 4.5.3)."""
    mac = HMAC(key, suite.hash)
    mac.update(transcript_hash)
    return mac.finalize()


def exporter(exporter_secret: bytes, label: str, context: bytes | None, length: int, suite: Suite) -> bytes:
    """Keying material for another protocol, of `length` bytes; no context is an empty one (RFC 9846 7.5)."""
    secret = derive_secret(suite.hash, exporter_secret, label, _start(type(suite.hash)).empty)
    return expand_label(suite.hash, secret, "exporter", digest(suite.hash, context or b""), length)


def same_secret(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing but whether the lengths agree."""
    return bytes_eq(one, other)


class _Start(NamedTuple):
    """What every schedule over one hash has in common: the hash of nothing, the salt where no PSK is."""

    empty: bytes
    derived: bytes


@lru_cache(maxsize=8)
def _start(kind: type[HashAlgorithm]) -> _Start:
    algorithm = kind()
    nothing = bytes(algorithm.digest_size)
    empty = digest(algorithm, b"")
    return _Start(empty, derive_secret(algorithm, extract(algorithm, nothing, nothing), "derived", empty))
