"""External PSKs on a client's side: what it offers to which server, and which answers it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bothways import ConfigError, ExternalPSK, ExternalPSKs, Fault, PeerAlert, PeerFault, SessionStore
from bothways.iana import Alert, ExtensionType
from bothways.roles import Role
from bothways.tls.events import MessageSeen, Note
from bothways.tls.handshake.client.psks import KEYS_OFFERED
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import code
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, EncryptedExtensions, NewSessionTicket
from bothways.trust import files, watched
from inside import machinery
from pair import Pair, pair
from tamper import (
    Edit,
    Refusal,
    after,
    after_handshake,
    altering,
    changing,
    editing,
    extending,
    refused,
    sealed,
    without,
)
from tls.handshake.conversations import (
    CONVERSATIONS,
    PSK_CLIENT,
    PSK_SERVER,
    RETRY,
    client_config,
    psk,
    psks,
    server_config,
)

ILLEGAL = Alert.ILLEGAL_PARAMETER
UNEXPECTED = Alert.UNEXPECTED_MESSAGE
TWO_HASHES = {"suites": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")}
ONE_HASH = {"suites": ("TLS_AES_128_GCM_SHA256",)}
REQUEST = CertificateRequest(b"", (ext.SignatureAlgorithms((0x0403,)),))
CERTIFICATE = {"credentials": server_config().credentials}


def server(what: str, fault: Fault, alert: Alert, edit: Edit, **rest: Any) -> Refusal:
    return Refusal(what, Role.SERVER, fault, alert, edit, **rest)


def later_request() -> Any:
    return after_handshake(sealed(22, encode_message(CertificateRequest(b"later", REQUEST.extensions))))


ANSWERS = (
    server(
        "none of our keys", Fault.PSK_NOT_CHOSEN, Alert.HANDSHAKE_FAILURE, changing(ServerHello),
        server=CERTIFICATE | {"client_auth": "request", "psk_peers": psks("localhost", "other.example")}, step="1.2",
    ),
    server(
        "no key by silence", Fault.PSK_NOT_CHOSEN, Alert.HANDSHAKE_FAILURE,
        without(ServerHello, ext.SelectedIdentity),
    ),
    server(
        "the second of one", Fault.UNOFFERED_PSK, ILLEGAL, editing(ServerHello, ext.SelectedIdentity, index=1),
        client=ONE_HASH, step="1.2",
    ),
    server(
        "the key for the other hash", Fault.PSK_OF_OTHER_HASH, ILLEGAL,
        editing(ServerHello, ext.SelectedIdentity, index=1), client=TWO_HASHES,
    ),
    server(
        "a suite of the other hash", Fault.PSK_OF_OTHER_HASH, ILLEGAL, changing(ServerHello, cipher_suite=0x1302),
        client=TWO_HASHES,
    ),
    server("no key share", Fault.PSK_WITHOUT_SHARE, ILLEGAL, without(ServerHello, ext.ServerShare)),
    server(
        "a request for a certificate", Fault.UNEXPECTED_MESSAGE, UNEXPECTED, after(EncryptedExtensions, REQUEST),
        step="4.2",
    ),
    server(
        "a certificate", Fault.UNEXPECTED_MESSAGE, UNEXPECTED, after(EncryptedExtensions, Certificate(b"", ())),
    ),
    server(
        "a request for a certificate after the handshake", Fault.UNEXPECTED_MESSAGE, UNEXPECTED,
        changing(ServerHello), then=later_request(), client={"post_handshake_auth": True},
    ),
    server(
        "early data accepted that was not sent", Fault.UNSOLICITED_EXTENSION, Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.EarlyDataIndication()),
    ),
    server(
        "a key to a client that offers none", Fault.UNSOLICITED_EXTENSION, Alert.UNSUPPORTED_EXTENSION,
        extending(ServerHello, ext.SelectedIdentity(0)),
        client={"anchors": client_config().anchors, "psk_peers": None},
        server=CERTIFICATE | {"client_auth": "request", "client_anchors": None},
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_answer_to_external_psks_is_refused(case: Refusal) -> None:
    """RFC 9846 4.3.11, 4.4.2: both sides are told."""
    refused(case, client_config(**PSK_CLIENT | case.client), server_config(**PSK_SERVER | case.server))


def hello(name: str = "localhost", **fields: Any) -> ClientHello:
    notes: list[Note] = []
    client_config(**PSK_CLIENT | fields).connection(name, observer=notes.append)
    (message,) = (each.message for each in notes if isinstance(each, MessageSeen))
    assert isinstance(message, ClientHello)
    return message


def offered(sent: ClientHello) -> ext.PreSharedKeys | None:
    return ext.find(sent.extensions or (), ext.PreSharedKeys)


def test_a_key_is_offered_for_each_hash_at_the_end() -> None:
    """RFC 9846 4.3.11: the last extension; age 0; a binder as long as the hash."""
    sent = hello(**TWO_HASHES)
    found = offered(sent)
    assert found is not None and sent.extensions is not None
    assert code(sent.extensions[-1]) == ExtensionType.pre_shared_key
    assert [each.obfuscated_ticket_age for each in found.identities] == [0, 0]
    assert [len(each) for each in found.binders] == [32, 48]
    assert ext.find(sent.extensions, ext.PskKeyExchangeModes) == ext.PskKeyExchangeModes((1,))
    assert ext.find(sent.extensions, ext.EarlyDataIndication) is None
    one = offered(hello(**ONE_HASH))
    assert one is not None and len(one.identities) == 1


def test_only_keys_of_the_server_are_offered() -> None:
    """Another server learns of no identity, and cannot stand for this one."""
    keys = psks("client.example", "localhost", "other.example", "127.0.0.1")
    for name, number in (("localhost", 0), ("other.example", 1), ("127.0.0.1", 2)):
        found = offered(hello(name, psk_peers=keys, **ONE_HASH))
        assert found is not None
        (identity,) = (each.identity for each in found.identities)
        assert f"key {number}".encode() in identity
    trusting = {"psk_peers": keys, "anchors": client_config().anchors}
    assert offered(hello("third.example", **trusting)) is None
    with pytest.raises(ConfigError, match="psk_peers: no key has the peer third.example"):
        hello("third.example", psk_peers=keys)


def test_while_one_key_replaces_another_both_are_offered() -> None:
    """RFC 9846 4.3.11: the server takes the one that it knows."""
    old, new = (psk("client.example", "localhost", number) for number in range(2))
    made = pair(
        client_config(**PSK_CLIENT | {"psk_peers": ExternalPSKs([new, old])}), server_config(**PSK_SERVER)
    )
    made.exchange()
    assert made.server.peer is not None and made.server.peer.psk_identity == b"key 0"
    assert made.client.peer is not None and made.client.peer.psk_identity == b"key 0"


def test_a_binder_is_made_again_after_a_retry_for_the_hash_that_was_chosen() -> None:
    """RFC 9846 4.2.2: the suite is known by then, so other keys are left out."""
    notes: list[Note] = []
    made = pair(
        client_config(**PSK_CLIENT | TWO_HASHES),
        server_config(**PSK_SERVER | RETRY | {"suites": ("TLS_AES_256_GCM_SHA384",)}),
        client_notes=notes,
    )
    made.exchange()
    assert made.client.established and made.client.peer is not None
    hellos = [each.message for each in notes if isinstance(getattr(each, "message", None), ClientHello)]
    first, second = (offered(each) for each in hellos)
    assert first is not None and second is not None
    assert [len(each) for each in first.binders] == [32, 48] and [len(each) for each in second.binders] == [
        48
    ]
    assert second.identities == first.identities[1:] and second.binders[0] != first.binders[1]


def test_keys_are_in_the_encrypted_hello_only() -> None:
    """RFC 9849 6.1.2: outside there are random ones of the same size."""
    conversation = CONVERSATIONS["external PSK in an encrypted ClientHello"]
    notes: list[Note] = []
    made = conversation.pair(client_notes=notes)
    made.exchange()
    assert made.server.peer is not None and made.server.peer.kind == "pre-shared key"
    outer = next(each.message for each in notes if isinstance(each, MessageSeen))
    assert isinstance(outer, ClientHello)
    outside, inside = offered(outer), offered(hello(psk_peers=PSK_CLIENT["psk_peers"]))
    assert outside is not None and inside is not None
    assert [len(each.identity) for each in outside.identities] == [
        len(each.identity) for each in inside.identities
    ]
    assert all(b"key 0" not in each.identity for each in outside.identities)
    assert not set(outside.binders) & set(inside.binders)


def test_a_hello_that_only_looks_encrypted_offers_keys_too() -> None:
    """RFC 9849 6.2: grease beside real keys, whose binders cover it."""
    made = pair(client_config(**PSK_CLIENT | {"ech": "grease"}), server_config(**PSK_SERVER))
    made.exchange()
    assert made.server.peer is not None and made.server.peer.kind == "pre-shared key"
    assert offered(hello(ech="grease")) is not None


def test_a_server_without_the_key_for_ech_cannot_stand_for_the_key() -> None:
    """It is to be authenticated for the public name, and nothing can do that here (RFC 9849 6.1.6)."""
    conversation = CONVERSATIONS["external PSK in an encrypted ClientHello"]
    made = conversation.pair({**PSK_CLIENT}, {"ech_keys": None, "client_auth": "request"})
    made.exchange()
    assert isinstance(made.client.failure, PeerFault)
    assert made.client.failure.fault is Fault.PSK_NOT_CHOSEN


def test_tickets_after_a_key_are_not_kept() -> None:
    """A session would outlive its key, and save nothing: a handshake by a key has no signatures either."""
    config = client_config(**PSK_CLIENT | {"sessions": SessionStore()})
    made: Pair = pair(config, server_config(**PSK_SERVER))
    made.exchange()
    machinery(made.server).out.send_after_handshake(NewSessionTicket(3600, 0, b"", b"ticket", ()))
    made.exchange()
    assert made.client.established and config.sessions is not None and len(config.sessions) == 0


def test_nothing_of_a_key_is_left_with_a_connection_that_has_ended() -> None:
    """The secret stays in the configuration alone."""
    made = CONVERSATIONS["external PSK"].pair()
    with altering(Role.SERVER, without(ServerHello, ext.ServerShare)):
        made.exchange()
    assert isinstance(made.client.failure, PeerFault) and isinstance(made.server.failure, PeerAlert)
    secret = psk("client.example", "localhost").secret
    for error in (made.client.failure, made.server.failure):
        assert secret.hex() not in repr(vars(error)) and repr(secret) not in repr(vars(error))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"versions": ("1.2",)}, "psk_peers: external PSKs need TLS 1.3"),
        ({"psk_peers": [1]}, "psk_peers: expected ExternalPSKs, not list"),
        (
            {"psk_peers": psks("client.example", "device 7")},
            "psk_peers: a peer of a client has to be a DNS name",
        ),
        ({"psk_peers": None}, "anchors: expected a TrustStore"),
        ({"judge_again": "change"}, "judge_again: without revocation"),
    ],
)
def test_a_client_that_makes_no_sense_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        client_config(**PSK_CLIENT | fields)


def test_a_server_has_a_few_keys_at_most() -> None:
    keys = [psk("client.example", "localhost", number) for number in range(KEYS_OFFERED + 1)]
    assert client_config(**PSK_CLIENT | {"psk_peers": ExternalPSKs(keys[1:])})
    with pytest.raises(ConfigError, match="psk_peers: 5 keys for one server; at most 4 are offered"):
        client_config(**PSK_CLIENT | {"psk_peers": ExternalPSKs(keys)})


def test_only_tls_13_is_offered() -> None:
    """An external PSK of TLS 1.3 must not be used in TLS 1.2 (RFC 9258 5.1)."""
    config = client_config(**PSK_CLIENT | {"versions": ("1.3", "1.2")})
    assert [each.text for each in config.settings.negotiation.versions] == ["1.3"]


def test_an_open_connection_ends_when_the_key_of_its_server_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    file, key = tmp_path / "keys.toml", psk("client.example", "localhost")
    own = 'own = "client.example"\n'
    file.write_text(f'{own}[[key]]\nidentity = "key 0"\nsecret = "{key.secret.hex()}"\npeer = "localhost"\n')
    keys = ExternalPSKs.watched(file)
    made = pair(
        client_config(**PSK_CLIENT | {"psk_peers": keys, "judge_again": "change"}),
        server_config(**PSK_SERVER),
    )
    made.exchange()
    assert made.client.established and made.client.judge_again() == []
    file.with_suffix(".new").write_text(own)
    file.with_suffix(".new").replace(file)
    assert made.client.evidence_changed
    made.client.judge_again()
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.PSK_REMOVED


def test_an_identity_may_be_bytes() -> None:
    key = {"secret": psk("client.example", "localhost").secret, "identity": b"\xff\0"}
    ours = ExternalPSKs([ExternalPSK(own="client.example", peer="localhost", **key)])  # type: ignore[arg-type]
    theirs = ExternalPSKs([ExternalPSK(own="localhost", peer="client.example", **key)])  # type: ignore[arg-type]
    made = pair(
        client_config(**PSK_CLIENT | {"psk_peers": ours}), server_config(**PSK_SERVER | {"psk_peers": theirs})
    )
    made.exchange()
    assert made.server.peer is not None and made.server.peer.psk_identity == b"\xff\0"
