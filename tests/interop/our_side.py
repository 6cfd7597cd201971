"""Our side of a connection with another implementation: configurations that ask for certificates, and identities."""

from __future__ import annotations

from typing import Any

from bothways.tls.config import ClientConfig, ServerConfig
from interop import identities
from interop.identities import Identity, client, deciphering, server


def our_client(who: Identity | None = None, **fields: Any) -> ClientConfig:
    return ClientConfig(anchors=identities.anchors(), credentials=who and who.credentials, **fields)


def our_server(who: Identity | None = None, auth: str = "require", **fields: Any) -> ServerConfig:
    trusted = identities.anchors() if auth != "none" else None
    return ServerConfig(
        credentials=(who or server()).credentials, client_anchors=trusted, client_auth=auth, **fields
    )


def parties(kind: str) -> tuple[Identity, Identity]:
    """A server and a client, for a kind of key or for key transport."""
    if kind == "transport":
        return deciphering("key_encipherment"), client("RSA")
    return server(kind), client(kind)
