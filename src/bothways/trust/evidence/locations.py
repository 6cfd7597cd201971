"""URLs of OCSP responders and CRLs in certificates and redirects: which are accepted, and their parts.

Every URL is untrusted input; whether its host may be contacted is decided in `addresses`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

LONGEST = 1024

_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_IPV6 = re.compile(r"[0-9a-f:.]+")


@dataclass(frozen=True, slots=True)
class URLParts:
    """The parts of a URL: `host` in lower case and without brackets, `target` the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def read_location(text: str, *, https: bool = False) -> URLParts:
    """Return the parts of a URL. Raises ValueError, which says why it cannot be used.

    https: whether an https URL is accepted.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    if not _PRINTABLE.fullmatch(text) or "\\" in text:
        raise ValueError("it has characters that a URL cannot have")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError(f"it is not an {'http or https' if https else 'http'} address")
    if parts.scheme == "https" and not https:
        raise ValueError("https is not allowed for fetching evidence")
    if "@" in parts.netloc:
        raise ValueError("it contains credentials")
    host = (parts.hostname or "").rstrip(".")
    if not (_IPV6.fullmatch(host) if parts.netloc.startswith("[") else is_host(host)):
        raise ValueError("it has no host")
    port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    if port == 0:
        raise ValueError("it names port 0")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return URLParts(parts.scheme, host, port, target)


def redirected(location: URLParts, to: str, *, https: bool = False) -> URLParts:
    """Return the location that a redirect names (RFC 9110 10.2.2). Raises ValueError as `read_location` does."""
    if len(to) > LONGEST or not _PRINTABLE.fullmatch(to):
        raise ValueError("it redirects to something that is not a URL")
    try:
        return read_location(urljoin(str(location), to), https=https)
    except ValueError as error:
        raise ValueError(f"it redirects to an address that is not accepted: {error}") from None


def is_host(text: str) -> bool:
    """Whether a text in lower case can be a host name or an IPv4 address."""
    return len(text) <= 253 and _HOST.fullmatch(text) is not None
