"""RSA key transport: the premaster secret encrypted with the server's RSA key (RFC 5246 7.4.7.1).

Whoever can distinguish valid padding from invalid can decrypt recorded sessions (Bleichenbacher). So no branch here
depends on the decrypted bytes: OpenSSL returns bytes of random length for invalid padding, and a mask computed from
that length selects them or a random secret that was created before.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from bothways.faults import Fault, blame
from bothways.iana import ProtocolVersion
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.crypto.signing import described

VERSION_SIZE = 2
RANDOM_SIZE = 46
PREMASTER_SIZE = VERSION_SIZE + RANDOM_SIZE


def encrypt_premaster(certificate: x509.Certificate, randomness: Randomness) -> tuple[bytes, bytes]:
    """Return a new premaster secret and its encryption for the server with this certificate."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        blame(Fault.KEY_DOES_NOT_FIT_SUITE, key=described(key))
    premaster = ProtocolVersion.TLSv1_2.to_bytes(VERSION_SIZE, "big") + randomness.random(RANDOM_SIZE)
    return premaster, randomness.encrypt(key, premaster)


def decrypt_premaster(
    private_key: Any, encrypted: bytes, client_version: int, randomness: Randomness
) -> bytes:
    """Return the client's premaster secret, or a random one if the ciphertext is invalid, without a visible difference.

    Its version is always that of the ClientHello, so that a ClientHello that was altered on the way leads to a wrong
    Finished (RFC 5246 7.4.7.1).
    """
    random = randomness.random(RANDOM_SIZE)
    try:
        opened = private_key.decrypt(encrypted, PKCS1v15())
    except ValueError:
        opened = (
            b""  # a ciphertext of the wrong size or above the modulus: this is visible to everybody anyway
        )
    return client_version.to_bytes(VERSION_SIZE, "big") + choose_premaster(opened, random)


def choose_premaster(opened: bytes, random: bytes) -> bytes:
    """Return the random part of `opened` if its length is right, else `random`, without a branch."""
    difference = len(opened) ^ PREMASTER_SIZE
    mask = (difference - 1) >> 16 & 0xFF  # 255 if the lengths are equal, else 0
    other = mask ^ 0xFF
    padded = (opened + bytes(PREMASTER_SIZE))[VERSION_SIZE:PREMASTER_SIZE]
    return bytes([one & mask | two & other for one, two in zip(padded, random, strict=True)])
