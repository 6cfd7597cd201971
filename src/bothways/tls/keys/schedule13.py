"""The key schedule of TLS 1.3: one type for each stage, which only the stage before can create.

Keys and IVs are derived in the record layer. No secret appears in a repr.
"""

from __future__ import annotations

from enum import Enum

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hmac import HMAC

from bothways.tls.crypto.hkdf import (
    LABELS,
    derive_secret,
    digest,
    expand_block,
    expand_blocks,
    expand_label,
    extract,
    finished_key,
    handshake_keys,
    label_head,
)
from bothways.tls.crypto.suites import SUITES13, Suite


class PskKind(Enum):
    """Where a PSK comes from, which the key of its binder depends on (RFC 9846 7.1, RFC 9258 5.2)."""

    RESUMPTION = "an earlier session"
    EXTERNAL = "outside of TLS"
    IMPORTED = "outside of TLS, imported"


class EarlySecret:
    """The start of the key schedule: from a PSK, or without one (RFC 9846 7.1)."""

    __slots__ = ("_extracted", "_kind", "suite")

    def __init__(self, suite: Suite, psk: bytes | None = None, kind: PskKind = PskKind.RESUMPTION) -> None:
        self.suite = suite
        self._kind = kind
        self._extracted = None if psk is None else extract(suite.hash, bytes(suite.hash_size), psk)

    def handshake(self, shared_secret: bytes, transcript_hash: bytes, suite: Suite) -> HandshakeSecrets:
        """Add the result of the key exchange. transcript_hash: of ClientHello...ServerHello (RFC 9846 7.1).

        suite: the chosen one, which may be another one with the same hash than that of the PSK.
        """
        if self._extracted is None:
            mac = _WITHOUT_PSK[suite.code].copy()
            mac.update(shared_secret)
            secret = mac.finalize()
        else:
            secret = extract(suite.hash, _derived(suite, self._extracted), shared_secret)
        return HandshakeSecrets(suite, secret, transcript_hash)

    def binder_key(self) -> bytes:
        """Return the key of a binder (RFC 9846 7.1; of an imported PSK, RFC 9258 5.2)."""
        if self._extracted is None:
            raise ValueError("without a PSK there is no binder")
        labels = LABELS[self.suite.code]
        label = {
            PskKind.RESUMPTION: labels.binder,
            PskKind.EXTERNAL: labels.external_binder,
            PskKind.IMPORTED: labels.imported_binder,
        }[self._kind]
        return expand_block(self.suite.hash, self._extracted, label)

    def binder(self, transcript_hash: bytes) -> bytes:
        """Return the binder: a MAC over the ClientHello without its list of binders (RFC 9846 4.3.11.2)."""
        return finished_mac(finished_key(self.suite, self.binder_key()), transcript_hash, self.suite)


class HandshakeSecrets:
    """The handshake traffic secrets, `client` and `server`, and the keys of each: for records and for Finished."""

    __slots__ = (
        "_derived", "client", "client_finished", "client_keys", "server", "server_finished", "server_keys", "suite",
    )  # fmt: skip

    def __init__(self, suite: Suite, secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        labels = LABELS[suite.code]
        self.client, self.server, self._derived = expand_blocks(
            suite.hash,
            secret,
            labels.client_handshake + transcript_hash,
            labels.server_handshake + transcript_hash,
            labels.derived,
        )
        self.client_keys, self.client_finished = handshake_keys(suite, self.client)
        self.server_keys, self.server_finished = handshake_keys(suite, self.server)

    def application(self, transcript_hash: bytes) -> ApplicationSecrets:
        """Return the application secrets. transcript_hash: of ClientHello...server Finished (RFC 9846 7.1)."""
        suite = self.suite
        main_secret = extract(suite.hash, self._derived, bytes(suite.hash_size))
        return ApplicationSecrets(suite, main_secret, transcript_hash)


class ApplicationSecrets:
    """The first application traffic secrets of both sides, and the exporter secret."""

    __slots__ = ("_main_secret", "client", "exporter", "server", "suite")

    def __init__(self, suite: Suite, main_secret: bytes, transcript_hash: bytes) -> None:
        self.suite = suite
        labels = LABELS[suite.code]
        self.client, self.server, self.exporter = expand_blocks(
            suite.hash,
            main_secret,
            labels.client_application + transcript_hash,
            labels.server_application + transcript_hash,
            labels.exporter + transcript_hash,
        )
        self._main_secret = main_secret

    def resumption(self, transcript_hash: bytes) -> bytes:
        """Return the resumption secret. transcript_hash: of ClientHello...client Finished (RFC 9846 7.1)."""
        info = LABELS[self.suite.code].resumption + transcript_hash
        return expand_block(self.suite.hash, self._main_secret, info)


def resumption_psk(resumption_secret: bytes, ticket_nonce: bytes, suite: Suite) -> bytes:
    """Return the PSK of one ticket (RFC 9846 4.7.1)."""
    info = label_head("resumption", suite.hash_size, len(ticket_nonce)) + ticket_nonce
    return expand_block(suite.hash, resumption_secret, info)


def finished_mac(key: bytes, transcript_hash: bytes, suite: Suite) -> bytes:
    """Return the verify_data of a Finished. key: its `finished_key` (RFC 9846 4.5.3)."""
    mac = HMAC(key, suite.hash)
    mac.update(transcript_hash)
    return mac.finalize()


def exporter(exporter_secret: bytes, label: str, context: bytes | None, length: int, suite: Suite) -> bytes:
    """Return `length` bytes of keying material; None and an empty context are the same (RFC 9846 7.5)."""
    secret = derive_secret(suite.hash, exporter_secret, label, LABELS[suite.code].empty)
    return expand_label(suite.hash, secret, "exporter", digest(suite.hash, context or b""), length)


def same_secret(one: bytes, other: bytes) -> bool:
    """Compare in constant time; the time depends only on the lengths."""
    return bytes_eq(one, other)


def _derived(suite: Suite, secret: bytes) -> bytes:
    """Return the salt for the next stage of the schedule (RFC 9846 7.1)."""
    return expand_block(suite.hash, secret, LABELS[suite.code].derived)


def _extraction_without_psk(suite: Suite) -> HMAC:
    """Return HKDF-Extract (RFC 5869 2.2) of the handshake secret without a PSK: its salt is the same for everybody."""
    nothing = bytes(suite.hash_size)
    return HMAC(_derived(suite, extract(suite.hash, nothing, nothing)), suite.hash)


_WITHOUT_PSK = {code: _extraction_without_psk(suite) for code, suite in SUITES13.items()}
