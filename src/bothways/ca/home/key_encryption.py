"""Encrypted private keys: PKCS#8 with PBES2, scrypt and AES-256-CBC (RFC 5958, RFC 8018, RFC 7914).

`cryptography` encrypts with 2,048 iterations of PBKDF2, too few for a passphrase that a person chooses; it reads
these files, and so does OpenSSL.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bothways.ca.der import OCTET_STRING, integer, sequence, tagged
from bothways.ca.keys import PrivateKey, usable_key
from bothways.errors import ConfigError
from bothways.trust.decoding import parsing, pem

# 16 MiB, with p = 5: a recommendation of OWASP that is within the memory limit of OpenSSL.
COST, BLOCK_SIZE, PARALLEL = 2**14, 8, 5
PBES2 = bytes.fromhex("06092a864886f70d01050d")
SCRYPT = bytes.fromhex("06092b06010401da47040b")
AES_256_CBC = bytes.fromhex("060960864801650304012a")

Random = Callable[[int], bytes]


def encode_key(key: PrivateKey, passphrase: bytes | None, random: Random) -> bytes:
    """Encode a key as PKCS#8 in PEM, encrypted if there is a passphrase.

    random: returns n random bytes, for salt and initialization vector.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return pem.encoded("PRIVATE KEY", plain)
    salt, vector = random(16), random(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(_derived_key(passphrase, salt)), CBC(vector)).encryptor()
    body = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    costs = b"".join(integer(value) for value in (COST, BLOCK_SIZE, PARALLEL))
    derivation = sequence(SCRYPT, sequence(tagged(OCTET_STRING, salt), costs))
    encryption = sequence(AES_256_CBC, tagged(OCTET_STRING, vector))
    whole = sequence(sequence(PBES2, sequence(derivation, encryption)), tagged(OCTET_STRING, body))
    return pem.encoded("ENCRYPTED PRIVATE KEY", whole)


def decode_key(data: bytes, passphrase: bytes | None, source: str) -> PrivateKey:
    """Decode a key that `encode_key` wrote; raises ConfigError, PassphraseNeeded or WrongPassphrase."""
    if passphrase is not None and b"ENCRYPTED" not in data:
        raise ConfigError(f"{source}: is not encrypted, but a passphrase was given")
    try:
        key = parsing.private_key(data, passphrase)
    except parsing.PassphraseNeeded:
        raise parsing.PassphraseNeeded(source, "is encrypted; its passphrase is needed") from None
    except parsing.EncodingError:
        if passphrase:
            raise parsing.WrongPassphrase(source, "cannot be decrypted with this passphrase") from None
        raise ConfigError(f"{source}: contains no private key") from None
    return usable_key(key, source)


def _derived_key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=BLOCK_SIZE, p=PARALLEL).derive(passphrase)
