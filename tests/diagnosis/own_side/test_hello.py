"""A client that is refused at its hello gets what its hello lacks, and which causes are excluded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import identities
from bothways.diagnosis import HandshakeFacts, Observed, OwnSide, Probed, Situation, Weight, explain
from bothways.errors import PeerAlert
from bothways.iana import Alert
from bothways.roles import Progress, Role, Version
from bothways.trust.anchors import NO_ANCHORS
from diagnosis.talks import client, first, talk
from pair import Pair
from tls.handshake.conversations import PSK_CLIENT, RAW_CLIENT, client_config, ech_keys, server_config

HELLOS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("NO_SHARED_VERSION", "ours", {"versions": ("1.3",)}, {"versions": ("1.2",)}),
    ("NO_SHARED_SUITE", "ours", {"suites": ("TLS_AES_256_GCM_SHA384",)}, {"suites": ("TLS_AES_128_GCM_SHA256",)}),
    ("NO_SHARED_GROUP", "ours", {"groups": ("secp521r1",)}, {"groups": ("x25519",)}),
    ("NO_SHARED_PROTOCOL", "ours", {"alpn": ("h2",)}, {"alpn": ("echo",)}),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "whose", "mine", "theirs"), HELLOS, ids=[row[0] for row in HELLOS])
def test_a_client_is_told_what_its_hello_leaves_out(
    cause: str, whose: str, mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    found = talk(client(**mine), identities.server_config(**theirs)).clients
    assert first(found) == (cause, whose)


def test_a_client_is_told_of_a_name_that_the_server_does_not_serve() -> None:
    server = identities.server_config(unknown_server_name="refuse")
    assert first(talk(client(), server, "elsewhere.example").clients) == ("NAME_NOT_SERVED", "ours")


def test_features_that_tls_1_2_lacks_are_not_called_missing() -> None:
    """A hello for TLS 1.2 alone has neither hybrid groups nor ML-DSA, without any configuration."""
    server = identities.server_config(versions=("1.2",), suites=("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",))
    hello = client(versions=("1.2",), suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))
    found = talk(hello, server).clients
    assert first(found) == ("NO_SHARED_SUITE", "ours")
    evidence = " ".join(each.evidence for each in found.causes if each.cause.name != "NO_SHARED_SUITE")
    assert "X25519MLKEM768" not in evidence and "leaves others out" not in evidence


def test_a_server_that_knows_no_name_may_refuse_who_sent_none_for_another_reason() -> None:
    """unrecognized_name, where no name was sent: nginx with ssl_reject_handshake alone sends it for every name."""
    server = identities.server_config(unknown_server_name="refuse")
    error = talk(client(), server, "elsewhere.example").pair.client_failure
    assert error is not None
    address = replace(talk(client()).client.situation().own_side, server_name="127.0.0.1")
    found = explain(error, Situation(address))
    assert first(found) == ("NO_NAME_SENT", "ours") and found.first.weight is Weight.LIKELY
    assert "PEER_CONFIGURED_WRONG" in {each.cause.name for each in found.causes}


@pytest.mark.parametrize(
    ("starttls", "command", "remedy"), [("", "--alpn PROTOCOL", "h2"), ("smtp", "", "leave")]
)
def test_a_client_of_starttls_is_not_told_to_offer_http(starttls: str, command: str, remedy: str) -> None:
    made = talk(client(alpn=("h2",)), identities.server_config(alpn=("echo",)))
    situation = made.client.situation()
    ours = replace(situation.own_side, starttls=starttls)
    assert made.pair.client_failure is not None
    found = explain(made.pair.client_failure, replace(situation, own_side=ours)).first
    assert remedy in found.remedy and ("h2" in found.remedy) is not starttls.startswith("smtp")
    assert found.command.startswith("bothways connect") and ("--alpn" in found.command) is bool(command)


OF_13 = {
    "a raw public key": {"raw_key": RAW_CLIENT["raw_key"], "credentials": ()},
    "pinned keys": {"pins": RAW_CLIENT["pins"], "anchors": NO_ANCHORS},
    "a pre-shared key": PSK_CLIENT,
    "an encrypted hello": {"ech": ech_keys().config_list},
}


@pytest.mark.parametrize("what", OF_13)
def test_no_version_can_be_added_to_an_offer_that_needs_tls_1_3(what: str) -> None:
    """So that no version has to be allowed on our side, and no command repeats the call."""
    mine = client_config(**{"credentials": None, "versions": ("1.3",)} | OF_13[what])
    observed, server = HandshakeFacts(mine, "localhost"), server_config(versions=("1.2",))
    pair = Pair(mine.connection("localhost", observer=observed), server.connection())
    pair.exchange()
    assert pair.client_failure is not None
    found = explain(pair.client_failure, observed.situation()).first
    assert (found.cause.name, found.party.value) == ("NO_SHARED_VERSION", "the peer's")
    assert (found.remedy, found.command) == ("enable TLS 1.3 on the server", "")
    probed = replace(observed.situation(), probed=Probed(versions=(Version.TLS12,)))
    assert explain(pair.client_failure, probed).first.remedy == "enable TLS 1.3 on the server"


def test_no_cause_is_derived_from_an_unknown_hello() -> None:
    """As where a library hides which connection failed: "none" would be said of what was offered."""
    for alert in (Alert.PROTOCOL_VERSION, Alert.NO_APPLICATION_PROTOCOL, Alert.HANDSHAKE_FAILURE):
        error = PeerAlert(alert, step=None, peer="server", progress=Progress.HELLO)
        found = explain(error, Situation(OwnSide(Role.CLIENT)))
        assert not [each.text for each in found.causes if "we offer none" in each.text]


def test_after_a_server_hello_of_tls_1_3_no_group_is_missing() -> None:
    """Java sends handshake_failure where it has no scheme for a CertificateRequest, behind its EncryptedExtensions."""
    alert = PeerAlert(Alert.HANDSHAKE_FAILURE, step=None, peer="server", progress=Progress.CHOSEN)
    for version, is_told in ((Version.TLS13, False), (Version.TLS12, True)):
        seen = Observed(sent=("ClientHello",), received=("ServerHello",), version=version)
        found = explain(alert, Situation(OwnSide(Role.CLIENT), seen))
        assert ("NO_SHARED_GROUP" in {each.cause.name for each in found.causes}) == is_told


def test_a_client_that_offers_http_1_1_alone_is_told_to_offer_http_2_too() -> None:
    """`bothways get --http 1.1` offers it alone, and needs another word than `--alpn`."""
    found = talk(client(alpn=("http/1.1",)), identities.server_config(alpn=("h2",))).clients.first
    assert found.cause.name == "NO_SHARED_PROTOCOL"
    assert "without --http 1.1" in found.remedy
    assert found.command is not None and found.command.endswith("--alpn h2")
