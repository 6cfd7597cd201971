"""What the record layer asks of an AEAD, and the one exception by which it says no."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

Forged = InvalidTag
TAG_SIZE = 16
NONCE_SIZE = 12


class Aead(Protocol):
    """An AEAD under one key; `decrypt` raises `Forged` for whatever was not made by `encrypt`."""

    def encrypt(
        self, nonce: bytes, data: bytes | bytearray | memoryview, associated_data: bytes | None, /
    ) -> bytes:
        """Return the ciphertext with its tag behind it."""
        ...

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext, or raise `Forged`."""
        ...


class TrafficKeys(NamedTuple):
    """What protects the records of one direction. Both are secret, and neither shows."""

    key: bytes
    iv: bytes

    def __repr__(self) -> str:
        return "TrafficKeys(...)"


AeadKind = Callable[[bytes], Aead]
AES_GCM: AeadKind = AESGCM
CHACHA20_POLY1305: AeadKind = ChaCha20Poly1305
