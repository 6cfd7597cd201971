"""The interface of an AEAD for the record layer, and the exception for data that fails authentication."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

Forged = InvalidTag
TAG_SIZE = 16
NONCE_SIZE = 12


class Aead(Protocol):
    """An AEAD under one key. `decrypt` raises `Forged` for data that `encrypt` did not produce."""

    def encrypt(
        self, nonce: bytes, data: bytes | bytearray | memoryview, associated_data: bytes | None, /
    ) -> bytes:
        """Return the ciphertext, followed by the tag."""
        ...

    def encrypt_into(
        self,
        nonce: bytes,
        data: bytes | bytearray | memoryview,
        associated_data: bytes | None,
        buf: bytearray | memoryview,
        /,
    ) -> int:
        """Write the ciphertext, followed by the tag, into a buffer of exactly this size."""
        ...

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext, or raise `Forged`."""
        ...


class TrafficKeys(NamedTuple):
    """The key and the IV for the records of one direction. They do not appear in the repr."""

    key: bytes
    iv: bytes

    def __repr__(self) -> str:
        return "TrafficKeys(...)"


AeadKind = Callable[[bytes], Aead]
AES_GCM: AeadKind = AESGCM
CHACHA20_POLY1305: AeadKind = ChaCha20Poly1305
