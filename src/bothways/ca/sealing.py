"""Keys at rest: PKCS#8 under a passphrase that scrypt makes slow to guess (RFC 5958, RFC 8018, RFC 7914).

`cryptography` writes such files with 2,048 rounds of PBKDF2, too few for a passphrase that people choose;
it reads these, and so does OpenSSL.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from textwrap import wrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bothways.ca.keys import PrivateKey, usable_key
from bothways.errors import ConfigError

# 16 MiB for one guess, five times over: what OWASP asks for, within the memory that OpenSSL allows.
COST, BLOCK_SIZE, PARALLEL = 2**14, 8, 5
PBES2 = bytes.fromhex("06092a864886f70d01050d")
SCRYPT = bytes.fromhex("06092b06010401da47040b")
AES_256_CBC = bytes.fromhex("060960864801650304012a")

Random = Callable[[int], bytes]


def sealed(key: PrivateKey, passphrase: bytes | None, random: Random) -> bytes:
    """Write a key in PEM: encrypted if there is a passphrase, else as plain PKCS#8.

    random: gives n random bytes, for salt and initialization vector.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return _pem("PRIVATE KEY", plain)
    salt, vector = random(16), random(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(_stretched(passphrase, salt)), CBC(vector)).encryptor()
    body = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    costs = b"".join(_tagged(0x02, _integer(value)) for value in (COST, BLOCK_SIZE, PARALLEL))
    derivation = _sequence(SCRYPT, _sequence(_tagged(0x04, salt), costs))
    encryption = _sequence(AES_256_CBC, _tagged(0x04, vector))
    whole = _sequence(_sequence(PBES2, _sequence(derivation, encryption)), _tagged(0x04, body))
    return _pem("ENCRYPTED PRIVATE KEY", whole)


def opened(data: bytes, passphrase: bytes | None, source: str) -> PrivateKey:
    """Read a key that `sealed` wrote, or raise ConfigError that tells a wrong passphrase from none."""
    try:
        key = load_pem_private_key(data, passphrase)
    except TypeError:
        needed = passphrase is None
        raise ConfigError(
            f"{source}: is encrypted; its passphrase is needed"
            if needed
            else f"{source}: is not encrypted, so it needs no passphrase"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = "does not open with this passphrase" if passphrase else "holds no private key"
        raise ConfigError(f"{source}: {wrong}") from None
    return usable_key(key, source)


def _stretched(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=BLOCK_SIZE, p=PARALLEL).derive(passphrase)


def _pem(label: str, der: bytes) -> bytes:
    body = "\n".join(wrap(b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1)
