"""The supported cipher suites: hash, AEAD and limits of each, and for TLS 1.2 the key exchange."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from bothways.iana import CipherSuite, SignatureScheme
from bothways.tls.crypto.aead import AES_GCM, CHACHA20_POLY1305, AeadKind

SEQUENCE_LIMIT = 2**64 - 1
GCM_RECORD_LIMIT = int(2**24.5)


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher suite (RFC 9846 B.4; RFC 5288, 5289, 7905).

    hash_size, key_size, iv_size: in bytes; if the IV is shorter than the nonce, the rest is sent in each record.
    record_limit: the number of records that one key may protect (RFC 9846 5.5).  is_key_transport, signers: for TLS
    1.2, where a cipher suite also determines the key exchange and the type of the signing key.
    """

    code: int
    name: str
    hash: HashAlgorithm
    hash_size: int
    key_size: int
    aead: AeadKind
    record_limit: int
    iv_size: int = 12
    is_key_transport: bool = False
    signers: frozenset[int] = frozenset()

    def is_signed_by(self, scheme: int) -> bool:
        """Whether a server may sign its ServerKeyExchange with this scheme (RFC 5246 7.4.3, RFC 8422 5.4)."""
        return scheme in self.signers


_SHA256 = SHA256()
_SHA384 = SHA384()
_S = CipherSuite
_RSA = frozenset(int(scheme) for scheme in SignatureScheme if scheme.name.startswith("rsa_"))
_ECDSA = frozenset(int(scheme) for scheme in SignatureScheme if scheme.name.startswith(("ecdsa_", "ed")))


def _aes(code: CipherSuite, algorithm: HashAlgorithm, key_size: int) -> Suite:
    return Suite(int(code), code.name, algorithm, algorithm.digest_size, key_size, AES_GCM, GCM_RECORD_LIMIT)


def _chacha(code: CipherSuite, signers: frozenset[int] = frozenset()) -> Suite:
    return Suite(
        int(code),
        code.name,
        _SHA256,
        _SHA256.digest_size,
        32,
        CHACHA20_POLY1305,
        SEQUENCE_LIMIT,
        signers=signers,
    )


def _aes12(code: CipherSuite, signers: frozenset[int], *, is_key_transport: bool = False) -> Suite:
    strong = "AES_256" in code.name
    algorithm: HashAlgorithm = _SHA384 if strong else _SHA256
    return Suite(
        int(code),
        code.name,
        algorithm,
        algorithm.digest_size,
        32 if strong else 16,
        AES_GCM,
        GCM_RECORD_LIMIT,
        iv_size=4,
        is_key_transport=is_key_transport,
        signers=signers,
    )


SUITES13: dict[int, Suite] = {
    suite.code: suite
    for suite in (
        _aes(_S.TLS_AES_128_GCM_SHA256, _SHA256, 16),
        _aes(_S.TLS_AES_256_GCM_SHA384, _SHA384, 32),
        _chacha(_S.TLS_CHACHA20_POLY1305_SHA256),
    )
}

SUITES12: dict[int, Suite] = {
    suite.code: suite
    for suite in (
        _aes12(_S.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, _ECDSA),
        _aes12(_S.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, _ECDSA),
        _chacha(_S.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, _ECDSA),
        _aes12(_S.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, _RSA),
        _aes12(_S.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, _RSA),
        _chacha(_S.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, _RSA),
        _aes12(_S.TLS_RSA_WITH_AES_128_GCM_SHA256, frozenset(), is_key_transport=True),
        _aes12(_S.TLS_RSA_WITH_AES_256_GCM_SHA384, frozenset(), is_key_transport=True),
    )
}
