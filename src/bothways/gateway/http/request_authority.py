"""For whom a request is: its authority has to belong to the route that the handshake was made for (RFC 9110 7.4).

And what it is for: a target that is the same to every service.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from bothways.gateway.http.messages import RefusedRequest
from bothways.trust.names.general import is_dns_name, lower_ascii

if TYPE_CHECKING:
    from bothways.gateway.routes.routes import Route, Routes
    from bothways.servers.addresses import ListenerAddress
    from bothways.tls.handshake.server.start import ServiceRequest

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)


def server_name_of(authority: bytes) -> str | None:
    """Return the DNS name in an authority, in lower case; None for an IP address. Raises RefusedRequest (400)."""
    matched = _AUTHORITY.fullmatch(authority.decode("latin-1"))
    if matched is None or int(matched["port"] or 0) > 65535:
        raise RefusedRequest(400, "the authority of the request is no host with or without a port")
    host = matched["host"]
    if _is_address(host):
        return None
    name = lower_ascii(host).removesuffix(".")
    if not is_dns_name(name):
        raise RefusedRequest(400, "the authority of the request is no host with or without a port")
    return name


def check_authority(
    authority: bytes, routes: Routes, route: Route, listener: ListenerAddress, asked: ServiceRequest
) -> None:
    """Raise RefusedRequest (421) for a request whose authority leads to another route, or to none, than its connection.

    asked: what the client asked for in the handshake.
    """
    name = server_name_of(authority)
    if routes.find(listener, replace(asked, server_name=name)) is not route:
        raise RefusedRequest(421, "this connection was not made for that host: connect again by its name")


def check_target(method: bytes, target: bytes) -> None:
    """Raise RefusedRequest for a target with a fragment, or "*" without OPTIONS (RFC 9112 3.2, RFC 9113 8.3.1)."""
    if b"#" in target:
        raise RefusedRequest(400, "the target of the request has a fragment")
    if target == b"*" and method != b"OPTIONS":
        raise RefusedRequest(400, "the target of the request is no path")


def _is_address(host: str) -> bool:
    try:
        IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        if host.startswith("["):
            raise RefusedRequest(
                400, "the authority of the request is no host with or without a port"
            ) from None
        return False
    return True
