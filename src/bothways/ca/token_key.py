"""The key of a CA in a PKCS#11 token: found or generated there, it only signs and cannot be exported."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import Hash

from bothways.ca.errors import KeyUnavailable
from bothways.ca.keys import HeldKey, KeyType, PublicKey, signature_hash
from bothways.errors import ConfigError
from bothways.tokens.errors import TokenUnavailable
from bothways.tokens.key_uri import KeyURI
from bothways.tokens.token import (
    TokenPublicKey,
    ecdsa_signature,
    key_pair_in,
    pin_for,
    token_at,
    token_errors,
)

if TYPE_CHECKING:
    import pkcs11

CURVES = {KeyType.P256: "secp256r1", KeyType.P384: "secp384r1"}
RSA_BITS = {KeyType.RSA3072: 3072}


class TokenKey(HeldKey):
    """A private key in a token, with an open session."""

    def __init__(self, uri: KeyURI, session: pkcs11.Session, private: Any, public: TokenPublicKey) -> None:
        self._label = uri.label
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
        """Sign data with the hash of `signature_hash`; raises KeyUnavailable."""
        from pkcs11 import Mechanism

        with _key_errors(self._label), self._lock:
            if isinstance(self._public, rsa.RSAPublicKey):
                return bytes(self._private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
            return ecdsa_signature(self._private, _hashed(data, self._public))

    def close(self) -> None:
        """Close the session."""
        with _key_errors(self._label):
            self._session.close()


def find_key(uri: KeyURI, pin: str | None) -> TokenKey:
    """Open the key of a URI; raises KeyUnavailable, and ConfigError where no driver or an unreadable file is named.

    pin: of the token, unless the URI names a file with it.
    """
    found = _open(uri, pin, make=None)
    if found is None:
        raise KeyUnavailable(f"{uri.label} has no private key {uri.key_name}")
    return found


def find_or_generate_key(uri: KeyURI, pin: str | None, key_type: KeyType) -> TokenKey:
    """Open the key of a URI, or generate one that cannot be exported; raises what `find_key` does."""
    found = _open(uri, pin, make=None)
    if found is not None:
        return found
    if key_type not in CURVES and key_type not in RSA_BITS:
        raise ConfigError(f"{key_type.value} keys cannot be generated in a token; use p256, p384 or rsa3072")
    if not uri.object:
        raise ConfigError("the PKCS#11 URI must have object=NAME, since a new key is to be generated")
    generated = _open(uri, pin, make=key_type)
    if generated is None:
        raise KeyUnavailable(f"{uri.label} does not find the key that it generated")
    return generated


def _open(uri: KeyURI, pin: str | None, make: KeyType | None) -> TokenKey | None:
    with _key_errors(uri.label):
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


def _hashed(data: bytes, key: PublicKey) -> bytes:
    algorithm = signature_hash(key)
    if algorithm is None:
        raise KeyUnavailable("a key in a token signs with ECDSA or RSA only")
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()


@contextmanager
def _key_errors(label: str) -> Iterator[None]:
    """Raise what is wrong with a token as an error of the CA whose key is in it."""
    try:
        with token_errors(label):
            yield
    except TokenUnavailable as error:
        raise KeyUnavailable(str(error)) from None
