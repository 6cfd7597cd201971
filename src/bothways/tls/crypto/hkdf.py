"""HKDF with the labels of TLS 1.3 (RFC 5869; RFC 9846 7.1)."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from bothways.tls.crypto.aead import NONCE_SIZE, TrafficKeys
from bothways.tls.crypto.suites import SUITES13, Suite


def extract(algorithm: HashAlgorithm, salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 2.2)."""
    return HKDF.extract(algorithm, salt, key_material)


def expand(algorithm: HashAlgorithm, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869 2.3)."""
    return HKDFExpand(algorithm, length, info).derive(secret)


def expand_block(algorithm: HashAlgorithm, secret: bytes, info: bytes) -> bytes:
    """Return the HKDF-Expand output for `info`, one hash long."""
    mac = HMAC(secret, algorithm)
    mac.update(info + b"\x01")
    return mac.finalize()


def expand_blocks(algorithm: HashAlgorithm, secret: bytes, *infos: bytes) -> list[bytes]:
    """Return one HKDF-Expand output for each of `infos`, each one hash long; the HMAC key is set only once."""
    keyed = HMAC(secret, algorithm)
    blocks = []
    for info in infos[:-1]:
        mac = keyed.copy()
        mac.update(info + b"\x01")
        blocks.append(mac.finalize())
    keyed.update(infos[-1] + b"\x01")
    blocks.append(keyed.finalize())
    return blocks


def label_head(label: str, length: int, context_length: int) -> bytes:
    """Return an encoded HkdfLabel without its context (RFC 9846 7.1)."""
    full = b"tls13 " + label.encode("ascii")
    return b"%b%c%b%c" % (length.to_bytes(2, "big"), len(full), full, context_length)


class Labels(NamedTuple):
    """The constant parts of the labels of one cipher suite, encoded once (RFC 9846 7.1).

    empty: the hash of no data.  The others are each an HkdfLabel, without its context where that is a transcript hash.
    """

    empty: bytes
    derived: bytes
    binder: bytes
    external_binder: bytes
    imported_binder: bytes
    client_handshake: bytes
    server_handshake: bytes
    client_application: bytes
    server_application: bytes
    exporter: bytes
    resumption: bytes
    key: bytes
    iv: bytes
    finished: bytes
    update: bytes


def _labels(suite: Suite) -> Labels:
    size = suite.hash_size
    empty = digest(suite.hash, b"")
    return Labels(
        empty=empty,
        derived=label_head("derived", size, size) + empty,
        binder=label_head("res binder", size, size) + empty,
        external_binder=label_head("ext binder", size, size) + empty,
        imported_binder=label_head("imp binder", size, size) + empty,
        client_handshake=label_head("c hs traffic", size, size),
        server_handshake=label_head("s hs traffic", size, size),
        client_application=label_head("c ap traffic", size, size),
        server_application=label_head("s ap traffic", size, size),
        exporter=label_head("exp master", size, size),
        resumption=label_head("res master", size, size),
        key=label_head("key", suite.key_size, 0),
        iv=label_head("iv", NONCE_SIZE, 0),
        finished=label_head("finished", size, 0),
        update=label_head("traffic upd", size, 0),
    )


def expand_label(algorithm: HashAlgorithm, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """Return HKDF-Expand-Label, of any length (RFC 9846 7.1)."""
    return expand(algorithm, secret, label_head(label, length, len(context)) + context, length)


def derive_secret(algorithm: HashAlgorithm, secret: bytes, label: str, transcript_hash: bytes) -> bytes:
    """Return Derive-Secret; transcript_hash: of the messages (RFC 9846 7.1)."""
    return expand_label(algorithm, secret, label, transcript_hash, len(transcript_hash))


def traffic_keys(suite: Suite, secret: bytes) -> TrafficKeys:
    """Return the key and the IV of one direction (RFC 9846 7.3)."""
    labels = LABELS[suite.code]
    key, iv = expand_blocks(suite.hash, secret, labels.key, labels.iv)
    return TrafficKeys(key[: suite.key_size], iv[:NONCE_SIZE])


def handshake_keys(suite: Suite, secret: bytes) -> tuple[TrafficKeys, bytes]:
    """Return the key and the IV of one direction, and the key of its Finished, from a handshake traffic secret."""
    labels = LABELS[suite.code]
    key, iv, finished = expand_blocks(suite.hash, secret, labels.key, labels.iv, labels.finished)
    return TrafficKeys(key[: suite.key_size], iv[:NONCE_SIZE]), finished


def next_traffic_secret(suite: Suite, secret: bytes) -> bytes:
    """Return the traffic secret after a KeyUpdate (RFC 9846 7.2)."""
    return expand_block(suite.hash, secret, LABELS[suite.code].update)


def finished_key(suite: Suite, secret: bytes) -> bytes:
    """Return the key of a Finished, from a traffic secret (RFC 9846 4.5.3)."""
    return expand_block(suite.hash, secret, LABELS[suite.code].finished)


def digest(algorithm: HashAlgorithm, data: bytes) -> bytes:
    """Return the hash of `data`."""
    running = Hash(algorithm)
    running.update(data)
    return running.finalize()


LABELS = {code: _labels(suite) for code, suite in SUITES13.items()}
