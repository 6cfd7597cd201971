"""What is said where a raw public key is not accepted: to the side that refuses it, and to the side that showed it."""

from __future__ import annotations

from bothways import PeerRule, explain_failure
from bothways.trust.anchors import NO_ANCHORS
from pair import failure, pair
from tls.handshake.conversations import RAW_CLIENT, RAW_SERVER, client_config, pinned, server_config

REFUSED = bytes((21, 3, 3, 0, 2, 2, 43))  # alert unsupported_certificate


def causes(error: Exception | None) -> list[tuple[str, str]]:
    assert error is not None
    return [(each.cause.name, each.party.value) for each in explain_failure(error).causes]


def test_both_sides_are_told_that_a_clients_key_is_not_pinned() -> None:
    """The alert says no more than certificate_unknown; what we showed says the rest."""
    server = server_config(**RAW_SERVER | {"client_pins": pinned("other.example")})
    talk = pair(client_config(**RAW_CLIENT), server)
    talk.exchange()
    assert causes(failure(talk.server_events))[0] == ("KEY_NOT_PINNED", "the peer's")
    assert causes(failure(talk.client_events))[0] == ("KEY_NOT_PINNED", "ours")


def test_both_sides_are_told_that_a_servers_key_is_not_pinned() -> None:
    talk = pair(client_config(**RAW_CLIENT | {"pins": pinned("other.example")}), server_config(**RAW_SERVER))
    talk.exchange()
    assert causes(failure(talk.client_events))[0] == ("KEY_NOT_PINNED", "the peer's")
    assert causes(failure(talk.server_events))[0] == ("KEY_NOT_PINNED", "ours")


def test_a_client_with_a_raw_key_that_no_rule_allows_is_told_so() -> None:
    """It has shown who it is; that it sent no certificate is not the cause."""
    talk = pair(client_config(**RAW_CLIENT), server_config(**RAW_SERVER, allow=PeerRule(cn="ada")))
    talk.exchange()
    assert causes(failure(talk.server_events))[0] == ("NOT_LET_IN", "the peer's")


def test_a_server_without_raw_keys_refuses_a_client_that_accepts_nothing_else() -> None:
    """GnuTLS sends unsupported_certificate for the hello, before any certificate was sent (RFC 7250 4.2)."""
    only = RAW_CLIENT | {"anchors": NO_ANCHORS, "credentials": None}
    client = client_config(**only).connection("server.example")
    client.data_to_send()
    assert causes(failure(client.receive(REFUSED)))[0] == ("OTHER_KIND_OF_IDENTITY", "ours")
    plain = client_config().connection("server.example")
    plain.data_to_send()
    assert "OTHER_KIND_OF_IDENTITY" not in {cause for cause, _ in causes(failure(plain.receive(REFUSED)))}
