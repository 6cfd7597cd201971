"""Private keys in PKCS#11 tokens: the token, its driver, its PIN, and the pair of keys that a URI names.

PIN and driver come from files and the environment, so that neither is on a command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bothways.errors import ConfigError, UnusableFile
from bothways.tokens.errors import PinNeeded, PinWrong, TokenUnavailable
from bothways.tokens.key_uri import KeyURI
from bothways.trust.decoding import parsing

MODULE = "PKCS11_MODULE"
TokenPublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def token_at(uri: KeyURI, *, again: bool = False) -> Any:
    """Return the token of a URI, by its driver. again: the driver was loaded by a process that forked this one."""
    try:
        import pkcs11
    except ModuleNotFoundError:
        raise TokenUnavailable(
            "keys in hardware need python-pkcs11: pip install 'bothways[pkcs11]'"
        ) from None
    module = uri.module or os.environ.get(MODULE, "")
    if not module:
        raise ConfigError(
            f"no PKCS#11 driver is configured: set ${MODULE}, or add module-path= to the PKCS#11 URI"
        )
    serial = {"token_serial": uri.serial.encode()} if uri.serial else {}
    driver = pkcs11.lib(module)
    if again:
        driver.reinitialize()
    return driver.get_token(token_label=uri.token, **serial)


def pin_for(uri: KeyURI, pin: str | None) -> str:
    """Return the PIN of the file that the URI names, else `pin`. Raises UnusableFile and PinNeeded."""
    if uri.pin_file:
        try:
            return Path(uri.pin_file).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise UnusableFile(f"{uri.pin_file}: the PIN cannot be read: {reason}") from None
    if not pin:
        raise PinNeeded(f"{uri.label} needs its PIN")
    return pin


def key_pair_in(session: Any, uri: KeyURI) -> tuple[Any, TokenPublicKey] | None:
    """Return the private key of a URI and its public key; None if the token has none of that name."""
    from pkcs11 import Attribute, KeyType, NoSuchKey, ObjectClass
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    named: dict[str, Any] = {"label": uri.object} if uri.object else {}
    try:
        private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=uri.id or None, **named)
    except NoSuchKey:
        return None
    public = session.get_key(object_class=ObjectClass.PUBLIC_KEY, id=private[Attribute.ID])
    encode = encode_rsa_public_key if private.key_type == KeyType.RSA else encode_ec_public_key
    key = parsing.public_key(encode(public))
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise TokenUnavailable(f"{uri.label}: the key {uri.key_name} is neither an ECDSA nor an RSA key")
    return private, key


def ecdsa_signature(private: Any, digest: bytes) -> bytes:
    """Sign a digest. A token returns r and s concatenated (PKCS#11); X.509 and TLS need a SEQUENCE of them."""
    from pkcs11 import Mechanism

    raw = bytes(private.sign(digest, mechanism=Mechanism.ECDSA))
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))


@contextmanager
def token_errors(label: str) -> Iterator[None]:
    """Raise an error of the driver as a TokenUnavailable that names the token; none contains the PIN."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__module__.partition(".")[0] != "pkcs11":
            raise
        kind = type(error).__name__
        reason = _REASONS.get(kind) or str(error) or kind
        raise _KINDS.get(kind, TokenUnavailable)(f"{label}: {reason}") from None


_KINDS = {"PinIncorrect": PinWrong, "PinLocked": PinWrong, "PinLenRange": PinWrong}


_REASONS = {
    "NoSuchToken": "not found; is it plugged in, and is the driver the right one?",
    "MultipleTokensReturned": "there are several with that name; add serial= to the URI",
    "MultipleObjectsReturned": "has several keys with that name; add id= to the URI",
    "NoSuchKey": "has no public key that belongs to the private key",
    "PinIncorrect": "the PIN is wrong",
    "PinLocked": "is locked after too many wrong PINs; its security officer can unlock it",
    "PinLenRange": "the PIN is too short or too long",
    "UserAlreadyLoggedIn": "this process has logged in to it already",
}
