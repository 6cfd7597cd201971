"""Our private keys: read from PEM or DER, encrypted or not, and only those that can sign handshakes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa

from bothways.errors import ConfigError, UnusableFile
from bothways.faults import shown
from bothways.trust.decoding import pem
from bothways.trust.decoding.parsing import (
    EncodingError,
    PassphraseNeeded,
    UnsupportedKind,
    WrongPassphrase,
    private_key,
)

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
Password = str | bytes | None


def read_private_key(data: bytes, source: str, password: Password) -> PrivateKey:
    """Return the one private key in PEM or DER. Raises ConfigError, which names `source`."""
    found = pem.blocks(data)
    keys = [block for label, block in found if label.endswith("PRIVATE KEY")]
    if found and not keys:
        raise UnusableFile(
            f"{source}: it contains no private key; expected -----BEGIN PRIVATE KEY-----, here or in its own file"
        )
    if len(keys) > 1:
        raise UnusableFile(
            f"{source}: {len(keys)} private keys in it; keep only the one that belongs to the certificate"
        )
    if not found and data[:1] != b"\x30":
        raise UnusableFile(
            f"{source}: neither PEM nor DER; expected a private key (-----BEGIN PRIVATE KEY-----)"
        )
    try:
        key = private_key(keys[0] if keys else data, password_bytes(password))
    except UnsupportedKind as error:
        raise UnusableFile(f"{source}: a type of key that is not supported: {shown(error)}") from None
    except (PassphraseNeeded, WrongPassphrase):
        raise locked(source, password) from None
    except EncodingError as error:
        raise UnusableFile(f"{source}: the private key cannot be decoded: {shown(error)}") from None
    return usable_key(key, source)


def password_bytes(password: Password) -> bytes | None:
    """Return a password as bytes. Raises ConfigError for what is none."""
    if isinstance(password, str):
        try:
            return password.encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigError(
                "password: it has a character that cannot be encoded; pass it as bytes"
            ) from None
    if not isinstance(password, bytes | bytearray | memoryview | None):
        raise ConfigError(f"password: expected text or bytes, not {type(password).__name__}")
    return password if password is None else bytes(password)


def locked(source: str, password: Password) -> ConfigError:
    """Return the error for a key that does not open: no password was given, or a wrong one."""
    if password is None:
        return PassphraseNeeded(source, "it is encrypted, and no password was given")
    return WrongPassphrase(source, "the password is wrong, or the file is damaged")


def usable_key(key: object, source: str) -> PrivateKey:
    """Return a private key that can sign handshakes. Raises ConfigError for any other, which names `source`."""
    if isinstance(key, PrivateKey):
        return key
    if not hasattr(key, "private_bytes"):
        raise ConfigError(f"{source}: expected a private key of `cryptography`, not {type(key).__name__}")
    kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    raise UnusableFile(f"{source}: a {kind} key cannot sign handshakes; use ECDSA P-256, Ed25519 or RSA")
