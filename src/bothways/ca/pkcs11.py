"""A private key in a PKCS#11 token, identified by a URI (RFC 7512).

The key only signs and cannot be exported. PIN and driver come from files and the environment, so that neither is on a
command line.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import Hash

from bothways.ca.errors import FileUnusable, PinNeeded, PinWrong, TokenUnavailable
from bothways.ca.keys import HeldKey, KeyType, PublicKey, signature_hash
from bothways.errors import ConfigError
from bothways.trust.decoding import parsing

if TYPE_CHECKING:
    import pkcs11

SCHEME = "pkcs11:"
MODULE = "PKCS11_MODULE"
CURVES = {KeyType.P256: "secp256r1", KeyType.P384: "secp384r1"}
RSA_BITS = {KeyType.RSA3072: 3072}


@dataclass(frozen=True, slots=True)
class KeyURI:
    """Where a key is: the token, the object in it, the driver module, and the file with the PIN."""

    token: str
    object: str
    id: bytes = b""
    serial: str = ""
    module: str = ""
    pin_file: str = ""

    @classmethod
    def parse(cls, text: str) -> KeyURI:
        """Read a URI such as pkcs11:token=ca;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so (RFC 7512).

        Raises ConfigError for attributes that it does not support, and for a PIN in the URI itself.
        """
        if not text.startswith(SCHEME):
            raise ConfigError(f"{text!a} is not a PKCS#11 URI; write pkcs11:token=NAME;object=NAME")
        path, _, query = text.removeprefix(SCHEME).partition("?")
        where, how = _attributes(path, ";"), _attributes(query, "&")
        if "pin-value" in how:
            raise ConfigError(
                "a PKCS#11 URI must not contain the PIN: name a file that contains it with pin-source="
            )
        unknown = (where.keys() - {"token", "object", "id", "serial", "type"}) | (
            how.keys() - {"module-path", "pin-source"}
        )
        if unknown:
            raise ConfigError(f"the PKCS#11 URI has the attribute {min(unknown)!a}, which is not supported")
        if where.get("type", "private") != "private":
            raise ConfigError(f"the PKCS#11 URI has type={where['type']}; it must be type=private")
        if not where.get("token") or not (where.get("object") or where.get("id")):
            raise ConfigError("the PKCS#11 URI must have token=NAME, and object=NAME or id=")
        source = how.get("pin-source", "")
        return cls(
            where["token"],
            where.get("object", ""),
            unquote_to_bytes(_raw(path, "id")),
            where.get("serial", ""),
            how.get("module-path", ""),
            unquote(source.removeprefix("file://").removeprefix("file:")),
        )


class TokenKey(HeldKey):
    """A private key in a token, with an open session."""

    def __init__(self, uri: KeyURI, session: pkcs11.Session, private: Any, public: PublicKey) -> None:
        self._label = f"the token {uri.token!a}"
        self._session = session
        self._private = private
        self._public = public
        self._lock = threading.Lock()  # a session performs one operation at a time

    def __repr__(self) -> str:
        return f"<TokenKey on {self._label}>"

    def public_key(self) -> PublicKey:
        """The public key."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Sign data with the hash of `signature_hash`; raises TokenUnavailable."""
        from pkcs11 import Mechanism

        with token_errors(self._label), self._lock:
            if isinstance(self._public, rsa.RSAPublicKey):
                return bytes(self._private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
            # A token signs a digest and returns r and s concatenated (PKCS#11); X.509 needs a SEQUENCE of them.
            raw = bytes(self._private.sign(_hashed(data, self._public), mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def close(self) -> None:
        """Close the session."""
        with token_errors(self._label):
            self._session.close()


def find_key(uri: KeyURI, pin: str | None) -> TokenKey:
    """Open the key of a URI; raises TokenUnavailable. pin: of the token, unless the URI names a file with it."""
    found = _open(uri, pin, make=None)
    if found is None:
        raise TokenUnavailable(f"the token {uri.token!a} has no private key {object_named(uri)}")
    return found


def find_or_generate_key(uri: KeyURI, pin: str | None, key_type: KeyType) -> TokenKey:
    """Open the key of a URI, or generate one that cannot be exported."""
    found = _open(uri, pin, make=None)
    if found is not None:
        return found
    if key_type not in CURVES and key_type not in RSA_BITS:
        raise ConfigError(f"{key_type.value} keys cannot be generated in a token; use p256, p384 or rsa3072")
    if not uri.object:
        raise ConfigError("the PKCS#11 URI must have object=NAME, since a new key is to be generated")
    generated = _open(uri, pin, make=key_type)
    if generated is None:
        raise TokenUnavailable(f"the token {uri.token!a} does not find the key that it generated")
    return generated


def _open(uri: KeyURI, pin: str | None, make: KeyType | None) -> TokenKey | None:
    label = f"the token {uri.token!a}"
    with token_errors(label):
        session = token_at(uri).open(rw=make is not None, user_pin=pin_for(uri, pin))
        try:
            if make is not None:
                _generate(session, uri, make)
            key = key_pair_in(session, uri)
            if key is not None:
                return TokenKey(uri, session, *key)
        except BaseException:
            session.close()
            raise
        session.close()
        return None


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
    """Return the PIN of the file that the URI names, else `pin`. Raises FileUnusable and PinNeeded."""
    if uri.pin_file:
        try:
            return Path(uri.pin_file).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise FileUnusable(f"{uri.pin_file}: the PIN cannot be read: {reason}") from None
    if not pin:
        raise PinNeeded(f"the token {uri.token!a} needs its PIN")
    return pin


def _generate(session: Any, uri: KeyURI, key_type: KeyType) -> None:
    """Generate a key pair that can only sign; by the defaults of PKCS#11 it cannot be exported."""
    from pkcs11 import Attribute, MechanismFlag
    from pkcs11 import KeyType as Kind
    from pkcs11.util.ec import encode_named_curve_parameters

    template = {
        "id": uri.id or os.urandom(16),
        "label": uri.object,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
    }
    if key_type in RSA_BITS:
        session.generate_keypair(Kind.RSA, RSA_BITS[key_type], **template)
        return
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVES[key_type])}
    session.create_domain_parameters(Kind.EC, curve, local=True).generate_keypair(**template)


def key_pair_in(session: Any, uri: KeyURI) -> tuple[Any, PublicKey] | None:
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
        raise TokenUnavailable(
            f"the token {uri.token!a}: the key {object_named(uri)} is neither an ECDSA nor an RSA key"
        )
    return private, key


def object_named(uri: KeyURI) -> str:
    """Return how the URI names the key, as text."""
    return ascii(uri.object) if uri.object else f"with the id {uri.id.hex()}"


def _hashed(data: bytes, key: PublicKey) -> bytes:
    algorithm = signature_hash(key)
    if algorithm is None:
        raise TokenUnavailable("a key in a token signs with ECDSA or RSA only")
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _attributes(text: str, separator: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise ConfigError(
                f"the PKCS#11 URI contains {part!a}, which is not an attribute or a repeated one"
            )
        found[name] = unquote(value)
    return found


def _raw(path: str, name: str) -> str:
    return next((part.partition("=")[2] for part in path.split(";") if part.startswith(f"{name}=")), "")


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
