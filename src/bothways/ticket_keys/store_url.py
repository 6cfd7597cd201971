"""URLs of Valkey and Redis: read by the client library redis, and shown without passwords."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from bothways.addresses import without_user
from bothways.arguments import text
from bothways.errors import ConfigError
from bothways.faults import shown

INSTALL = "pip install 'bothways[redis]'"
# Valkey's own names of what is the same to the client.
SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}


def target_of(url: str, why: str) -> Any:
    """Return what the library makes of a URL: a connection that is not opened. Raises ConfigError.

    Of it only host, port, path, database, user, password and the TLS context are used: the library itself reads all
    that a server sends. why: what needs the library.
    """
    known = client_url(url)
    try:
        library: Any = import_module("redis.asyncio")
    except ModuleNotFoundError:
        raise ConfigError(f"{why} the package redis: {INSTALL}") from None
    try:
        return library.ConnectionPool.from_url(known).make_connection()
    except (ValueError, TypeError, library.RedisError) as error:
        raise ConfigError(f"{without_password(url)}: {shown(error)}") from None


def greeting_of(target: Any) -> list[list[str | int]]:
    """Return the commands with which a connection begins: who we are, and which database is meant."""
    first: list[list[str | int]] = []
    if target.username or target.password:
        user = [target.username] if target.username else []
        first.append(["AUTH", *user, target.password or ""])
    if target.db:
        first.append(["SELECT", target.db])
    return first


def client_url(url: str) -> str:
    """Return the URL by the names that the client library knows. Raises ConfigError for one that cannot be used."""
    scheme, _, rest = text("url", url).partition("://")
    if scheme not in SCHEMES:
        expected = ", ".join(f"{each}://" for each in SCHEMES)
        raise ConfigError(f"{shown(without_user(url))}: expected one of {expected}")
    known = f"{SCHEMES[scheme]}://{rest}"
    if not _is_readable(known):
        raise ConfigError(
            f"{shown(without_password(url))}: expected SCHEME://USER:PASSWORD@HOST:PORT/DATABASE; in user name and "
            "password %23 stands for #, %2F for /, %3F for ?, %40 for @, %5B for ["
        )
    return known


def _is_readable(url: str) -> bool:
    """Whether nothing but what stands before the host can be a part of the password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":  # in whose path an @ is nothing special
        return url.startswith("unix:///") or parts.netloc.endswith("@")
    return bool(parts.netloc) and "@" not in url.partition("://")[2].removeprefix(parts.netloc)


def without_password(url: str) -> str:
    """Return a URL for people."""
    if not _is_readable(url):
        return without_user(url)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
