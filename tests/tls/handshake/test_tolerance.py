"""What must be borne: values that nobody knows, habits of middleboxes, and whatever else means nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from bothways import PeerFault
from bothways.iana import Alert, ContentType, ExtensionType
from bothways.roles import Role
from bothways.tls.events import Note, RecordSeen
from bothways.tls.handshake.message_io import CHANGE_CIPHER_SPEC
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import CertificateRequest, EncryptedExtensions, NewSessionTicket
from inside import machinery
from pair import Pair, received
from tamper import (
    Edit,
    Outgoing,
    altering,
    before,
    both,
    changing,
    editing,
    extending,
    sealed,
    wire,
    with_extensions,
    without,
)
from tls.handshake.conversations import CONVERSATIONS, Conversation, credentials

GREASE = tuple(0x0A0A + 0x1010 * each for each in range(16))


def always(kind: type, change: Any) -> Edit:
    """Change every message of a kind: after a retry, the second hello must say the same as the first."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        return change(nth)(message, nth) if isinstance(message, kind) else (message,)

    return edit


def bears(conversation: Conversation, sender: Role, edit: Edit) -> Pair:
    """The handshake goes on, and data flows both ways."""
    with altering(sender, edit):
        talk = conversation.pair()
        talk.exchange()
    assert talk.client.established, repr(talk.client.failure)
    assert talk.server.established, repr(talk.server.failure)
    talk.client.send(b"up")
    talk.server.send(b"down")
    talk.exchange()
    assert received(talk.server_events) == b"up" and received(talk.client_events) == b"down"
    return talk


# -- GREASE ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", GREASE, ids=hex)
@pytest.mark.parametrize("name", ["mutual", "mutual after a retry", "with ALPN"])
def test_server_bears_grease_everywhere_in_a_hello(name: str, value: int) -> None:
    """RFC 8701 3.1: in suites, groups, schemes, versions, shares, protocols and extensions."""

    def greased(nth: int) -> Edit:
        edits = [
            changing(ClientHello, nth, cipher_suites=lambda those: (value, *those)),
            editing(ClientHello, ext.SupportedGroups, nth, groups=lambda those: (value, *those)),
            editing(ClientHello, ext.SignatureAlgorithms, nth, schemes=lambda those: (value, *those)),
            editing(ClientHello, ext.SupportedVersions, nth, versions=lambda those: (value, *those)),
            editing(
                ClientHello, ext.ApplicationProtocols, nth, protocols=lambda those: (b"\x0a\x0a", *those)
            ),
            with_extensions(
                ClientHello,
                lambda those: (
                    ext.UnknownExtension(value, b""),
                    *those,
                    ext.UnknownExtension(value ^ 0x4040, b"\0"),
                ),
                nth,
            ),
        ]
        if nth == 0:
            share = ext.KeyShareEntry(value, b"\0")
            edits.append(editing(ClientHello, ext.KeyShares, nth, shares=lambda those: (share, *those)))
        return both(*edits)

    bears(CONVERSATIONS[name], Role.CLIENT, always(ClientHello, greased))


@pytest.mark.parametrize("value", GREASE, ids=hex)
def test_client_bears_grease_in_a_request(value: int) -> None:
    """RFC 8701 4.1: in the extensions of a CertificateRequest, and in its schemes."""
    edit = both(
        extending(CertificateRequest, ext.UnknownExtension(value, b"x"), first=True),
        editing(CertificateRequest, ext.SignatureAlgorithms, schemes=lambda those: (value, *those)),
    )
    bears(CONVERSATIONS["mutual"], Role.SERVER, edit)


@pytest.mark.parametrize("value", GREASE[:3], ids=hex)
def test_client_bears_grease_in_a_ticket(value: int) -> None:
    """RFC 8701 4.1: and what nobody knows beside it."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    ticket = NewSessionTicket(
        7, 1, b"", b"t", (ext.UnknownExtension(value, b""), ext.UnknownExtension(0x7777, b"x"))
    )
    machinery(talk.server).out.send_after_handshake(ticket)
    talk.exchange()
    assert talk.client.established


@pytest.mark.parametrize("value", [0xFAFA, 0x0B0B, 0x7777, 0xFFFF])
def test_server_tolerates_unknown_values_in_a_hello(value: int) -> None:
    """RFC 9846 4.2.2: unknown suites, groups, schemes, versions and extensions are ignored."""
    edit = both(
        changing(ClientHello, cipher_suites=lambda those: (*those, value)),
        editing(ClientHello, ext.SupportedGroups, groups=lambda those: (*those, value)),
        editing(ClientHello, ext.SignatureAlgorithms, schemes=lambda those: (*those, value)),
        editing(ClientHello, ext.SupportedVersions, versions=lambda those: (*those, value)),
        extending(ClientHello, ext.UnknownExtension(0x7777, bytes(300))),
    )
    bears(CONVERSATIONS["mutual"], Role.CLIENT, edit)


OFFERED_BY_OTHERS = (
    ext.EcPointFormats((0, 1, 2)),
    ext.ExtendedMainSecret(),
    ext.RenegotiationInfo(b""),
    ext.SessionTicket(b""),
    ext.StatusRequest(),
    ext.TimestampRequest(),
    ext.CompressCertificate((16384,)),
    ext.PskKeyExchangeModes((1, 0)),
    ext.PostHandshakeAuth(),
    ext.CertificateAuthorities((b"\x30\x00",)),
    ext.SignatureAlgorithmsCert((0x0401, 0x0403)),
    ext.Padding(bytes(100)),
    ext.EncryptedClientHello(0, 1, 1, 99, bytes(32), bytes(200)),
    ext.UnknownExtension(ExtensionType.encrypt_then_mac, b""),
    ext.UnknownExtension(ExtensionType.status_request_v2, b"\0\0"),
    ext.UnknownExtension(ExtensionType.delegated_credential, b"\0\2\4\3"),
    ext.UnknownExtension(ExtensionType.heartbeat, b"\1"),
)


@pytest.mark.parametrize("extension", OFFERED_BY_OTHERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("name", ["mutual", "mutual after a retry"])
def test_server_bears_what_other_clients_offer(name: str, extension: ext.Extension) -> None:
    """RFC 9846 4.3: offers that we do not take up are left unanswered."""

    def offered(nth: int) -> Edit:
        return extending(ClientHello, extension, nth=nth)

    bears(CONVERSATIONS[name], Role.CLIENT, always(ClientHello, offered))


def test_server_bears_a_psk_that_it_does_not_know() -> None:
    """RFC 9846 4.3.11: then the handshake is a full one, with early data or without."""
    for early in ((), (ext.EarlyDataIndication(),)):
        offered = ext.PreSharedKeys((ext.PskIdentity(b"ticket", 7),), (bytes(32),))
        edit = extending(ClientHello, *early, ext.PskKeyExchangeModes((1,)), offered)
        bears(CONVERSATIONS["mutual"], Role.CLIENT, edit)


def test_client_may_drop_its_psk_and_padding_after_a_retry() -> None:
    """RFC 9846 4.2.2: both may differ in the second ClientHello."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        if not isinstance(message, ClientHello):
            return (message,)
        mine = [ext.Padding(bytes(10 * (nth + 1)))]
        if nth == 0:
            psk = ext.PreSharedKeys((ext.PskIdentity(b"ticket", 7),), (bytes(32),))
            mine += [ext.PskKeyExchangeModes((1,)), psk]
        else:
            mine += [ext.PskKeyExchangeModes((1,))]
        return (replace(message, extensions=(*(message.extensions or ()), *mine)),)

    bears(CONVERSATIONS["mutual after a retry"], Role.CLIENT, edit)


def test_extensions_may_stand_in_any_order() -> None:
    """RFC 9846 4.3: only pre_shared_key has a place."""
    for kind, sender in (
        (ClientHello, Role.CLIENT),
        (ServerHello, Role.SERVER),
        (CertificateRequest, Role.SERVER),
    ):
        bears(CONVERSATIONS["mutual"], sender, with_extensions(kind, lambda those: reversed(those)))


def test_second_hello_may_have_its_extensions_in_another_order() -> None:
    """RFC 9846 4.2.2 demands the same content; the order of extensions has no meaning."""
    edit = with_extensions(ClientHello, lambda those: reversed(those), nth=1)
    bears(CONVERSATIONS["mutual after a retry"], Role.CLIENT, edit)


@pytest.mark.parametrize("answers", [(ext.ServerName(),), (ext.SupportedGroups((23, 0x6A6A)),), ()])
def test_client_bears_answers_without_consequence(answers: tuple[ext.Extension, ...]) -> None:
    """RFC 6066 3, RFC 9846 4.3.7: a server may say whether it used the name, and which groups it prefers."""
    bears(CONVERSATIONS["mutual"], Role.SERVER, changing(EncryptedExtensions, extensions=answers))


OTHER_NAME = "07 0003 abcdef"
OUR_NAME = "00 0009 6c6f63616c686f7374"


@pytest.mark.parametrize("listed", [(OUR_NAME, OTHER_NAME), (OTHER_NAME, OUR_NAME)])
@pytest.mark.parametrize("versions", ["1.3", "1.2"])
def test_server_ignores_names_of_undefined_types(versions: str, listed: tuple[str, str]) -> None:
    """RFC 6066 3: they begin with a length, so that the host name beside them is found."""
    data = bytes.fromhex("".join(listed))
    names = ext.UnknownExtension(0, len(data).to_bytes(2, "big") + data)
    edit = with_extensions(
        ClientHello, lambda those: [names if isinstance(each, ext.ServerName) else each for each in those]
    )
    own = {"credentials": (credentials("a.example"), credentials("localhost")), "versions": (versions,)}
    bears(Conversation("named", {"versions": (versions,)}, own), Role.CLIENT, edit)


def test_server_tolerates_a_list_with_only_undefined_name_types() -> None:
    """RFC 6066 3: then no host is asked for."""
    data = bytes.fromhex("0006" + OTHER_NAME)
    edit = both(without(ClientHello, ext.ServerName), extending(ClientHello, ext.UnknownExtension(0, data)))
    bears(CONVERSATIONS["mutual"], Role.CLIENT, edit)


@pytest.mark.parametrize(
    "extension",
    [
        ext.OidFilters((ext.OidFilter(b"\x55\x1d\x25", b"\x30\x00"),)),
        ext.SignatureAlgorithmsCert((0x0403,)),
        ext.EmptyStatusRequest(),
        ext.TimestampRequest(),
        ext.CompressCertificate((16384,)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_client_bears_wishes_in_a_request_that_it_does_not_fulfil(extension: ext.Extension) -> None:
    """RFC 9846 4.4.2: they are wishes; the server judges what it gets."""
    bears(CONVERSATIONS["mutual"], Role.SERVER, extending(CertificateRequest, extension))


@pytest.mark.parametrize("garbage", [b"\0", b"\x30\x80", b"\x30\x05abc", b"\x31\x00", bytes(40)])
def test_client_bears_authorities_that_are_no_names(garbage: bytes) -> None:
    """RFC 9846 4.3.4: such a hint leads nowhere, and hurts nobody."""
    edit = editing(CertificateRequest, ext.CertificateAuthorities, authorities=(garbage,))
    bears(CONVERSATIONS["mutual"], Role.SERVER, edit)


@pytest.mark.parametrize(
    "name", ["no name", "a..b", "-", "localhost.", "LOCALHOST", "127.0.0.1", "x" * 300, "*"]
)
def test_server_bears_any_server_name(name: str) -> None:
    """RFC 6066 3: a name that is none is a name that we do not have."""
    bears(CONVERSATIONS["mutual"], Role.CLIENT, editing(ClientHello, ext.ServerName, host_name=name))


# -- versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0x7F1C, 0xFFFF])
def test_server_ignores_legacy_version_beside_supported_versions(legacy: int) -> None:
    """RFC 9846 4.3.1: supported_versions alone decides."""
    bears(CONVERSATIONS["mutual"], Role.CLIENT, changing(ClientHello, legacy_version=legacy))


@pytest.mark.parametrize("mark", [b"DOWNGRD\1", b"DOWNGRD\0"])
def test_mark_of_a_downgrade_means_nothing_in_tls_13(mark: bytes) -> None:
    """RFC 9846 4.2.3: it is looked for when an older version was chosen."""
    edit = changing(ServerHello, random=lambda those: those[:-8] + mark)
    bears(CONVERSATIONS["mutual"], Role.SERVER, edit)


@pytest.mark.parametrize("version", [0x0301, 0x0302, 0x0304, 0x0300])
def test_version_of_a_record_in_the_clear_is_ignored(version: int) -> None:
    """RFC 9846 5.1: legacy_record_version has no meaning."""

    flights = 0

    def restamped(data: bytes) -> bytes:
        nonlocal flights
        flights += 1
        return data if flights > 4 or data[0] == 23 else data[:1] + version.to_bytes(2, "big") + data[3:]

    talk = CONVERSATIONS["mutual after a retry"].pair()
    talk.to_server = talk.to_client = restamped
    talk.exchange()
    assert talk.client.established and talk.server.established


# -- middleboxes ------------------------------------------------------------------------------------------


def records(notes: list[Note], sent: bool) -> list[str]:
    return [
        ContentType(note.content_type).name
        for note in notes
        if isinstance(note, RecordSeen) and note.sent is sent
    ]


def test_handshake_looks_like_one_of_tls_12() -> None:
    """RFC 9846 E.4: the session ID is echoed, and each side sends a change_cipher_spec."""
    client: list[Note] = []
    server: list[Note] = []
    talk = CONVERSATIONS["mutual"].pair(client_notes=client, server_notes=server)
    talk.exchange()
    assert records(server, True)[:3] == ["handshake", "change_cipher_spec", "handshake"]
    assert records(client, True)[:3] == ["handshake", "change_cipher_spec", "handshake"]
    for notes in (client, server):
        assert records(notes, True).count("change_cipher_spec") == 1


def test_change_cipher_spec_comes_once_after_a_retry_too() -> None:
    """RFC 9846 E.4: a server's after the HelloRetryRequest, a client's before its second hello."""
    client: list[Note] = []
    server: list[Note] = []
    talk = CONVERSATIONS["mutual after a retry"].pair(client_notes=client, server_notes=server)
    talk.exchange()
    assert records(server, True)[:3] == ["handshake", "change_cipher_spec", "handshake"]
    assert records(client, True)[:3] == ["handshake", "change_cipher_spec", "handshake"]
    for notes in (client, server):
        assert records(notes, True).count("change_cipher_spec") == 1


def test_server_does_not_play_for_middleboxes_when_the_client_does_not() -> None:
    """RFC 9846 E.4: without a session ID there is nothing to echo, and no change_cipher_spec is needed."""
    notes: list[Note] = []
    with altering(Role.CLIENT, changing(ClientHello, legacy_session_id=b"")):
        talk = CONVERSATIONS["mutual"].pair(server_notes=notes)
        talk.exchange()
    assert "change_cipher_spec" not in records(notes, True)
    assert isinstance(talk.client.failure, PeerFault), "the client that lied had sent a session ID"


def test_change_cipher_spec_of_the_peer_is_not_needed() -> None:
    """RFC 9846 E.4: it is a habit, and no rule."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.to_server = talk.to_client = lambda data: data.replace(CHANGE_CIPHER_SPEC, b"")
    talk.exchange()
    assert talk.client.established and talk.server.established


# -- padding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multiple", [1, 2, 256, 4096, 2**14])
@pytest.mark.parametrize("side", ["client", "server"])
def test_padded_records_are_opened_and_have_one_size(side: str, multiple: int) -> None:
    """RFC 9846 5.4: who pads hides lengths; who reads takes the padding off."""
    notes: list[Note] = []
    talk = CONVERSATIONS["mutual"].pair(**{side: {"record_padding": multiple}, f"{side}_notes": notes})
    talk.exchange()
    end = getattr(talk, side)
    for size in (1, 100, 200):
        end.send(b"x" * size)
    talk.exchange()
    assert received(talk.server_events if side == "client" else talk.client_events) == b"x" * 301
    sizes = [n.size for n in notes if isinstance(n, RecordSeen) and n.sent and n.content_type == 23]
    assert all((size - 5 - 16) % multiple == 0 or size == 5 + 2**14 + 1 + 16 for size in sizes)


def test_padding_of_any_length_is_taken_off() -> None:
    """RFC 9846 5.4: up to the whole rest of a record, and around nothing but zeros as data."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    out = machinery(talk.client).out
    for data, padding in ((b"x", 0), (b"x", 1), (b"x", 2**14 - 1), (bytes(5), 100), (b"", 2**14)):
        out.put_records(out.keys.seal_inner(data + b"\x17" + bytes(padding)))
    talk.exchange()
    assert received(talk.server_events) == b"xxx" + bytes(5)


# -- alerts -----------------------------------------------------------------------------------------------


def test_user_canceled_is_ignored_until_the_close() -> None:
    """RFC 9846 6.1: it is a reason, and close_notify is the end."""
    talk = bears(CONVERSATIONS["mutual"], Role.SERVER, before(EncryptedExtensions, sealed(21, b"\x01\x5a")))
    sealed(21, b"\x01\x5a")(machinery(talk.server))
    talk.exchange()
    assert talk.client.established


def test_unencrypted_alert_is_accepted_from_a_peer_that_has_no_keys() -> None:
    """RFC 9846 A.1: a client that could not read the ServerHello says so in the clear."""
    with altering(Role.CLIENT, before(CertificateRequest, wire(b""))):
        talk = CONVERSATIONS["mutual"].pair()
    talk.server.receive(talk.client.data_to_send())
    (event,) = talk.server.receive(b"\x15\x03\x03\x00\x02\x02\x2f")
    assert getattr(event, "error", None) is talk.server.failure
    assert getattr(talk.server.failure, "alert", None) == Alert.ILLEGAL_PARAMETER
