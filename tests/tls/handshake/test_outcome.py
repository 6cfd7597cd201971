"""What a handshake comes to, as the values that its script returns and says on its way."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import Caution
from bothways.roles import Version
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated, Verified
from bothways.trust import CRLStore, Revocation
from pair import Pair, pair
from tls.handshake.conversations import client_config, server_config

UNKNOWN_PASSES = Revocation(crls=CRLStore(), unknown="accept")
CHOICES = {
    "TLS 1.3": ({}, {}, ("1.3", "TLS_AES_128_GCM_SHA256", "x25519", None)),
    "TLS 1.3 with a protocol": (
        {"alpn": ("x", "h2")},
        {"alpn": ("h2",)},
        ("1.3", "TLS_AES_128_GCM_SHA256", "x25519", "h2"),
    ),
    "TLS 1.2": (
        {"versions": ("1.2",)},
        {"versions": ("1.2",)},
        ("1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "x25519", None),
    ),
}


def choices(side: Any) -> tuple[str | None, ...]:
    return side.version, side.suite, side.group, side.alpn


@pytest.mark.parametrize(("client", "server", "expected"), CHOICES.values(), ids=CHOICES)
def test_both_sides_come_to_the_same_choices(
    client: dict[str, Any], server: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    """RFC 9846 4.2: and hold them for as long as somebody asks."""
    talk = pair(client_config(**client), server_config(**server))
    talk.exchange()
    assert choices(talk.client) == choices(talk.server) == expected
    talk.client.close()
    talk.server.close()
    talk.exchange()
    assert choices(talk.client) == choices(talk.server) == expected


def test_negotiated_values_are_available_after_a_failure() -> None:
    """A server that refuses the client's certificate tells which handshake that was."""
    talk = pair(client_config(credentials=None), server_config())
    talk.exchange()
    assert talk.server.failure is not None
    assert choices(talk.server) == ("1.3", "TLS_AES_128_GCM_SHA256", "x25519", None)


def test_nothing_is_agreed_before_the_server_has_answered() -> None:
    """RFC 9846 4.2.3: it chooses."""
    talk = pair(client_config(), server_config())
    assert choices(talk.client) == choices(talk.server) == (None,) * 4
    talk.server.receive(talk.client.data_to_send())
    assert talk.server.version == "1.3" and talk.client.version is None


def test_a_result_without_a_verified_peer_has_none() -> None:
    """An anonymous client; what our own part calls for is told all the same."""
    result = HandshakeResult(Negotiated(Version.TLS13), None, None, (Caution.KEY_SIGNS_AND_DECIPHERS,))
    assert result.peer is None and result.warnings == (Caution.KEY_SIGNS_AND_DECIPHERS,)


def test_a_peer_of_unknown_status_that_passes_is_a_caution_of_its_own() -> None:
    """As configured; before those of our own part."""
    talk: Pair = pair(client_config(revocation=UNKNOWN_PASSES), server_config())
    talk.exchange()
    assert talk.client.peer is not None and talk.client.peer.verdict.accepts_unknown
    verified = Verified(talk.client.peer, None, 0)  # type: ignore[arg-type]
    result = HandshakeResult(Negotiated(Version.TLS13), None, verified, (Caution.NO_CREDENTIALS,))
    assert result.peer is talk.client.peer
    assert result.warnings == (Caution.REVOCATION_UNKNOWN, Caution.NO_CREDENTIALS)
