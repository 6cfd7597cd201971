"""What is taken of a URL of a store, and how it is shown."""

from __future__ import annotations

import pytest

from bothways import ConfigError
from bothways.ticket_keys.store_url import greeting_of, target_of, without_password

WHY = "this needs"


def test_a_connection_begins_with_user_and_database() -> None:
    assert greeting_of(target_of("valkey://me:p%40ss@store.example:7000/3", WHY)) == [
        ["AUTH", "me", "p@ss"],
        ["SELECT", 3],
    ]
    target = target_of("redis://:secret@[::1]", WHY)
    assert (target.host, target.port, greeting_of(target)) == ("::1", 6379, [["AUTH", "secret"]])
    assert greeting_of(target_of("unix:///run/redis.sock", WHY)) == []


def test_a_user_without_a_password_is_who_the_url_names() -> None:
    """And not the default user, who may do more."""
    assert greeting_of(target_of("redis://me@store.example", WHY)) == [["AUTH", "me", ""]]


@pytest.mark.parametrize(
    "url",
    [
        "http://u:secret@h", "redis://u:secret@h:x", "redis://h?timeout=secret", "redis://[",
        "redis://u:secret@h?protocol=9", "rediss://u:secret@h?ssl_cert_reqs=some",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        target_of(url, WHY)
    assert "secret@" not in str(caught.value)


def test_a_url_is_shown_without_its_user() -> None:
    assert without_password("rediss://u:secret@h:1/2") == "rediss://h:1/2"


def test_without_the_client_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"this needs the package redis: pip install 'bothways\[redis\]'"):
        target_of("redis://localhost", WHY)
