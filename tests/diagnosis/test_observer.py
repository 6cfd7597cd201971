"""What a observed keeps of a connection, and what it does not."""

from __future__ import annotations

import gc

import pytest

import identities
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Files, HandshakeFacts
from bothways.diagnosis.observer import situation_of
from diagnosis.talks import client, talk
from pair import Pair


def test_a_client_observes_the_request_and_its_own_certificate() -> None:
    situation = talk().client.situation()
    seen, ours = situation.observed, situation.own_side
    assert seen.sent == ("ClientHello", "Certificate", "CertificateVerify", "Finished")
    assert seen.received[:3] == ("ServerHello", "EncryptedExtensions", "CertificateRequest")
    assert (
        seen.request is not None
        and identities.root().certificate.subject.public_bytes() in seen.request.authorities
    )
    assert seen.shown == tuple(identities.client().chain) == ours.own[0]
    assert seen.chain == tuple(identities.server().chain)
    assert (ours.server_name, ours.address, seen.version) == ("localhost", "localhost:8443", 0x0304)


def test_a_server_observes_the_clients_offer() -> None:
    seen = talk().server.situation().observed
    assert seen.offer is not None
    assert (seen.offer.server_name, seen.offer.groups) == ("localhost", (29, 23, 24))
    assert 0x0304 in seen.offer.versions and seen.offer.schemes and seen.offer.suites
    assert seen.chain == tuple(identities.client().chain)


def test_the_messages_of_tls_1_2_are_observed_too() -> None:
    seen = talk(client(versions=("1.2",))).client.situation().observed
    assert seen.request is not None and seen.request.schemes and seen.request.authorities
    assert (seen.version, seen.shown) == (0x0303, tuple(identities.client().chain))


def test_no_certificate_sent_is_distinguished_from_none_requested() -> None:
    assert talk(identities.client_config()).client.situation().observed.shown == ()
    one_way = identities.server_config(client_anchors=None)
    assert talk(identities.client_config(), one_way).client.situation().observed.shown is None


def test_application_data_is_noted_without_its_content() -> None:
    made = talk()
    assert not made.client.situation().observed.data
    made.pair.server.send(b"a secret word")
    made.pair.exchange()
    situation = made.client.situation()
    assert situation.observed.data
    assert b"a secret word" not in repr(situation).encode()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_our_close_notify_is_noted_by_observer_and_engine(version: str) -> None:
    made = talk(client(versions=[version]))
    assert not made.client.situation().observed.closed
    made.pair.client.close()
    made.pair.client.data_to_send()
    made.pair.client.receive_eof()
    assert made.client.situation().observed.closed
    assert situation_of(made.pair.client.failure.situation).observed.closed


def test_observed_facts_contain_no_key() -> None:
    """They may be logged, pickled, or sent to a supporter."""
    situation = talk().client.situation()
    found, waiting = set(), [situation]
    while waiting:
        each = waiting.pop()
        if id(each) in found or isinstance(each, type):
            continue
        found.add(id(each))
        assert "PrivateKey" not in type(each).__name__ and type(each).__name__ not in (
            "Credentials",
            "ClientConfig",
        )
        if not callable(each):
            waiting += gc.get_referents(each)


def test_observed_facts_are_limited_in_memory() -> None:
    observed = HandshakeFacts(identities.client_config())
    server = identities.server_config(client_anchors=None)
    pair = Pair(identities.client_config().connection("localhost", observer=observed), server.connection())
    pair.exchange()
    for _ in range(200):
        pair.server.update_keys()
        pair.server.send(b"-")
        pair.exchange()
    seen = observed.situation().observed
    assert len(seen.sent) + len(seen.received) <= 64


def test_another_observer_receives_every_note_too() -> None:
    config = identities.client_config(identities.client())
    recorder, plain = Recorder(), Recorder()
    observed = HandshakeFacts(config, files=Files("me.pem"), also=recorder)
    for observer in (observed, plain):
        pair = Pair(
            config.connection("localhost", observer=observer), identities.server_config().connection()
        )
        pair.exchange()
    assert [type(each.note) for each in recorder.notes] == [type(each.note) for each in plain.notes]
    assert observed.situation().own_side.files.cert == "me.pem"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_protocol_that_a_server_chose_is_kept(version: str) -> None:
    """RFC 7301 3.1."""
    versions = (version,)
    mine = identities.client_config(identities.client(), versions=versions, alpn=("h2", "echo"))
    found = talk(mine, identities.server_config(versions=versions, alpn=("echo",)))
    assert found.client.situation().observed.protocol == b"echo"
    assert talk().client.situation().observed.protocol is None
