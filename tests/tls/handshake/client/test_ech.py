"""A client with an encrypted ClientHello: what is seen of it, and how it ends where the server cannot decrypt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bothways import (
    ConfigError,
    ECHConfigList,
    ECHKeys,
    ExternalPSKs,
    Fault,
    PeerAlert,
    PeerFault,
    SessionStore,
    TicketKeys,
    explain_failure,
)
from bothways.diagnosis.causes import Cause
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.config import PREFERRED_GROUPS
from bothways.tls.ech.configs import VERSION
from bothways.tls.events import Established, MessageSeen, Note
from bothways.tls.handshake.identity_fields import KEYS_OFFERED
from bothways.tls.handshake.negotiation import COOKIE_LIMIT
from bothways.tls.handshake.server.ech import ReceivedHello
from bothways.tls.handshake.session_binding import client_key
from bothways.tls.resumption.session_store import LARGEST_TICKET
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry
from bothways.tls.wire.tls13 import Certificate, EncryptedExtensions, NewSessionTicket
from bothways.trust.keys.external_psks import CONTEXT_LIMIT, IDENTITY_LIMIT
from bothways.trust.path.name_matching import server_name
from pair import NOON, pair
from tamper import Refusal, altering, changing, editing, extending, refused, unaltered, with_extensions
from tls.ech.test_configs import contents
from tls.handshake.conversations import RETRY, client_config, credentials, psk, server_config
from tls.handshake.encrypted_hellos import PRIVATE, PUBLIC, client, key, outdated, server
from tls.handshake.server.test_ech import connected, messages

SERVER = Role.SERVER


def wire_of(ours: dict[str, Any], theirs: dict[str, Any], *, times: int = 1) -> tuple[bytes, list[Note]]:
    """Every byte of some connections, and what the client saw."""
    seen = bytearray()
    notes: list[Note] = []
    one, other = client_config(**ours), server_config(**theirs)
    for _ in range(times):
        made = pair(one, other, client_notes=notes)

        def tap(data: bytes) -> bytes:
            seen.extend(data)
            return data

        made.to_server = made.to_client = tap
        made.exchange()
    return bytes(seen), notes


@pytest.mark.parametrize("theirs", [server(), server(**RETRY)])
@pytest.mark.parametrize("ours", [client(alpn=("secret-protocol",)), outdated(alpn=("secret-protocol",))])
def test_neither_name_nor_certificate_nor_protocol_is_in_the_clear(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """RFC 9849 10.1: the server's name, the client's certificate and name; decrypted or not, and when resuming."""
    seen, notes = wire_of(ours | {"sessions": SessionStore()}, theirs | {"tickets": TicketKeys()}, times=2)
    assert PUBLIC.encode() in seen
    for private in (
        b"localhost",
        b"secret-protocol",
        b"client.example",
        credentials("client.example").chain[0],
    ):
        assert private not in seen
    tickets = messages(notes, NewSessionTicket, sent=False)
    assert not any(each.ticket in seen for each in tickets)


def test_sessions_are_resumed_within_it_alone() -> None:
    """RFC 9849 6.1.2: outside stands a PSK of the same size that is none."""
    for options in ({}, RETRY):
        ours, theirs = client(sessions=SessionStore()), server(tickets=TicketKeys(), **options)
        one, other = client_config(**ours), server_config(**theirs)
        notes: list[Note] = []
        for is_resumed in (False, True, True):
            made = pair(one, other, client_notes=notes)
            made.exchange()
            assert made.client.established and made.client.resumed is is_resumed
        hellos = messages(notes, ClientHello, sent=True)
        offered = [each for hello in hellos if (each := ext.find(hello.extensions, ext.PreSharedKeys))]
        given = [each.ticket for each in messages(notes, NewSessionTicket, sent=False)]
        assert len(offered) == (2 if not options else 4)
        assert not {psk.identity for each in offered for psk in each.identities} & set(given)
        assert {len(psk.identity) for each in offered for psk in each.identities} == {len(given[0])}
        assert hellos[-1].extensions[-1] == offered[-1]


def test_sizes_do_not_tell_which_name_it_is() -> None:
    """RFC 9849 6.1.3."""
    config = client_config(**client())
    sizes = {
        len(config.connection(name).data_to_send())
        for name in ("a.example", "localhost", "x" * 20 + ".example", "192.0.2.1", "2001:db8::1")
    }
    assert len(sizes) == 1


def test_nothing_repeats_between_connections() -> None:
    config = client_config(**client())
    outers = []
    for _ in range(8):
        notes: list[Note] = []
        config.connection("localhost", observer=notes.append)
        (hello,) = messages(notes, ClientHello, sent=True)
        found = ext.find(hello.extensions, ext.EncryptedClientHello)
        assert found is not None
        outers += [found.enc, found.payload, hello.random, hello.legacy_session_id]
    assert len(set(outers)) == len(outers)


@pytest.mark.parametrize("options", [{}, RETRY])
def test_client_that_is_rejected_can_connect_again_with_the_retry_configuration(
    options: dict[str, Any],
) -> None:
    """RFC 9849 6.1.6: after the server is authenticated for the public name; nothing of ours was sent."""
    notes: list[Note] = []
    server_notes: list[Note] = []
    theirs = server(client_auth="request", tickets=TicketKeys(), **options)
    ours = client_config(**outdated(sessions=(store := SessionStore())))
    made = pair(ours, server_config(**theirs), client_notes=notes, server_notes=server_notes)
    made.client.send(b"secret")
    made.exchange()
    error = made.client.failure
    assert isinstance(error, PeerFault)
    assert (error.fault, error.alert) == (Fault.ECH_REJECTED, Alert.ECH_REQUIRED)
    assert isinstance(made.server.failure, PeerAlert) and made.server.failure.alert == Alert.ECH_REQUIRED
    (shown,) = messages(server_notes, Certificate, sent=False)
    assert shown.certificate_list == () and not made.client.established
    assert not any(isinstance(event, Established) for event in made.client_events)
    assert not any(getattr(event, "data", b"") for event in made.server_events)
    assert len(store) == 0, "tickets of such a connection are ignored"
    configs = error.facts["retry_configs"]
    assert isinstance(configs, ECHConfigList) and configs.preferred == key().config
    assert connected({"ech": configs}, theirs).client.established


def test_a_server_that_is_not_the_public_name_is_refused_for_that() -> None:
    """RFC 9849 6.1.6: its configurations are not used."""
    theirs = server(credentials=[credentials("localhost")])
    made = connected(outdated(), theirs)
    assert isinstance(made.client.failure, PeerFault)
    assert made.client.failure.fault is Fault.NAME_MISMATCH
    assert PUBLIC in str(made.client.failure)


def retry_config(contents: bytes, version: int = VERSION) -> ext.RetryConfigs:
    return ext.RetryConfigs((ext.ECHConfigEntry(version, contents),))


def row(what: str, fault: Fault, alert: Alert, edit: Any = unaltered, **rest: Any) -> Refusal:
    return Refusal(what, SERVER, fault, alert, edit, **rest)


OFF = {"ech_keys": None, "client_auth": "none"}
REFUSALS = (
    row(
        "not decrypted",
        Fault.ECH_REJECTED,
        Alert.ECH_REQUIRED,
        client=outdated(),
        server={"client_auth": "none"},
    ),
    row("switched off", Fault.ECH_REJECTED, Alert.ECH_REQUIRED, server=OFF),
    row("switched off, after a retry", Fault.ECH_REJECTED, Alert.ECH_REQUIRED, server=OFF | RETRY),
    row(
        "only configurations of another version",
        Fault.ECH_REJECTED,
        Alert.ECH_REQUIRED,
        extending(EncryptedExtensions, retry_config(b"new", 0xFE0E)),
        server=OFF,
    ),
    row(
        "a configuration that cannot be decoded",
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        extending(EncryptedExtensions, retry_config(b"\0")),
        server=OFF,
    ),
    row(
        "a configuration that cannot be decoded, where nothing was encrypted",
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        extending(EncryptedExtensions, retry_config(b"\0")),
        client={"ech": "grease"},
        server=OFF,
    ),
    row(
        "a configuration although it decrypted",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, retry_config(b"new", 0xFE0E)),
    ),
    row(
        "a configuration that nobody asked for",
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, retry_config(b"new", 0xFE0E)),
        client={"ech": None},
    ),
    row(
        "confirmed once",
        Fault.ECH_NOT_CONFIRMED,
        Alert.ILLEGAL_PARAMETER,
        changing(ServerHello, nth=1, random=bytes(32)),
        server=RETRY,
    ),
    row(
        "a confirmation of the wrong size",
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        with_extensions(
            ServerHello,
            lambda those: [
                ext.UnknownExtension(0xFE0D, bytes(7)) if isinstance(each, ext.RetryConfirmation) else each
                for each in those
            ],
        ),
        server=RETRY,
    ),
    row(
        "a shared key of the outer hello",
        Fault.UNOFFERED_PSK,
        Alert.ILLEGAL_PARAMETER,
        extending(ServerHello, ext.SelectedIdentity(0)),
        client={"sessions": SessionStore()},
        conversation="resumed",
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_invalid_answers_of_a_server_are_refused(case: Refusal) -> None:
    """RFC 9849 5, 6.1.2, 6.1.4 to 6.1.6: each fault, and its alert."""
    ours = client_config(**client() | case.client)
    theirs = server_config(**server() | case.server)
    if case.conversation == "resumed":
        tickets = server_config(**server(tickets=TicketKeys()))
        made = pair(ours, tickets)
        made.exchange()
        assert made.client.established
        theirs = server_config(**server(ech_keys=None, client_auth="none"))
    refused(case, ours, theirs)


@pytest.mark.parametrize("at", [0, 1])
def test_wrong_ech_confirmation_means_that_ech_was_rejected(at: int) -> None:
    """RFC 9849 6.1.4: of the HelloRetryRequest or of the ServerHello; the handshake goes on by the outer hello."""
    edit = (
        changing(ServerHello, random=lambda old: old[:-1] + bytes([old[-1] ^ 1]))
        if at == 0
        else editing(ServerHello, ext.RetryConfirmation, confirmation=bytes(8))
    )
    with altering(SERVER, edit):
        made = connected(client(), server(client_auth="none", **(RETRY if at else {})))
    assert made.client.failure is not None and not made.client.established


def test_grease_changes_nothing_else() -> None:
    """RFC 9849 6.2.1: it varies, and is repeated unchanged after a retry."""
    notes: list[Note] = []
    made = connected({"ech": "grease"}, server(**RETRY), client_notes=notes)
    assert made.client.established
    first, second = [
        ext.find(hello.extensions, ext.EncryptedClientHello)
        for hello in messages(notes, ClientHello, sent=True)
    ]
    assert first == second and first is not None and len(first.enc) == 32
    real: list[Note] = []
    client_config(**client()).connection("localhost", observer=real.append)
    (hello,) = [note.message for note in real if isinstance(note, MessageSeen)]
    encrypted = ext.find(hello.extensions or (), ext.EncryptedClientHello)
    assert encrypted is not None and abs(len(encrypted.payload) - len(first.payload)) <= 64


def test_a_configuration_that_we_do_not_support_does_not_switch_it_off() -> None:
    """RFC 9849 6.1.6: only a server without any of our version says that; nobody is led to connect in the clear."""
    other_kem = contents(kem=0x10, key=bytes(65))
    edit = extending(EncryptedExtensions, retry_config(other_kem))
    with altering(SERVER, edit):
        made = connected(outdated(), server(ech_keys=None, client_auth="none"))
    error = made.client.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.ECH_REJECTED
    assert (error.facts["retry_configs"], error.facts["is_disabled"]) == (None, False)
    assert "without ech" not in str(error)
    assert explain_failure(error).first.cause is Cause.ECH_OUTDATED


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_grease_extension_has_the_size_of_an_encrypted_hello(is_resumed: bool) -> None:
    """RFC 9849 6.2.1, with the PSK of a session too."""
    sizes = []
    for ech in ("grease", ECHKeys(key()).config_list):
        ours = client_config(ech=ech, sessions=SessionStore())
        theirs = server_config(**server(tickets=TicketKeys()))
        if is_resumed:
            made = pair(ours, theirs)
            made.exchange()
        notes: list[Note] = []
        ours.connection("localhost", observer=notes.append)
        (hello,) = messages(notes, ClientHello, sent=True)
        found = ext.find(hello.extensions, ext.EncryptedClientHello)
        assert found is not None
        sizes.append(len(found.payload))
    assert abs(sizes[0] - sizes[1]) <= 32, (
        "the names are padded to the longest, which is known for the real one alone"
    )


def test_ech_requires_tls_13() -> None:
    """RFC 9849 6.1: and TLS 1.2 is not offered beside it."""
    with pytest.raises(ConfigError, match="TLS 1.3 only"):
        client_config(**client(versions=("1.2",)))
    config = client_config(**client(versions=("1.3", "1.2")))
    notes: list[Note] = []
    config.connection("localhost", observer=notes.append)
    (hello,) = messages(notes, ClientHello, sent=True)
    assert ext.find(hello.extensions, ext.SupportedVersions) == ext.SupportedVersions((0x0304,))


def test_grease_is_left_out_where_tls12_is_spoken_alone() -> None:
    notes: list[Note] = []
    client_config(ech="grease", versions=("1.2",)).connection("localhost", observer=notes.append)
    (hello,) = messages(notes, ClientHello, sent=True)
    assert ext.find(hello.extensions, ext.EncryptedClientHello) is None


@pytest.mark.parametrize("wrong", ["GREASE", b"bytes", 1, True])
def test_other_settings_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="ech: expected an ECHConfigList"):
        client_config(ech=wrong)
    with pytest.raises(ConfigError, match="ech_keys: expected ECHKeys"):
        server_config(ech_keys=wrong)


def test_keys_are_published_as_they_are_used() -> None:
    assert ECHKeys(key()).config_list.public_name == PUBLIC


@pytest.mark.parametrize("how", ["encrypted", "grease"])
def test_the_largest_ticket_and_cookie_and_all_keys_that_are_offered_have_room_in_it(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server chooses how long those are: tickets and keys are in the ClientHello twice (RFC 9849 6.1.2)."""
    keys = ExternalPSKs(
        psk(
            "client.example",
            PRIVATE,
            number,
            identity=bytes([number]) * IDENTITY_LIMIT,
            context=bytes(CONTEXT_LIMIT),
        )
        for number in range(KEYS_OFFERED)
    )
    options = client() if how == "encrypted" else {"ech": "grease"}
    ours = client_config(
        **options, psk_peers=keys, alpn=("h2", "http/1.1"), groups=PREFERRED_GROUPS, key_shares=None
    )
    store = SessionStore()
    ours = replace(ours, sessions=store)
    theirs = server_config(**server(tickets=TicketKeys(), groups=("secp384r1",), retry_cookie=False))
    pair(ours, theirs).exchange()
    where = client_key(ours.settings, server_name(PRIVATE))
    session = store.take(where, NOON)
    assert session is not None
    store.keep(where, replace(session, ticket=bytes(LARGEST_TICKET)))
    confirm = ReceivedHello.confirm

    def with_cookie(received: ReceivedHello, hs: Any, suite: Any, answer: ServerHello) -> ServerHello:
        if is_retry(answer):
            extensions = (*(answer.extensions or ()), ext.Cookie(bytes(COOKIE_LIMIT)))
            answer = replace(answer, extensions=extensions)
        return confirm(received, hs, suite, answer)

    monkeypatch.setattr(ReceivedHello, "confirm", with_cookie)
    made = pair(ours, theirs)
    made.exchange()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.WRONG_COOKIE
    assert isinstance(made.client.failure, PeerAlert), "what it sent was well-formed"
