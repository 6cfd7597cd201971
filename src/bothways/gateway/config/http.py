"""What the file of a gateway says of a route with `mode = "http"`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.gateway.config.strict_toml import Table

IdentityField = Literal["client-cert", "client-cert-chain", "x-forwarded-client-cert"]
IDENTITY_FIELDS: tuple[IdentityField, ...] = ("client-cert", "client-cert-chain", "x-forwarded-client-cert")
BY_DEFAULT: tuple[IdentityField, ...] = ("client-cert", "x-forwarded-client-cert")
HTTP1, HTTP2 = "http/1.1", "h2"
PROTOCOLS = (HTTP2, HTTP1)
VERSIONS = ("1.1", "2")
MODES = ("tcp", "http")
INSTALL = "pip install 'bothways[gateway]'"


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """A route of requests.

    identity_fields: in which header fields the service learns who the client is.  version: of HTTP that the service
    speaks, "1.1" or "2".
    """

    identity_fields: tuple[IdentityField, ...] = BY_DEFAULT
    version: str = VERSIONS[0]


def http_in(table: Table, alpn: tuple[str, ...]) -> HTTPConfig | None:
    """Read what a route says of HTTP; None for a route that passes on bytes. Raises ConfigError.

    alpn: the application protocols of the route.
    """
    if table.choice("mode", "tcp", MODES) == "tcp":
        for key in ("identity_headers", "backend_http"):
            if table.has(key):
                table.refuse_slip("mode")
                table.refuse('has an effect only with `mode = "http"`', key)
        return None
    for each in alpn:
        if each not in PROTOCOLS:
            table.refuse(f"a route of HTTP speaks {' and '.join(PROTOCOLS)}, not {shown(each)}", "alpn")
    texts = table.texts("identity_headers")
    names = tuple(each for each in IDENTITY_FIELDS if each in (texts or BY_DEFAULT))
    for text in texts or ():
        if text not in IDENTITY_FIELDS:
            table.refuse(f"{shown(text)} is none of {', '.join(IDENTITY_FIELDS)}", "identity_headers")
    return HTTPConfig(names, table.choice("backend_http", VERSIONS[0], VERSIONS))


def check_installed(
    key: str = '`mode = "http"`', packages: Sequence[str] = ("h11", "h2"), install: str = INSTALL
) -> None:
    """Raise ConfigError where packages are missing that a key of the file needs: by default those that read HTTP."""
    if any(find_spec(each) is None for each in packages):
        raise ConfigError(f"{key} needs {' and '.join(packages)}, which are not installed: {install}")


def alpn_in(table: Table) -> tuple[str, ...]:
    """Read application protocols; none where the key is absent. Raises ConfigError."""
    names = table.texts("alpn") or ()
    if len(set(names)) < len(names):
        table.refuse("has a name twice; name each once", "alpn")
    for each in names:
        if not each.isascii() or len(each) > 255:
            table.refuse(
                f"{shown(each)} is no application protocol; expected 1 to 255 ASCII characters", "alpn"
            )
    return names
