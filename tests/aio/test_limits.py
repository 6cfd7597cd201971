"""Limits that are none are told at once, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import identities
from aio_talk import ada
from bothways import ConfigError
from bothways.aio import connect, create_connection, create_server, start_server, start_tls
from bothways.http.uvicorn import over

CALLS: dict[str, Callable[..., Any]] = {
    "connect": lambda config, **limits: connect("127.0.0.1", 1, config, "localhost", **limits),
    "create_connection": lambda config, **limits: create_connection(
        asyncio.Protocol, "127.0.0.1", 1, config, "localhost", **limits
    ),
    "start_server": lambda config, **limits: start_server(print, "127.0.0.1", 0, config, **limits),
    "create_server": lambda config, **limits: create_server(
        asyncio.Protocol, "127.0.0.1", 0, config, **limits
    ),
    "start_tls": lambda config, **limits: start_tls(
        asyncio.Transport(), asyncio.Protocol(), config, "localhost", **limits
    ),
    "over": lambda config, **limits: over(asyncio.Protocol, config, **limits),
}
SERVERS = ("start_server", "create_server", "over")


def problem_of(name: str, config: object, **limits: object) -> str:
    async def main() -> None:
        called = CALLS[name](config, **limits)
        if asyncio.iscoroutine(called):
            await called

    with pytest.raises(ConfigError) as refused:
        asyncio.run(main())
    return str(refused.value)


ABOVE_0 = "idle_timeout: expected seconds above 0"
LIMITS: tuple[tuple[str, object, str], ...] = (
    ("limit", 0, "limit: expected 1 or more, not 0"),
    ("limit", "64k", "limit: expected a whole number, not str"),
    ("handshakes", 0, "handshakes: expected 1 or more, not 0"),
    ("handshakes", -1, "handshakes: expected 1 or more, not -1"),
    ("idle_timeout", 0, ABOVE_0),
    ("idle_timeout", -1.0, ABOVE_0),
    ("idle_timeout", float("nan"), ABOVE_0),
    ("idle_timeout", "1", "idle_timeout: expected a number, not str"),
)
CLIENTS = ("connect", "create_connection", "start_tls")
HAVE = {
    "limit": (*CLIENTS, "start_server", "create_server"),
    "handshakes": SERVERS,
    "idle_timeout": (*CLIENTS, *SERVERS),
}


@pytest.mark.parametrize(
    ("name", "limit", "value", "problem"), [(name, *row) for row in LIMITS for name in HAVE[row[0]]]
)
def test_a_limit_that_is_none_is_refused_before_the_first_connection(name, limit, value, problem):
    config = identities.server_config() if name in SERVERS else ada()
    assert problem in problem_of(name, config, **{limit: value})
