"""To what a session is bound, so that it is resumed where it began and nowhere else.

Each is the same in every process and after a reload, as long as nothing of it has changed.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from bothways.tls.handshake.settings import ClientSettings, Settings
from bothways.tls.resumption.session_store import SessionKey
from bothways.trust.credentials import Credentials
from bothways.trust.general_names import lower_ascii
from bothways.trust.names import ServerName

_NOBODY = bytes(32)


def server_context(settings: Settings, own: Credentials, server_name: str | None) -> bytes:
    """Return what the tickets of one virtual host are bound to: its name, its identity, whom it trusts and how."""
    anchors = _NOBODY if settings.trust is None else settings.trust.anchors.current.digest
    name = b"" if server_name is None else b"\0" + lower_ascii(server_name).encode()
    return settings.policy + anchors + _chain_digest(own.chain) + name


def client_key(settings: ClientSettings, target: ServerName) -> SessionKey:
    """Return under what a client keeps its sessions: how it judges, who it is, and whom it wants to reach."""
    own = b"".join(_chain_digest(each.chain) for each in settings.identity.own)
    judged = settings.policy + settings.trust.anchors.current.digest
    return SessionKey(judged, own, (target.kind, target.text))


@lru_cache(maxsize=64)
def _chain_digest(chain: tuple[bytes, ...]) -> bytes:
    return sha256(b"".join(sha256(der).digest() for der in chain)).digest()
