"""External PSKs on a server's side: which key it takes, what it refuses, and what it tells strangers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bothways import (
    ConfigError,
    Connection,
    ExternalPSKs,
    Fault,
    Peer,
    PeerAlert,
    PeerFault,
    PeerRule,
    ServerConfig,
    SessionStore,
    TicketKeys,
)
from bothways import (
    Refusal as Denial,
)
from bothways.errors import AuthenticationUnavailable
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Judged, MessageSeen, Note, Proved
from bothways.tls.handshake.client import psks as client_psks
from bothways.tls.handshake.server import psk as server_psk
from bothways.tls.handshake.server.psk import IDENTITIES_TRIED
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, NewSessionTicket
from bothways.trust import files, watched
from pair import Pair, pair
from tamper import Edit, Refusal, altering, changing, editing, refused, with_extensions, without
from tls.handshake.conversations import (
    PLAIN,
    PSK_CLIENT,
    PSK_SERVER,
    RETRY,
    client_config,
    psk,
    psks,
    server_config,
)

ILLEGAL = Alert.ILLEGAL_PARAMETER
UNKNOWN = Alert.UNKNOWN_PSK_IDENTITY
CERTIFICATE = {"credentials": server_config().credentials}
TWO_HASHES = {"suites": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")}
BESIDE = {"psk_peers": PSK_SERVER["psk_peers"]}
OTHERS = {"psk_peers": psks("localhost", "other.example")}


def offered(change: Callable[[ext.PreSharedKeys], ext.PreSharedKeys], nth: int = 0) -> Edit:
    def edit(those: tuple[Any, ...]) -> Iterable[Any]:
        return [change(each) if isinstance(each, ext.PreSharedKeys) else each for each in those]

    return with_extensions(ClientHello, edit, nth)


def turned(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
    """The last bit of every binder is another."""
    return replace(keys, binders=tuple(each[:-1] + bytes((each[-1] ^ 1,)) for each in keys.binders))


def older(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
    aged = tuple(replace(each, obfuscated_ticket_age=1) for each in keys.identities)
    return replace(keys, identities=aged)


def exchanged(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
    return replace(keys, binders=keys.binders[::-1])


def client(what: str, fault: Fault, alert: Alert, edit: Edit, **rest: Any) -> Refusal:
    return Refusal(what, Role.CLIENT, fault, alert, edit, **{"step": "1.1"} | rest)


def removed(talk: Pair, sender: Connection) -> None:
    """The server goes on with a set without the client's key."""
    talk.server.judge_by(server_config(**PSK_SERVER | OTHERS).settings)
    talk.server.judge_again()


REFUSALS = (
    client("a binder that is wrong by one bit", Fault.UNKNOWN_PSK, UNKNOWN, offered(turned)),
    client(
        "the same where there is a certificate", Fault.UNKNOWN_PSK, UNKNOWN, offered(turned), server=CERTIFICATE,
    ),
    client(
        "a shorter binder", Fault.UNKNOWN_PSK, UNKNOWN,
        offered(lambda keys: replace(keys, binders=tuple(bytes(32) for _ in keys.binders))),
    ),
    client("the binders exchanged", Fault.UNKNOWN_PSK, UNKNOWN, offered(exchanged), client=TWO_HASHES),
    client(
        "an age that its binder does not cover", Fault.UNKNOWN_PSK, UNKNOWN,
        offered(older),
    ),
    client(
        "another suite in the hello that it covers", Fault.UNKNOWN_PSK, UNKNOWN,
        changing(ClientHello, cipher_suites=lambda those: those[::-1]),
    ),
    client("a wrong binder in the second hello", Fault.UNKNOWN_PSK, UNKNOWN, offered(turned, 1), server=RETRY),
    client("a wrong binder before a retry", Fault.UNKNOWN_PSK, UNKNOWN, offered(turned), server=RETRY),
    client("none of our keys", Fault.UNKNOWN_PSK, UNKNOWN, changing(ClientHello), server=OTHERS),
    client("no key at all", Fault.UNKNOWN_PSK, UNKNOWN, without(ClientHello, ext.PreSharedKeys)),
    client(
        "a key without a key exchange", Fault.UNKNOWN_PSK, UNKNOWN,
        editing(ClientHello, ext.PskKeyExchangeModes, modes=(0,)),
    ),
    client(
        "no key in the second hello", Fault.UNKNOWN_PSK, UNKNOWN,
        without(ClientHello, ext.PreSharedKeys, nth=1), server=RETRY,
    ),
    client(
        "no schemes, although the key is unknown", Fault.MISSING_EXTENSION, Alert.MISSING_EXTENSION,
        without(ClientHello, ext.SignatureAlgorithms), server=OTHERS | CERTIFICATE | {"client_auth": "request"},
    ),
    client(
        "a key that was not there before the retry", Fault.CHANGED_HELLO, ILLEGAL,
        without(ClientHello, ext.PreSharedKeys),
        server=RETRY | CERTIFICATE | {"client_auth": "request"},
    ),
    client(
        "a binder too many", Fault.BINDERS_DO_NOT_FIT, ILLEGAL,
        offered(lambda keys: replace(keys, binders=(*keys.binders, bytes(32)))),
    ),
    client("no mode", Fault.MISSING_EXTENSION, Alert.MISSING_EXTENSION, without(ClientHello, ext.PskKeyExchangeModes)),
    client(
        "no rule for its key", Fault.ACCESS_REFUSED, Alert.ACCESS_DENIED, changing(ClientHello),
        server={"allow": PeerRule(psk="other.example")}, step="3.3",
    ),
    client(
        "a key that was removed since", Fault.PSK_REMOVED, Alert.ACCESS_DENIED, changing(ClientHello),
        then=removed, step="3.3a",
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_offer_of_an_external_psk_is_refused(case: Refusal) -> None:
    """RFC 9846 4.3.11, 9.2; E.6: what is wrong with a key is told on our side only."""
    refused(case, client_config(**PSK_CLIENT | case.client), server_config(**PSK_SERVER | case.server))


def talk(
    ours: dict[str, Any] | None = None,
    theirs: dict[str, Any] | None = None,
    notes: list[Note] | None = None,
) -> Pair:
    made = pair(
        client_config(**PSK_CLIENT | (ours or {})),
        server_config(**PSK_SERVER | (theirs or {})),
        server_notes=notes,
    )
    made.exchange()
    return made


def kinds(made: Pair) -> tuple[str | None, str | None]:
    """What the server, and what the client was authenticated by."""
    assert made.client.established and made.server.established, (made.client_failure, made.server_failure)
    peers = made.client.peer, made.server.peer
    return tuple(None if each is None else each.kind for each in peers)  # type: ignore[return-value]


def test_a_peer_with_a_key_has_nothing_of_a_certificate() -> None:
    """No message of a certificate is sent by either side, and no ticket follows."""
    notes: list[Note] = []
    beside = {"tickets": TicketKeys(), "credentials": server_config().credentials}
    made = talk({"sessions": SessionStore()}, beside, notes)
    for connection, name in ((made.client, "localhost"), (made.server, "client.example")):
        peer = connection.peer
        assert peer is not None
        assert (peer.kind, peer.psk_name, peer.psk_identity) == ("pre-shared key", name, b"key 0")
        assert peer.certificate is None and peer.path == () and peer.names.count == 0
        assert peer.raw_key is None and peer.pin_name == "" and peer.proved_at is None
        assert not connection.resumed
    seen = [type(each.message) for each in notes if isinstance(each, MessageSeen)]
    assert not {Certificate, CertificateRequest, NewSessionTicket} & set(seen)
    proofs = [each.text for each in notes if isinstance(each, Proved)]
    assert "the binder verifies: the client has the key of client.example" in proofs
    judged = next(each.verdict for each in notes if isinstance(each, Judged))
    assert [each.letter for each in judged.findings] == ["a", "b", "c"]


def test_both_sides_have_the_same_keys_for_other_protocols() -> None:
    made = talk()
    assert made.client.export("EXPORTER-x", b"", 32) == made.server.export("EXPORTER-x", b"", 32)
    for sender, receiver in ((made.client, made.server), (made.server, made.client)):
        sender.send(b"data")
        events = receiver.receive(sender.data_to_send())
        assert [getattr(each, "data", None) for each in events] == [b"data"]


@pytest.mark.parametrize(
    "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-384"])
@pytest.mark.parametrize("after_retry", [False, True])
def test_an_imported_key_fits_every_suite(suite: str, hash_name: str, after_retry: bool) -> None:
    """RFC 9258 5.1: one imported key for each hash of a suite, whatever the hash of the key."""
    ours = {"psk_peers": psks("client.example", "localhost", hash=hash_name)}
    theirs = {"psk_peers": psks("localhost", "client.example", hash=hash_name), "suites": (suite,)}
    made = talk(ours, theirs | (RETRY if after_retry else {}))
    assert kinds(made) == ("pre-shared key",) * 2 and made.server.suite == suite


@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-384"])
def test_a_key_without_the_importer_decides_about_the_suite(hash_name: str) -> None:
    """RFC 9846 4.3.11: it has one hash, so another suite than the preferred one may be chosen."""
    ours, theirs = (
        {"psk_peers": psks(*names, hash=hash_name, **PLAIN)}
        for names in (("client.example", "localhost"), ("localhost", "client.example"))
    )
    for order in (1, -1):
        suites = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")[::order]
        made = talk(ours, theirs | {"suites": suites})
        assert kinds(made) == ("pre-shared key",) * 2
        assert made.server.suite is not None and made.server.suite.endswith(hash_name.replace("-", ""))


def test_a_key_with_the_importer_is_not_one_without() -> None:
    """RFC 9258 5.2: the identities differ, and so do the labels of the binders."""
    made = talk({"psk_peers": psks("client.example", "localhost", **PLAIN)})
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK
    same = psk("client.example", "localhost", **PLAIN, identity=_sent_identity())
    made = talk({"psk_peers": ExternalPSKs([same])})
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK
    assert "binder" in str(made.server.failure)


def _sent_identity() -> bytes:
    hellos: list[Note] = []
    client_config(**PSK_CLIENT, suites=("TLS_AES_128_GCM_SHA256",)).connection(
        "localhost", observer=hellos.append
    )
    (hello,) = (each.message for each in hellos if isinstance(each, MessageSeen))
    assert isinstance(hello, ClientHello)
    found = ext.find(hello.extensions or (), ext.PreSharedKeys)
    assert found is not None
    return found.identities[0].identity


def test_a_hello_that_is_sent_back_to_its_sender_is_refused() -> None:
    """RFC 9257 4.1: one node is client and server with the same keys, and the roles are part of the imported key."""
    keys = ExternalPSKs([psk("node.example", "localhost")])
    node_as_client = client_config(**PSK_CLIENT | {"psk_peers": keys})
    node_as_server = server_config(**PSK_SERVER | {"psk_peers": keys})
    made = pair(node_as_client, node_as_server)
    made.exchange()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK
    assert isinstance(made.client.failure, PeerAlert)


def test_a_key_is_for_its_two_peers_only() -> None:
    """RFC 9258 B: the hello that was meant for another server with the same secret."""
    misled = ExternalPSKs([psk("client.example", "localhost", secret=_secret())])
    elsewhere = ExternalPSKs([psk("other.example", "client.example", secret=_secret())])
    made = talk({"psk_peers": misled}, {"psk_peers": elsewhere})
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK


def _secret() -> bytes:
    return psk("client.example", "localhost").secret


@pytest.mark.parametrize("mode", ["request", "require"])
def test_unknown_keys_fall_back_to_certificates(mode: str) -> None:
    """RFC 9846 4.3.11: a handshake without a PSK where that is possible."""
    ours: dict[str, Any] = {"psk_peers": PSK_CLIENT["psk_peers"]}
    made = pair(client_config(**ours), server_config(**OTHERS, client_auth=mode))
    made.exchange()
    assert kinds(made) == ("certificate", "certificate")
    made = pair(client_config(**ours), server_config(**BESIDE, client_auth=mode))
    made.exchange()
    assert kinds(made) == ("pre-shared key", "pre-shared key")


def test_an_anonymous_client_is_accepted_beside_keys_only_on_request() -> None:
    """A certificate of the server, and keys of the clients: whoever has none is refused unless anonymity is allowed."""
    fields: dict[str, Any] = {"client_anchors": None, **BESIDE}
    stranger = client_config(credentials=None)
    made = pair(stranger, server_config(**fields, client_auth="request"))
    made.exchange()
    assert kinds(made) == ("certificate", None)
    made = pair(stranger, server_config(**fields))
    made.exchange()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK


def test_access_is_decided_about_whom_the_key_stands_for() -> None:
    asked: list[Peer | None] = []

    def allow(peer: Peer | None) -> Denial | None:
        asked.append(peer)
        return None

    talk(theirs={"allow": allow})
    (peer,) = asked
    assert peer is not None and peer.psk_name == "client.example"
    made = talk(theirs={"allow": PeerRule(psk="client.example")})
    assert kinds(made) == ("pre-shared key",) * 2


def test_a_client_with_a_key_is_not_asked_for_a_certificate_later() -> None:
    """RFC 9846 4.4.2: external PSKs and certificates are not combined."""
    made = talk({"post_handshake_auth": True})
    with pytest.raises(AuthenticationUnavailable, match="external PSK"):
        made.server.authenticate_client(required=True)


def test_a_ticket_and_a_key_may_be_offered_together() -> None:
    """The server takes the key; without it, the session of the earlier handshake by certificates."""
    store = SessionStore()
    ours: dict[str, Any] = {"psk_peers": PSK_CLIENT["psk_peers"], "sessions": store}
    tickets = TicketKeys()
    seen: list[Note] = []
    before = pair(client_config(**ours), server_config(**OTHERS, tickets=tickets))
    before.exchange()
    assert kinds(before) == ("certificate", "certificate") and len(store) == 1
    for theirs, expected, resumed in ((OTHERS, "certificate", True), (BESIDE, "pre-shared key", False)):
        made = pair(client_config(**ours), server_config(**theirs, tickets=tickets), client_notes=seen)
        made.exchange()
        assert kinds(made) == (expected,) * 2
        assert made.server.resumed is resumed is made.client.resumed
    hellos = [each.message for each in seen if isinstance(getattr(each, "message", None), ClientHello)]
    found = [ext.find(each.extensions, ext.PreSharedKeys) for each in hellos]
    assert [None if each is None else len(each.identities) for each in found] == [3, 3]


# -- strangers ----------------------------------------------------------------------------------------------


def test_an_unknown_key_costs_the_work_of_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9846 E.6: where there is nothing but keys, one import and one binder, then the same alert."""
    work: list[str] = []
    binder, early = EarlySecret.binder, EarlySecret.__init__

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            work.append(name)
            return method(*args, **options)

        return call

    monkeypatch.setattr(EarlySecret, "binder", counted("binder", binder))
    monkeypatch.setattr(EarlySecret, "__init__", counted("early secret", early))
    done = []
    for theirs in (PSK_SERVER, PSK_SERVER | OTHERS):
        hello = _altered_hello()
        connection = server_config(**theirs).connection()
        work.clear()
        connection.receive(hello)
        error = connection.failure
        assert isinstance(error, PeerFault) and error.fault is Fault.UNKNOWN_PSK
        done.append((list(work), error.alert, error.step, connection.data_to_send()))
    assert done[0] == done[1]
    assert done[0][0] == ["early secret", "binder"]


def _altered_hello() -> bytes:
    with altering(Role.CLIENT, offered(turned)):
        return client_config(**PSK_CLIENT).connection("localhost").data_to_send()


def test_few_of_many_identities_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []
    find = server_psk.find_psk

    def counted(keys: ExternalPSKs, role: Role, identity: bytes) -> Any:
        looked.append(identity)
        return find(keys, role, identity)

    monkeypatch.setattr(server_psk, "find_psk", counted)

    def many(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
        strangers = tuple(ext.PskIdentity(b"k%d" % number, 0) for number in range(500))
        return ext.PreSharedKeys((*strangers, *keys.identities), (bytes(32),) * (500 + len(keys.binders)))

    with altering(Role.CLIENT, offered(many)):
        made = talk()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.UNKNOWN_PSK
    assert len(looked) == IDENTITIES_TRIED


def test_a_recorded_hello_opens_nothing() -> None:
    """It can be replayed: the server answers, and without the client's Finished nothing comes of it."""
    config = server_config(**PSK_SERVER)
    hello = client_config(**PSK_CLIENT).connection("localhost").data_to_send()
    for _ in range(2):
        replayed = config.connection()
        replayed.receive(hello)
        assert replayed.peer is None and not replayed.established
        assert replayed.step.name == "WAIT_FINISHED"


def test_a_hello_without_schemes_is_answered_by_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9846 9.2: signature_algorithms is required only without pre_shared_key."""
    honest = client_psks.offering

    def altered(hs: Any, hello: ClientHello, psks: Any) -> Any:
        kept = [each for each in hello.extensions or () if not isinstance(each, ext.SignatureAlgorithms)]
        return honest(hs, replace(hello, extensions=tuple(kept)), psks)

    monkeypatch.setattr(client_psks, "offering", altered)
    assert kinds(talk()) == ("pre-shared key",) * 2


# -- configurations and changes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"psk_peers": "text"}, "psk_peers: expected ExternalPSKs, not str"),
        ({"psk_peers": ExternalPSKs([])}, "psk_peers: it contains no key"),
        ({"versions": ("1.2",)}, "psk_peers: external PSKs need TLS 1.3"),
        ({"client_auth": "none"}, "psk_peers: not used, since client_auth is none"),
        ({"client_auth": "later"}, "psk_peers: external PSKs authenticate in the handshake"),
        ({"revocation": object()}, "revocation: expected a Revocation"),
        ({"judge_again": "change"}, "judge_again: without revocation there is no evidence"),
        ({"unknown_server_name": "refuse"}, "unknown_server_name: without certificates there are no names"),
        (
            {"psk_peers": None},
            "credentials: a server needs a certificate and its key, a raw_key, or psk_peers",
        ),
    ],
)
def test_a_server_that_makes_no_sense_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        server_config(**PSK_SERVER | fields)


def test_the_configuration_shows_no_key() -> None:
    shown = repr(server_config(**PSK_SERVER)) + repr(client_config(**PSK_CLIENT))
    assert "psk_peers" not in shown


def _file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    file = folder / "keys.toml"
    _write(file, psk("localhost", "client.example").secret)
    return file


def _write(file: Path, *secrets: bytes) -> None:
    keys = [
        f'[[key]]\nidentity = "key 0"\nsecret = "{each.hex()}"\npeer = "client.example"\n' for each in secrets
    ]
    file.with_suffix(".new").write_text('own = "localhost"\n' + "".join(keys))
    file.with_suffix(".new").replace(file)


@pytest.mark.parametrize("left", [(), (bytes(range(32)),)], ids=["removed", "changed"])
def test_an_open_connection_ends_when_its_key_is_removed(
    left: tuple[bytes, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal of a key is its revocation, and so is another secret under its identity."""
    file = _file(tmp_path, monkeypatch)
    config = server_config(**PSK_SERVER | {"psk_peers": ExternalPSKs.watched(file), "judge_again": "change"})
    made = pair(client_config(**PSK_CLIENT), config)
    made.exchange()
    assert made.server.established and not made.server.evidence_changed
    assert made.server.judge_again() == [] and made.server.established
    _write(file, *left)
    assert made.server.evidence_changed
    made.server.judge_again()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.PSK_REMOVED
    made.exchange()
    assert isinstance(made.client.failure, PeerAlert) and made.client.failure.alert == Alert.ACCESS_DENIED
    again = pair(client_config(**PSK_CLIENT), config)
    again.exchange()
    assert isinstance(again.server.failure, PeerFault) and again.server.failure.fault is Fault.UNKNOWN_PSK


def test_an_open_connection_is_judged_by_the_keys_of_another_configuration() -> None:
    for other, survives in ((PSK_SERVER, True), (PSK_SERVER | OTHERS, False), ({}, False)):
        made = talk()
        config: ServerConfig = server_config(**other)
        made.server.judge_by(config.settings)
        made.server.judge_again()
        assert made.server.established is survives


def test_a_server_hello_names_the_place_of_the_key() -> None:
    """RFC 9846 4.3.11: an index into the client's list, where a key for another suite came first."""
    notes: list[Note] = []
    suites = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
    talk({"suites": suites}, {"suites": suites[::-1]}, notes)
    (hello,) = (each.message for each in notes if isinstance(getattr(each, "message", None), ServerHello))
    assert ext.find(hello.extensions, ext.SelectedIdentity) == ext.SelectedIdentity(1)


def test_a_key_that_comes_within_reach_in_the_second_hello_is_not_taken_for_the_one_chosen() -> None:
    """Where the first hello led to a certificate it stays with that, and a failure is explained by that."""
    strangers = tuple(ext.PskIdentity(bytes((number,)) * 8, 0) for number in range(IDENTITIES_TRIED))

    def behind(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
        binders = (bytes(32),) * len(strangers) + keys.binders
        return ext.PreSharedKeys(strangers + keys.identities, binders)

    with altering(Role.CLIENT, offered(behind)):
        made = pair(
            client_config(psk_peers=PSK_CLIENT["psk_peers"]),
            server_config(**BESIDE | RETRY, allow=lambda peer: Denial("nobody today")),
        )
        made.exchange()
    error = made.server.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.ACCESS_REFUSED
    assert error.facts["peer"].names.common_name == "client.example"
    assert error.situation is not None and not error.situation.by_psk
