"""Values as they lie in a store that is not trusted: encrypted and authenticated under a secret that is never there."""

from __future__ import annotations

import re

from cryptography.hazmat.primitives.hashes import SHA256

from bothways.arguments import text
from bothways.errors import ConfigError
from bothways.ticket_keys.shared_ring import BadTicketKeys
from bothways.tls.crypto.aead import AES_GCM, NONCE_SIZE, TAG_SIZE, Forged
from bothways.tls.crypto.hkdf import expand, extract
from bothways.tls.resumption.ticket_keys import KEY_SIZE, Random

SHORTEST_SECRET = 32  # bytes; as hexadecimal digits 64
_LABEL = b"bothways wrapped ticket keys 1"
_HEXADECIMAL = re.compile(rb"\s*((?:[0-9A-Fa-f]{2})+)\s*")


class NotWrapped(BadTicketKeys):
    """What is stored there was not wrapped under our secret for this name."""


class Wrapping:
    """AES-256-GCM under a key that HKDF derives from a secret, bound to the name under which a value is stored.

    label: what the values are for, so that one secret has a key for each.  Raises ConfigError for a secret that is too
    short.
    """

    def __init__(self, secret: bytes, name: str, label: bytes = _LABEL) -> None:
        key = expand(SHA256(), extract(SHA256(), b"", _checked(secret)), label, KEY_SIZE)
        self._aead = AES_GCM(key)
        self._context = label + b"\0" + text("name", name).encode()

    def wrap(self, plain: bytes, random: Random) -> bytes:
        """Return what is stored in place of `plain`."""
        nonce = random(NONCE_SIZE)
        return nonce + self._aead.encrypt(nonce, plain, self._context)

    def unwrap(self, stored: bytes) -> bytes:
        """Return what was wrapped. Raises NotWrapped for whatever was not wrapped so."""
        try:
            if len(stored) > NONCE_SIZE + TAG_SIZE:
                return self._aead.decrypt(stored[:NONCE_SIZE], stored[NONCE_SIZE:], self._context)
        except Forged:
            pass
        raise NotWrapped("it does not verify under our secret: it was altered, or another secret is in use")


def _checked(secret: object) -> bytes:
    if not isinstance(secret, bytes) or len(secret) < SHORTEST_SECRET:
        raise ConfigError(f"secret: expected {SHORTEST_SECRET} random bytes or more")
    return secret


def secret_in(data: bytes, source: str) -> bytes:
    """Return the secret in a file: hexadecimal digits, or the bytes themselves. Raises ConfigError."""
    digits = _HEXADECIMAL.fullmatch(data)
    secret = data if digits is None else bytes.fromhex(digits[1].decode())
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(
            f"{source}: expected {SHORTEST_SECRET} random bytes or more; openssl rand -hex {SHORTEST_SECRET} makes them"
        )
    return secret
