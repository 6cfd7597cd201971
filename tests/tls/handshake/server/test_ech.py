"""A server and encrypted ClientHellos: which it decrypts, what it refuses, what it answers (RFC 9849 7)."""

from __future__ import annotations

from typing import Any

import pytest

from bothways import ECHConfigList, ECHKeys, Fault, PeerFault, ServerConfig
from bothways.iana import Alert, ExtensionType
from bothways.roles import Role
from bothways.tls.ech.inner_hello import INNER
from bothways.tls.events import MessageSeen, Note, Proved
from bothways.tls.handshake.server.start import ServiceRequest
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import EncryptedExtensions
from pair import Pair, pair
from tamper import (
    Refusal,
    altering,
    changing,
    editing,
    extending,
    refused,
    unaltered,
    with_extensions,
    without,
)
from tls.handshake.conversations import RETRY, client_config, credentials, server_config
from tls.handshake.encrypted_hellos import (
    PUBLIC,
    client,
    former_key,
    inner_extensions,
    inside,
    key,
    outdated,
    server,
)

ILLEGAL = Alert.ILLEGAL_PARAMETER
OUTER = ext.EncryptedClientHello


def connected(ours: dict[str, Any], theirs: dict[str, Any], **notes: Any) -> Pair:
    made = pair(client_config(**ours), server_config(**theirs), **notes)
    made.exchange()
    return made


def messages(notes: list[Note], kind: type, *, sent: bool) -> list[Any]:
    """The messages of one class that one side saw."""
    return [
        note.message
        for note in notes
        if isinstance(note, MessageSeen) and note.sent is sent and isinstance(note.message, kind)
    ]


@pytest.mark.parametrize("options", [{}, RETRY, RETRY | {"retry_cookie": False}])
def test_server_answers_the_decrypted_client_hello(options: dict[str, Any]) -> None:
    """RFC 9849 7.1 and 7.1.1: and it is the certificate of the encrypted name that the client accepts."""
    notes: list[Note] = []
    made = connected(client(), server(**options), server_notes=notes)
    assert made.client.established and made.server.established, (made.client.failure, made.server.failure)
    assert made.client.peer is not None and made.client.peer.names.common_name == "localhost"
    assert made.server.peer is not None and made.server.peer.names.common_name == "client.example"
    assert any(isinstance(note, Proved) and "decrypted" in note.text for note in notes)


def test_old_keys_decrypt_as_long_as_it_has_them() -> None:
    """RFC 9849 4.1: the current one is that which is published."""
    made = connected(client(), server(ech_keys=ECHKeys([former_key(), key()])))
    assert made.client.established and made.server.established


def test_the_choice_of_a_configuration_sees_the_encrypted_name() -> None:
    """A gateway routes by it."""
    asked: list[ServiceRequest] = []
    config = server_config(**server())

    def select(request: ServiceRequest) -> ServerConfig:
        asked.append(request)
        return config

    connection = client_config(**client(alpn=("h2",))).connection("localhost")
    serving = config.connection(select=select)
    made = Pair(connection, serving)
    made.exchange()
    assert made.server.established
    assert asked == [ServiceRequest("localhost", (b"h2",))]


@pytest.mark.parametrize("options", [{}, RETRY])
def test_a_hello_that_it_cannot_decrypt_is_answered_by_the_outer_one(options: dict[str, Any]) -> None:
    """RFC 9849 7.1: with the current configuration in EncryptedExtensions, and without a confirmation."""
    notes: list[Note] = []
    theirs = server(client_auth="none", **options)
    made = connected(outdated(), theirs, client_notes=notes)
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.ECH_REJECTED
    (encrypted,) = messages(notes, EncryptedExtensions, sent=False)
    given = ext.find(encrypted.extensions, ext.RetryConfigs)
    assert given == ECHKeys(key()).retry_configs
    assert not [
        each
        for hello in messages(notes, ServerHello, sent=False)
        for each in hello.extensions
        if isinstance(each, ext.RetryConfirmation)
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"config_id": lambda old: old ^ 1},
        {"kdf": 2},
        {"aead": 9},
        {"enc": bytes(32)},
        {"enc": b""},
        {"enc": bytes(65000)},
        {"payload": b"x"},
        {"payload": lambda old: bytes([old[0] ^ 1]) + old[1:]},
    ],
)
def test_whatever_cannot_be_decrypted_may_be_grease(changed: dict[str, Any]) -> None:
    """RFC 9849 7.1: it is no fault; the client decides."""
    with altering(Role.CLIENT, editing(ClientHello, OUTER, **changed)):
        made = connected(client(), server(client_auth="none"))
    assert isinstance(made.client.failure, PeerFault)
    assert made.client.failure.fault is Fault.ECH_REJECTED


def test_a_client_that_only_looks_alike_is_served() -> None:
    """RFC 9849 6.2, also by servers without keys."""
    for theirs in (server(), server(ech_keys=None), server(**RETRY)):
        made = connected({"ech": "grease"}, theirs)
        assert made.client.established and made.server.established


def test_a_server_without_keys_ignores_it() -> None:
    made = connected(client(), server(ech_keys=None, client_auth="none"))
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.ECH_REJECTED
    assert made.client.failure.facts["retry_configs"] is None


def shared(*types: int) -> ext.OuterExtensions:
    return ext.OuterExtensions(types)


def row(what: str, fault: Fault, alert: Alert, edit: Any = unaltered, **rest: Any) -> Refusal:
    return Refusal(what, Role.CLIENT, fault, alert, edit, **rest)


REFUSALS = (
    row("padding", Fault.BAD_INNER_HELLO, ILLEGAL, inside(lambda encoded: encoded + b"\1")),
    row(
        "without INNER",
        Fault.BAD_INNER_HELLO,
        ILLEGAL,
        inner_extensions(lambda those: [each for each in those if each != INNER]),
    ),
    row(
        "an outer extension that is not there",
        Fault.BAD_INNER_HELLO,
        ILLEGAL,
        inner_extensions(lambda those: [INNER, shared(ExtensionType.cookie)]),
    ),
    row(
        "TLS 1.2 in the inner hello",
        Fault.BAD_INNER_HELLO,
        ILLEGAL,
        inner_extensions(lambda those: [INNER, ext.SupportedVersions((0x0304, 0x0303))]),
    ),
    row("an inner hello that is cut off", Fault.UNDECODABLE, Alert.DECODE_ERROR, inside(lambda e: e[:30])),
    row(
        "an extension twice",
        Fault.DUPLICATE_EXTENSION,
        ILLEGAL,
        inner_extensions(lambda those: [*those, INNER]),
    ),
    row(
        "the inner form on the network",
        Fault.INNER_HELLO_IN_CLEAR,
        ILLEGAL,
        with_extensions(ClientHello, lambda those: [INNER if isinstance(e, OUTER) else e for e in those]),
    ),
    row(
        "an undefined form",
        Fault.INNER_HELLO_IN_CLEAR,
        ILLEGAL,
        with_extensions(
            ClientHello,
            lambda those: [
                ext.UnknownExtension(ExtensionType.encrypted_client_hello, b"\2")
                if isinstance(e, OUTER)
                else e
                for e in those
            ],
        ),
    ),
    row(
        "ech_outer_extensions on the network",
        Fault.MISPLACED_EXTENSION,
        ILLEGAL,
        extending(ClientHello, shared(ExtensionType.key_share)),
    ),
    *(
        row(
            f"another {what} after a retry",
            Fault.CHANGED_ECH,
            ILLEGAL,
            editing(ClientHello, OUTER, nth=1, **{what: value}),
            server=RETRY,
        )
        for what, value in (("kdf", 2), ("aead", 3), ("config_id", lambda old: old ^ 1), ("enc", b"e" * 32))
    ),
    row(
        "the inner form after a retry",
        Fault.CHANGED_ECH,
        ILLEGAL,
        with_extensions(
            ClientHello, lambda those: [INNER if isinstance(e, OUTER) else e for e in those], nth=1
        ),
        server=RETRY,
    ),
    row(
        "the inner form after a retry, where the first one was not decrypted",
        Fault.INNER_HELLO_IN_CLEAR,
        ILLEGAL,
        with_extensions(
            ClientHello, lambda those: [INNER if isinstance(e, OUTER) else e for e in those], nth=1
        ),
        client=outdated(),
        server=RETRY,
    ),
    row(
        "no encrypted hello after a retry",
        Fault.MISSING_EXTENSION,
        Alert.MISSING_EXTENSION,
        without(ClientHello, OUTER, nth=1),
        server=RETRY,
    ),
    row(
        "an encrypted hello that is altered after a retry",
        Fault.UNREADABLE_INNER_HELLO,
        Alert.DECRYPT_ERROR,
        editing(ClientHello, OUTER, nth=1, payload=lambda old: old[:-1] + bytes([old[-1] ^ 1])),
        server=RETRY,
    ),
    row(
        "an outer hello that is altered after a retry",
        Fault.UNREADABLE_INNER_HELLO,
        Alert.DECRYPT_ERROR,
        changing(ClientHello, nth=1, random=bytes(32)),
        server=RETRY,
    ),
    row(
        "no certificate, after what may be an old configuration",
        Fault.NO_CERTIFICATE_AFTER_ECH,
        Alert.CERTIFICATE_REQUIRED,
        client={"ech": "grease", "credentials": None},
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_an_encrypted_hello_is_refused(case: Refusal) -> None:
    """RFC 9849 5.1, 7, 7.1, 7.1.1: each fault, and its alert."""
    refused(case, client_config(**client() | case.client), server_config(**server() | case.server))


def test_the_name_in_the_outer_hello_is_used_only_where_it_counts() -> None:
    """An unknown public name does not matter to a client that was decrypted (RFC 9849 7.1, optional check)."""
    theirs = server(credentials=[credentials("localhost")], unknown_server_name="refuse")
    made = connected(client(), theirs)
    assert made.client.established and made.server.established
    made = connected(outdated(), theirs)
    assert isinstance(made.server.failure, PeerFault)
    assert made.server.failure.fault is Fault.UNKNOWN_SERVER_NAME
    assert made.server.failure.facts["name"] == PUBLIC


def test_clients_accept_the_published_configuration() -> None:
    published = ECHConfigList.from_text(str(ECHKeys(key()).config_list))
    made = connected({"ech": published}, server())
    assert made.client.established
