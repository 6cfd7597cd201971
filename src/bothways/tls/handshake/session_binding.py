"""What a session is bound to, so that it is resumed only with the same configuration and identity.

Each value is the same in every process and after a reload, as long as the configuration is the same.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from bothways.tls.handshake.settings import ClientSettings, PeerTrust, Settings
from bothways.tls.resumption.session_store import SessionKey
from bothways.trust.names.general import lower_ascii
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials
from bothways.trust.path.name_matching import ServerName

_NO_ANCHORS = bytes(32)


def server_context(
    settings: Settings, own: Credentials | RawKeyCredentials, server_name: str | None
) -> bytes:
    """Return what the tickets of a virtual host are bound to.

    That is the server name, our certificate chain or raw public key, the trust anchors and pins for clients, and the
    policy of verification.
    """
    trusted = _NO_ANCHORS if settings.trust is None else _trust_digest(settings.trust)
    name = b"" if server_name is None else b"\0" + lower_ascii(server_name).encode()
    return settings.policy + trusted + _own_digest(own) + name


def ticket_context(
    settings: Settings, own: Credentials | RawKeyCredentials, server_name: str | None
) -> bytes:
    """Return the same; empty where no ticket is issued or opened."""
    return b"" if settings.tickets is None else server_context(settings, own, server_name)


def server_context_12(settings: Settings, own: Credentials, server_name: str | None) -> bytes:
    """Return the same for TLS 1.2; sessions of TLS 1.2 and TLS 1.3 are kept apart."""
    return b"TLS 1.2" + server_context(settings, own, server_name)


def key_of_12(key: SessionKey) -> SessionKey:
    """Return the key of a client's stored sessions of TLS 1.2. key: that for TLS 1.3."""
    return key._replace(configuration=b"TLS 1.2" + key.configuration)


def client_key(settings: ClientSettings, target: ServerName) -> SessionKey:
    """Return the key under which a client stores its sessions.

    It has the policy, the trust anchors and pins, our certificates and raw public key, and the server's name.
    """
    own = b"".join(_own_digest(each) for each in settings.identity.own)
    if settings.identity.raw_key is not None:
        own += _own_digest(settings.identity.raw_key)
    policy = settings.policy + _trust_digest(settings.trust)
    return SessionKey(policy, own, (target.kind, target.text))


def _trust_digest(trust: PeerTrust) -> bytes:
    """Return a digest of the trust anchors, and of the pins if there are any."""
    anchors = trust.anchors.current.digest
    return anchors if trust.pins is None else sha256(b"pins" + anchors + trust.pins.digest).digest()


def _own_digest(own: Credentials | RawKeyCredentials) -> bytes:
    if isinstance(own, RawKeyCredentials):
        return sha256(b"raw public key" + own.public.spki).digest()
    return _chain_digest(own.chain)


@lru_cache(maxsize=64)
def _chain_digest(chain: tuple[bytes, ...]) -> bytes:
    return sha256(b"".join(sha256(der).digest() for der in chain)).digest()
