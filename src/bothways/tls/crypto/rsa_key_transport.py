"""RSA key transport: the premaster secret under the server's RSA key (RFC 5246 7.4.7.1).

Whoever can tell a well padded ciphertext from another can open recorded sessions. So nothing here branches on
what was deciphered: OpenSSL answers bad padding with bytes of random length, and a mask made from that length
chooses between them and a random secret that was made before.
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
    """Make a premaster secret: the secret, and its encryption for the server of `certificate`."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        blame(Fault.KEY_DOES_NOT_FIT_SUITE, key=described(key))
    premaster = ProtocolVersion.TLSv1_2.to_bytes(VERSION_SIZE, "big") + randomness.random(RANDOM_SIZE)
    return premaster, randomness.encrypt(key, premaster)


def decrypt_premaster(
    private_key: Any, encrypted: bytes, client_version: int, randomness: Randomness
) -> bytes:
    """Return the client's premaster secret, or one that nobody knows: which of both, nobody is told.

    Its version is that of the ClientHello whatever the ciphertext holds, so that a hello which was altered
    on the way ends in a wrong Finished.
    """
    random = randomness.random(RANDOM_SIZE)
    try:
        opened = private_key.decrypt(encrypted, PKCS1v15())
    except ValueError:
        opened = b""  # a ciphertext as long as no modulus, or larger than ours: that is no secret
    return client_version.to_bytes(VERSION_SIZE, "big") + _chosen(opened, random)


def _chosen(opened: bytes, random: bytes) -> bytes:
    """The random part of `opened` if that is as long as a premaster secret, else `random`, by masks alone."""
    difference = len(opened) ^ PREMASTER_SIZE
    mask = (difference - 1) >> 16 & 0xFF  # 255 if there is no difference, else 0
    other = mask ^ 0xFF
    padded = (opened + bytes(PREMASTER_SIZE))[VERSION_SIZE:PREMASTER_SIZE]
    return bytes([one & mask | two & other for one, two in zip(padded, random, strict=True)])
