"""Ticket keys in Valkey or Redis, by its own client library: what lies there is wrapped before it comes here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from bothways.addresses import without_user
from bothways.arguments import text
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.ticket_keys.file_store import StoreFailed

REDIS_SECONDS = 30.0
ANSWER_SECONDS = 3.0  # for a connection, and for each answer
INSTALL = "pip install 'bothways[redis]'"
LARGEST_STORED = 8192
# Valkey's own names of what is the same to the client.
SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}


class RedisStore:
    """One value of a server, under `name`. Nothing is connected before it is used. Raises ConfigError.

    url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], with rediss:// over TLS; unix:// for a socket.
    """

    def __init__(self, url: str, name: str) -> None:
        self.seconds = REDIS_SECONDS
        self._name = name
        known = client_url(url)
        self.where = f"{name} in {without_password(url)}"
        try:
            self._redis: Any = import_module("redis")
        except ModuleNotFoundError:
            raise ConfigError(f"ticket keys in Redis require the package redis: {INSTALL}") from None
        try:
            self._client = self._redis.Redis.from_url(
                known,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=None,
            )
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{without_password(url)}: {shown(error)}") from None

    def load(self) -> bytes | None:
        """Return what is there, None for nothing. Raises StoreFailed."""
        with self._failing():
            return _value(self._client.getrange(self._name, 0, LARGEST_STORED))

    def replace(self, before: bytes | None, after: bytes, lifetime: timedelta) -> bool:
        """Put `after` there if `before` is there still, to be forgotten after its lifetime. Raises StoreFailed."""
        with self._failing():
            if before is None:
                return bool(self._client.set(self._name, after, nx=True, px=lifetime))
            with self._client.pipeline() as pipeline:
                pipeline.watch(self._name)
                if _value(pipeline.getrange(self._name, 0, LARGEST_STORED)) != before:
                    return False
                pipeline.multi()
                pipeline.set(self._name, after, px=lifetime)
                try:
                    pipeline.execute()
                except self._redis.WatchError:
                    return False
        return True

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Connect for each use, since a connection that is idle for half an hour may be closed on its way."""
        try:
            yield
        except (self._redis.RedisError, OSError, ValueError) as error:
            raise StoreFailed(f"it cannot be reached: {shown(error).rstrip('.')}") from None
        finally:
            self._client.connection_pool.disconnect()


def _value(value: object) -> bytes | None:
    """Return what is there; no more of it is asked for than ours can have."""
    if not isinstance(value, bytes) or len(value) > LARGEST_STORED:
        raise ValueError("what is there is no value of ours")
    return value or None


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
