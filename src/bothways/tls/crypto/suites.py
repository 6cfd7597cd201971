"""The cipher suites that we speak: one row each of hash, AEAD and limits."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from bothways.iana import CipherSuite
from bothways.tls.crypto.aead import AES_GCM, CHACHA20_POLY1305, AeadKind

SEQUENCE_LIMIT = 2**64 - 1
GCM_RECORD_LIMIT = int(2**24.5)


@dataclass(frozen=True, slots=True)
class Suite:
    """What a cipher suite stands for (RFC 9846 B.4).

    `hash_size` and `key_size` count bytes; `record_limit` is the number of records that one key may
    protect (RFC 9846 5.5).
    """

    code: int
    name: str
    hash: HashAlgorithm
    hash_size: int
    key_size: int
    aead: AeadKind
    record_limit: int


def _suite(
    code: CipherSuite, algorithm: HashAlgorithm, key_size: int, aead: AeadKind, record_limit: int
) -> Suite:
    return Suite(int(code), code.name, algorithm, algorithm.digest_size, key_size, aead, record_limit)


_SHA256 = SHA256()
_SHA384 = SHA384()

SUITES13: dict[int, Suite] = {
    suite.code: suite
    for suite in (
        _suite(CipherSuite.TLS_AES_128_GCM_SHA256, _SHA256, 16, AES_GCM, GCM_RECORD_LIMIT),
        _suite(CipherSuite.TLS_AES_256_GCM_SHA384, _SHA384, 32, AES_GCM, GCM_RECORD_LIMIT),
        _suite(CipherSuite.TLS_CHACHA20_POLY1305_SHA256, _SHA256, 32, CHACHA20_POLY1305, SEQUENCE_LIMIT),
    )
}
