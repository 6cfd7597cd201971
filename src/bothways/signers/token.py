"""A private key in a PKCS#11 token that signs handshakes, named by a URI (RFC 7512).

Each thread has a session of its own, so that as many signatures are made at once as the token allows.
"""

from __future__ import annotations

import os
import threading
from hmac import compare_digest
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.arguments import instance
from bothways.errors import ConfigError
from bothways.signers.pool import AT_ONCE, SECONDS, WAITING, SigningPool
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
from bothways.trust.own_identity.credentials import Credentials

_HASHES: dict[str, HashAlgorithm] = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}


def token_credentials(
    cert: bytes,
    uri: str,
    pin: str | None = None,
    *,
    before: Credentials | None = None,
    at_once: int = AT_ONCE,
    waiting: int = WAITING,
    seconds: float = SECONDS,
) -> Credentials:
    """Return credentials whose key is in a token. Raises ConfigError, and `TokenUnavailable` for what the token lacks.

    cert: the chain in PEM or DER, the leaf first.  uri: of the key, such as
    pkcs11:token=web;object=server?module-path=/usr/lib/softhsm/libsofthsm2.so.  pin: of the token, unless the URI names
    a file with it.  before: earlier credentials, whose signer is used again if it is for the same key.  The rest is as
    for `SigningPool`.
    """
    if before is not None:
        instance("before", before, Credentials)
    where, earlier = KeyURI.parse(uri), None if before is None else before.holder
    if isinstance(earlier, TokenSigner) and earlier.is_for(where, pin):
        holder = earlier
    else:
        holder = TokenSigner(where, pin, at_once=at_once, waiting=waiting, seconds=seconds)
    credentials = Credentials.external(cert, holder)
    if _spki(holder.public_key) != _spki(credentials.certificate.public_key()):
        raise ConfigError(
            f"the key in the token does not belong to the certificate of {credentials.names.subject}"
        )
    return credentials


class TokenSigner(SigningPool):
    """Signs with a key in a token; the arguments are those of `token_credentials`.

    A token that was taken out and put back is opened again at the next signature.
    """

    def __init__(
        self,
        uri: KeyURI,
        pin: str | None = None,
        *,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        seconds: float = SECONDS,
    ) -> None:
        super().__init__(self._signature, at_once=at_once, waiting=waiting, seconds=seconds)
        self._uri = uri
        self._pin = pin
        self._label = uri.label
        self._sessions = threading.local()
        self._opened_by = os.getpid()
        # This session keeps the process logged in; it is not used to sign.
        self._first, self.public_key = self._open()[::2]

    def is_for(self, uri: KeyURI, pin: str | None) -> bool:
        """Whether this signer is for the key of `uri`, opened by `pin`."""
        return uri == self._uri and compare_digest((pin or "").encode(), (self._pin or "").encode())

    def forget_threads(self) -> None:
        """Begin anew, without threads and without a session that one of them was opening."""
        super().forget_threads()
        self._opening = threading.Lock()

    def __repr__(self) -> str:
        return f"<TokenSigner on {self._label}>"

    def _signature(self, scheme: str, data: bytes) -> bytes:
        """Sign in this thread, with its session; after a failure the next signature opens another one."""
        found = getattr(self._sessions, "found", None)
        if found is None or found[0] != os.getpid():
            found = self._sessions.found = (os.getpid(), *self._open())
        try:
            with token_errors(self._label):
                return _sign(found[2], scheme, data)
        except BaseException:
            self._sessions.found = None
            raise

    def _open(self) -> tuple[Any, Any, TokenPublicKey]:
        """Open a session; return it, the private key and the public key. The first of a process logs in."""
        uri = self._uri
        with self._opening, token_errors(self._label):
            token = token_at(uri, again=self._opened_by != os.getpid())
            from pkcs11 import UserAlreadyLoggedIn  # which is there, since its driver is

            self._opened_by = os.getpid()
            pin = pin_for(uri, self._pin)
            try:
                session = token.open(user_pin=pin)
            except UserAlreadyLoggedIn:
                session = token.open()
            found = key_pair_in(session, uri)
            if found is None:
                session.close()
                raise TokenUnavailable(f"{self._label} has no private key {uri.key_name}")
            return (session, *found)


def _sign(private: Any, scheme: str, data: bytes) -> bytes:
    """Sign with the mechanism of a TLS signature scheme (RFC 9846 4.3.3)."""
    from pkcs11 import MGF, Mechanism

    name = scheme.rpartition("_")[2]
    algorithm = _HASHES.get(name)
    if algorithm is None:
        raise TokenUnavailable(f"a key in a token does not sign by {scheme}")
    if scheme.startswith("ecdsa_"):
        digest = Hash(algorithm)
        digest.update(data)
        return ecdsa_signature(private, digest.finalize())
    kind = "RSA_PKCS_PSS" if scheme.startswith("rsa_pss_") else "RSA_PKCS"
    mechanism = Mechanism[f"{name.upper()}_{kind}"]
    if kind == "RSA_PKCS":
        return bytes(private.sign(data, mechanism=mechanism))
    parameters = (Mechanism[name.upper()], MGF[name.upper()], algorithm.digest_size)
    return bytes(private.sign(data, mechanism=mechanism, mechanism_param=parameters))


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded
