"""What is said where two sides do not have the same external PSK: to the side that refuses, and to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bothways import PeerRule, explain_failure
from pair import Pair, failure, pair
from tls.handshake.conversations import (
    PLAIN,
    PSK_CLIENT,
    PSK_SERVER,
    client_config,
    psks,
    server_config,
)

OTHERS = {"psk_peers": psks("localhost", "other.example")}


def causes(error: Exception | None) -> list[tuple[str, str]]:
    assert error is not None
    return [(each.cause.name, each.party.value) for each in explain_failure(error).causes]


def talk(ours: dict[str, Any], theirs: dict[str, Any], then: Callable[[Pair], None] | None = None) -> Pair:
    made = pair(client_config(**PSK_CLIENT | ours), server_config(**PSK_SERVER | theirs))
    made.exchange()
    if then is not None:
        then(made)
        made.exchange()
    return made


def removed(made: Pair) -> None:
    made.server.judge_by(server_config(**PSK_SERVER | OTHERS).settings)
    made.server_events += made.server.judge_again()


@pytest.mark.parametrize(
    ("theirs", "then"),
    [(OTHERS, None), ({}, removed)],
    ids=["unknown", "removed"],
)
def test_both_sides_are_told_that_a_key_is_not_shared(
    theirs: dict[str, Any], then: Callable[[Pair], None] | None
) -> None:
    made = talk({}, theirs, then)
    assert causes(failure(made.server_events))[0] == ("PSK_NOT_SHARED", "the peer's")
    assert causes(failure(made.client_events))[0] == ("PSK_NOT_SHARED", "ours")


@pytest.mark.parametrize(
    ("ours", "theirs", "words", "remedy"),
    [
        (PLAIN, {}, "is used directly by the client", "have the client import the key (RFC 9258)"),
        ({}, PLAIN, "is imported by the client (RFC 9258)", "import the key here too"),
        (
            {"context": b"x"},
            {},
            "with another context",
            "the name of the other as its peer, or both the same context",
        ),
    ],
    ids=["not imported", "imported", "another context"],
)
def test_a_server_says_in_which_way_a_client_uses_a_key_that_it_knows(
    ours: dict[str, Any], theirs: dict[str, Any], words: str, remedy: str
) -> None:
    made = talk(
        {"psk_peers": psks("client.example", "localhost", **ours)},
        {"psk_peers": psks("localhost", "client.example", **theirs)},
    )
    error = failure(made.server_events)
    assert error is not None
    found = explain_failure(error).first
    assert words in found.text and remedy in found.remedy
    assert "is not known" not in str(error)


def test_a_client_is_told_that_the_server_took_no_key() -> None:
    made = talk({}, OTHERS | {"credentials": server_config().credentials, "client_auth": "request"})
    error = failure(made.client_events)
    assert causes(error)[0] == ("PSK_NOT_SHARED", "ours")
    assert error is not None and "the same identity, secret and hash" in str(error)


def test_a_client_with_a_key_that_no_rule_allows_is_told_so() -> None:
    """It has shown who it is; that it sent no certificate is not the cause."""
    made = talk({}, {"allow": PeerRule(cn="ada")})
    assert causes(failure(made.server_events))[0] == ("NOT_LET_IN", "the peer's")
    assert causes(failure(made.client_events))[0] == ("PSK_NOT_SHARED", "ours")
