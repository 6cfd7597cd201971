"""The destination of a request: an https URL, parsed strictly, and redirects (RFC 9110 4.2, 15.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from bothways.addresses import without_user
from bothways.errors import ConfigError
from bothways.faults import shown

URL_LIMIT = 8 * 1024
PORT = 443
_OUTSIDE = re.compile(r"[\x00-\x20\x7f]")
# Characters allowed in a URL (RFC 3986 2.2 and 2.3); all others are percent-encoded.
_KEPT = "!#$%&'()*+,/:;=?@[]~-._"


@dataclass(frozen=True, slots=True)
class Location:
    """Host, port, and the target of the request line: path and query."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host and, unless it is 443, the port, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORT else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, int]:
        """Host and port: two locations with the same origin belong to the same server (RFC 9110 4.3.1)."""
        return self.host, self.port

    def __str__(self) -> str:
        return f"https://{self.authority}{self.target}"


def parse(url: str) -> Location:
    """Parse an https URL. Raises ConfigError with the reason."""
    try:
        return _located(url)
    except ValueError as error:
        raise ConfigError(f"{shown(without_user(url))}: {error}") from None


def redirected(location: Location, to: str) -> Location:
    """Return the location of a redirect in a response from `location`. Raises ConfigError unless it is an https URL."""
    if len(to) > URL_LIMIT:
        raise ConfigError(f"a redirect to a URL of more than {URL_LIMIT} characters")
    try:
        joined = urljoin(str(location), to)
    except ValueError:
        raise ConfigError(f"a redirect to {shown(without_user(to))}, which is no URL") from None
    return parse(joined)


def _located(url: str) -> Location:
    if len(url) > URL_LIMIT:
        raise ValueError(f"longer than {URL_LIMIT} characters")
    if _OUTSIDE.search(url):
        raise ValueError("it has a space or a control character; write %20 for a space")
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may contain the password
        raise ValueError("its host is neither a valid name nor an IP address") from None
    if parts.scheme.lower() != "https":
        raise ValueError("expected https://HOST/...; without TLS the server is not authenticated")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "it contains a user name; give credentials with --cert or -H, since URLs end up in logs"
        )
    if not parts.hostname:
        raise ValueError("it has no host")
    return Location(_host(parts), _port(parts), _target(parts))


def _port(parts: SplitResult) -> int:
    try:
        port = PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise ValueError("expected a port of 1 to 65535")
    return port


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        return str(IPv6Address(host))
    try:
        return host.encode("ascii").decode("ascii") if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("its host is neither a valid name nor an IP address") from None


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_KEPT)
    return f"{path}?{quote(parts.query, safe=_KEPT)}" if parts.query else path
