"""A side that was refused is told what is wrong with it, by what it can see of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import identities
import pki
from bothways import Credentials, TrustStore
from bothways.diagnosis import Explanation, Files, HandshakeFacts, explain
from bothways.errors import PeerAlert
from bothways.iana import Alert
from bothways.roles import StepId
from diagnosis.talks import client, first, talk
from pair import FrozenClock

SPAN = identities.SPAN
LATE = {"not_before": identities.START - timedelta(days=90), "not_after": identities.START}


def holder(by: pki.Issued | None = None, name: str = "Ada", **options: Any) -> pki.Issued:
    """A client's certificate with something about it."""
    chosen = {"alternatives": (), "usage": ("clientAuth",), **SPAN} | options
    return pki.leaf(identities.middle() if by is None else by, name, **chosen)


def host(by: pki.Issued | None = None, **options: Any) -> pki.Issued:
    """A server's certificate with something about it."""
    chosen = {"alternatives": ["DNS:localhost"], "usage": ("serverAuth",), **SPAN} | options
    return pki.leaf(identities.middle() if by is None else by, "host", **chosen)


def alone(issued: pki.Issued) -> Credentials:
    """The leaf without those above it."""
    return Credentials.from_pem(issued.pem, issued.key_pem)


def refused_client(who: Any, **server: Any) -> Explanation:
    mine = who if isinstance(who, Credentials) else identities.credentials(who)
    return talk(identities.client_config(None, credentials=mine), identities.server_config(**server)).clients


CLIENTS = [
    ("CA_NOT_ACCEPTED", "ours", holder(identities.root("Another Root"))),
    ("INTERMEDIATE_MISSING", "ours", alone(holder())),
    ("WRONG_ENVIRONMENT", "ours", holder(identities.root("Example Production CA"))),
    ("EXPIRED", "ours", holder(**LATE)),
    ("WRONG_USE", "ours", holder(usage=("serverAuth",))),
    ("WEAK_KEY", "ours", holder(key_kind="RSA-1024")),
    ("SELF_SIGNED", "ours", pki.leaf(None, "Ada", ca=None, alternatives=(), **SPAN)),
]


@pytest.mark.parametrize(("cause", "whose", "who"), CLIENTS, ids=[row[0] for row in CLIENTS])
def test_a_client_is_told_what_is_wrong_with_its_certificate(cause: str, whose: str, who: Any) -> None:
    anchors = [identities.root()]
    if cause == "WRONG_ENVIRONMENT":
        anchors = [identities.root("Example Sandbox CA")]
    trusted = TrustStore([each.der for each in anchors])
    found = refused_client(who, client_anchors=trusted)
    assert first(found) == (cause, whose)
    assert found.first.evidence


def test_a_client_without_a_certificate_is_told_who_may_issue_one() -> None:
    found = talk(identities.client_config()).clients
    assert first(found) == ("NO_CERTIFICATE", "ours")
    assert "CN=Test Root" in found.first.evidence


def test_a_client_whose_certificate_was_not_sent_is_told_why() -> None:
    key = holder(key_kind="Ed25519")
    found = refused_client(key, schemes=("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"))
    assert first(found) == ("NO_SHARED_SCHEME", "ours")
    assert "ED25519" in found.first.text and "ecdsa_secp256r1_sha256" in found.first.text
    both = [
        identities.credentials(holder(identities.root(name))) for name in ("Another Root", "A Third Root")
    ]
    found = talk(identities.client_config(None, credentials=both)).clients
    assert first(found) == ("CERTIFICATE_WITHHELD", "ours")
    assert "Another Root" in found.first.text


def test_a_ca_that_was_made_anew_is_told_from_one_that_is_missing() -> None:
    """The server names our CA, and the CA of that name that we both trust signed nothing of ours."""
    new = pki.root("Test Root", own_key=pki.key("P-256", 77), **SPAN)
    found = refused_client(holder(new, key_identifiers=False))
    assert first(found) == ("CA_REPLACED", "ours")


SERVERS = [
    ("WRONG_NAME", host(alternatives=["DNS:elsewhere.example"])),
    ("NO_ALTERNATIVE_NAME", host(alternatives=())),
    ("EXPIRED", host(**LATE)),
    ("WRONG_USE", host(usage=("clientAuth",))),
    ("CA_NOT_ACCEPTED", host(identities.root("Another Root"))),
]


@pytest.mark.parametrize(("cause", "who"), SERVERS, ids=[row[0] for row in SERVERS])
def test_a_server_is_told_what_is_wrong_with_its_certificate(cause: str, who: pki.Issued) -> None:
    found = talk(client(), identities.server_config(credentials=identities.credentials(who))).servers
    assert first(found) == (cause, "ours")


def test_a_server_that_sends_its_leaf_alone_and_is_told_so_by_what_it_trusts_itself() -> None:
    """Its own anchors hold the intermediate."""
    anchors = TrustStore([identities.root().der, identities.middle().der])
    server = identities.server_config(credentials=alone(host()), client_anchors=anchors)
    found = talk(client(), server).servers
    assert first(found) == ("INTERMEDIATE_MISSING", "ours")
    assert "CN=Test Root" not in found.first.text and "CN=Test Intermediate" in found.first.text


def test_a_clock_is_suspected_when_the_certificate_is_sound() -> None:
    fresh = holder(not_before=identities.START + timedelta(hours=23))
    config = identities.client_config(None, credentials=identities.credentials(fresh))
    late = FrozenClock(identities.END + timedelta(days=1))
    found = talk(config, identities.server_config(clock=late)).clients
    assert first(found) == ("PEERS_CLOCK", "the peer's")
    assert "valid from" in found.first.evidence


def test_our_own_clock_is_suspected_when_all_that_we_have_is_out_of_date() -> None:
    early = FrozenClock(identities.START - timedelta(days=3650))
    found = talk(client(clock=early)).clients
    assert first(found) == ("OUR_CLOCK", "ours")


def test_commands_name_the_files_that_were_given() -> None:
    config = identities.client_config(identities.client())
    observed = HandshakeFacts(
        config, "localhost", address="localhost:1", files=Files("me.pem", "me.key", "ca.pem")
    )
    config.connection("localhost", observer=observed)
    error = PeerAlert(Alert.HANDSHAKE_FAILURE, step=StepId("1.2"), peer="server", state="WAIT_SH")
    commands = [each.command for each in explain(error, observed.situation()).causes]
    assert "bothways connect localhost:1 --ca ca.pem --tls 1.2 --classic" in commands


def test_a_server_that_names_an_intermediate_alone_may_want_its_root_too() -> None:
    """OpenSSL takes no intermediate for an anchor without X509_V_FLAG_PARTIAL_CHAIN, and says unknown_ca."""
    other = pki.intermediate(identities.root(), "Test Intermediate", own_key=pki.key("P-256", 78), **SPAN)
    found = refused_client(holder(), client_anchors=TrustStore([other.der]))
    assert first(found) == ("PARTIAL_CHAIN", "the peer's")
    assert "it names CN=Test Intermediate, which CN=Test Root issued" in found.first.evidence


def test_a_key_below_a_strict_servers_level_is_told_where_nothing_else_speaks_against_it() -> None:
    """OpenSSL's bad_certificate for ee key too small."""
    config = identities.client_config(None, credentials=identities.credentials(holder(key_kind="RSA-2048")))
    situation = talk(config).client.situation()
    error = PeerAlert(Alert.BAD_CERTIFICATE, step=StepId("3.3"), peer="server", state="CONNECTED")
    assert first(explain(error, situation)) == ("WEAK_KEY", "ours")
