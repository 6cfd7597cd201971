"""The header of the PROXY protocol, version 2: who the client is, told to a service before the first byte.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. What it says comes from the connection and from the verdict
about the client, and from nothing that a client could make up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from bothways.tls.events import Peer
from bothways.trust.access.kinds import COMMON_NAME, subject_values

ProxyProtocol = Literal["v2", "v2-certificate"]
CHOICES: tuple[ProxyProtocol, ...] = ("v2", "v2-certificate")

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_PROXY = 0x21  # version 2, for somebody else
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_ALPN, _AUTHORITY, _SSL = 0x01, 0x02, 0x20  # types
_SSL_VERSION, _SSL_CN, _SSL_CERTIFICATE = 0x21, 0x22, 0x28  # subtypes
_CLIENT_SSL, _CLIENT_CERT_CONN, _CLIENT_CERT_SESS = 0x01, 0x02, 0x04
_VERIFIED = 0
_TEXT_LIMIT = 255
_LENGTH_LIMIT = 65535


@dataclass(frozen=True, slots=True)
class ProxiedClient:
    """A client as a service is told of it.

    address, local: from and to which it connected, host and port; None for a Unix socket.  server_name: the name that
    it asked for.  alpn: the application protocol chosen.  version: of TLS, "1.3".  resumed: whether its certificate was
    shown in an earlier connection of the session.
    """

    peer: Peer
    address: tuple[str, int] | None
    local: tuple[str, int] | None
    server_name: str | None
    alpn: str | None
    version: str
    resumed: bool


def header(client: ProxiedClient, form: ProxyProtocol) -> bytes:
    """Return the header for a verified client. form: "v2-certificate" has the whole certificate too (DER)."""
    family, addresses = _addresses(client)
    values = b""
    if client.alpn is not None:
        values += _value(_ALPN, client.alpn.encode())
    if client.server_name is not None and len(client.server_name) <= _TEXT_LIMIT:
        values += _value(_AUTHORITY, client.server_name.encode())
    values += _value(_SSL, _ssl(client, form))
    body = addresses + values
    if len(body) > _LENGTH_LIMIT:
        raise OSError("the client's certificate is too long for a PROXY header")
    return SIGNATURE + struct.pack("!BBH", _PROXY, family, len(body)) + body


def _ssl(client: ProxiedClient, form: ProxyProtocol) -> bytes:
    """Return the part about TLS; only a client whose certificate was judged has one, so that `verify` says so."""
    shown = _CLIENT_CERT_SESS if client.resumed else _CLIENT_CERT_CONN | _CLIENT_CERT_SESS
    content = struct.pack("!BI", _CLIENT_SSL | shown, _VERIFIED)
    content += _value(_SSL_VERSION, f"TLSv{client.version}".encode())
    if not client.peer.verdict.path_der:
        raise TypeError("a gateway verifies clients by certificates alone")
    names = subject_values(client.peer.verdict, COMMON_NAME)
    if len(names) == 1 and len(names[0].encode()) <= _TEXT_LIMIT:
        content += _value(_SSL_CN, names[0].encode())
    if form == "v2-certificate":
        content += _value(_SSL_CERTIFICATE, client.peer.verdict.path_der[0])
    return content


def _addresses(client: ProxiedClient) -> tuple[int, bytes]:
    """Return the family and both addresses; none where one of them is no address of TCP."""
    if client.address is None or client.local is None:
        return _UNSPECIFIED, b""
    pair = _plain(client.address[0]), _plain(client.local[0])
    ports = struct.pack("!HH", client.address[1], client.local[1])
    if all(isinstance(each, IPv4Address) for each in pair):
        return _TCP4, b"".join(each.packed for each in pair) + ports
    return _TCP6, b"".join(_as_ipv6(each).packed for each in pair) + ports


def _plain(host: str) -> IPv4Address | IPv6Address:
    """Return an address without its zone; one of IPv4 that is mapped into IPv6 is one of IPv4."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _as_ipv6(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


def _value(kind: int, content: bytes) -> bytes:
    if len(content) > _LENGTH_LIMIT:
        raise OSError("the client's certificate is too long for a PROXY header")
    return struct.pack("!BH", kind, len(content)) + content
