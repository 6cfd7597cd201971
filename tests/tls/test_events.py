"""What events and notes tell: all that happens, in order, and never a secret."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bothways import Connection, Data
from bothways.iana import ContentType
from bothways.tls.events import (
    AlertSeen,
    Chosen,
    Epoch,
    Judged,
    KeysChanged,
    MessageSeen,
    Note,
    Proved,
    RecordSeen,
)
from bothways.tls.record.protection import Protection
from inside import machinery
from pair import Pair
from tls.handshake.conversations import (
    CONVERSATIONS,
    Conversation,
    client_config,
    credentials,
    identity,
    server_config,
)


def watched(conversation: Conversation) -> tuple[Pair, list[Note], list[Note]]:
    client: list[Note] = []
    server: list[Note] = []
    talk = conversation.pair(client_notes=client, server_notes=server)
    talk.exchange()
    return talk, client, server


def messages(notes: list[Note], *, sent: bool) -> list[tuple[str, bytes]]:
    return [
        (type(note.message).__name__, note.raw)
        for note in notes
        if isinstance(note, MessageSeen) and note.sent is sent
    ]


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_both_observers_see_the_same_messages(conversation: Conversation) -> None:
    """What one side notes as sent, the other notes as received, byte for byte and id for id."""
    _, client, server = watched(conversation)
    assert messages(client, sent=True) == messages(server, sent=False)
    assert messages(server, sent=True) == messages(client, sent=False)
    for one, other in ((client, server), (server, client)):
        ids = [
            [note.steps for note in notes if isinstance(note, MessageSeen) and note.sent is sent]
            for notes, sent in ((one, True), (other, False))
        ]
        assert ids[0] == ids[1]


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_both_observers_see_the_same_records_and_keys(conversation: Conversation) -> None:
    """RFC 9846 5: sizes, types and epochs are the same on both ends; dropped records alone are not noted."""

    def records(notes: list[Note], sent: bool) -> list[tuple[int, Epoch]]:
        return [
            (note.size, note.epoch)
            for note in notes
            if isinstance(note, RecordSeen)
            and note.sent is sent
            and note.content_type != ContentType.change_cipher_spec
        ]

    def keys(notes: list[Note], sent: bool) -> list[Epoch]:
        return [note.epoch for note in notes if isinstance(note, KeysChanged) and note.sent is sent]

    _, client, server = watched(conversation)
    assert records(client, True) == records(server, False)
    assert records(server, True) == records(client, False)
    assert keys(client, True) == keys(server, False) == [Epoch.HANDSHAKE, Epoch.APPLICATION]
    assert keys(server, True) == keys(client, False) == [Epoch.HANDSHAKE, Epoch.APPLICATION]


def test_every_check_of_the_mission_is_noted() -> None:
    """The ids of both phases of judging, each by the side that judges."""
    _, client, server = watched(CONVERSATIONS["mutual"])

    def proofs(notes: list[Note]) -> list[str]:
        return [note.step for note in notes if isinstance(note, Proved)]

    def verdicts(notes: list[Note]) -> list[str]:
        return [note.step for note in notes if isinstance(note, Judged)]

    assert proofs(client) == ["2.2", "4.2"] and verdicts(client) == ["2.3"]
    assert proofs(server) == ["3.4", "4.1"] and verdicts(server) == ["3.3"]
    steps = {each for note in client if isinstance(note, MessageSeen) for each in note.steps}
    assert steps >= {"1.1", "1.2", "2.1", "2.2", "2.4", "3.1", "3.2", "4.1", "4.2"}


def test_server_proves_nothing_of_an_anonymous_client() -> None:
    """No tick without a check."""
    _, _, server = watched(CONVERSATIONS["one-way"])
    assert [note.step for note in server if isinstance(note, Proved)] == ["4.1"]
    assert not [note for note in server if isinstance(note, Judged)]


def test_choices_are_noted_with_what_was_offered() -> None:
    """Offered, chosen, and by whom."""
    _, client, server = watched(CONVERSATIONS["mutual"])
    for notes in (client, server):
        chosen = {note.what: note for note in notes if isinstance(note, Chosen)}
        assert chosen["group"].chosen == "x25519" and "secp256r1" in chosen["group"].offered
        assert chosen["cipher suite"].chosen in chosen["cipher suite"].offered
        assert all(note.by == "server" for note in chosen.values())


def test_alerts_are_noted_by_both_sides() -> None:
    """RFC 9846 6: level, description and the keys that protect it."""
    talk, client, server = watched(CONVERSATIONS["mutual"])
    talk.client.close()
    talk.exchange()
    assert client[-1] == AlertSeen(True, 1, 0, Epoch.APPLICATION)
    assert server[-1] == AlertSeen(False, 1, 0, Epoch.APPLICATION)


# -- secrets -----------------------------------------------------------------------------------------------


def secrets_of(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Fill a set with every secret that a connection protects something with."""
    found: set[bytes] = set()
    make = Protection.__init__

    def watch(self: Protection, suite: Any, secret: bytes, *rest: Any) -> None:
        found.add(secret)
        make(self, suite, secret, *rest)
        found.add(self._iv.to_bytes(12, "big"))

    monkeypatch.setattr(Protection, "__init__", watch)
    return found


def spoken(value: object) -> str:
    """Whatever a note shows: its fields, bytes in hex, and how it and each field is printed."""
    texts = [repr(value), str(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts += [spoken(getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, bytes):
        texts.append(value.hex())
    elif isinstance(value, tuple):
        texts += map(spoken, value)
    return " ".join(texts)


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_notes_and_events_carry_no_secret(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither traffic secrets nor private keys are in anything that an observer gets."""
    secrets = secrets_of(monkeypatch)
    talk, client, server = watched(conversation)
    talk.client.update_keys(ask=True)
    talk.exchange()
    assert len(secrets) >= 10
    secrets |= {
        identity(name).key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())[36:68]
        for name in ("localhost", "client.example")
    }
    reported = " ".join(map(spoken, [*client, *server, *talk.client_events, *talk.server_events]))
    for secret in secrets:
        assert secret.hex() not in reported and repr(secret)[2:-1] not in reported


def test_nothing_prints_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """How connections, configs, credentials and keys are printed."""
    secrets = secrets_of(monkeypatch)
    talk, *_ = watched(CONVERSATIONS["mutual"])
    private = identity("localhost").key.private_numbers().private_value
    printed = [
        talk.client,
        machinery(talk.client),
        machinery(talk.client).out,
        machinery(talk.client).out.keys,
        machinery(talk.client).transcript,
        server_config().settings,
        client_config().settings,
        client_config(),
        server_config(),
        credentials("localhost"),
        Data(b"x"),
    ]
    text = " ".join(f"{each!r} {each!s}" for each in printed)
    for secret in secrets:
        assert secret.hex() not in text and repr(secret)[2:-1] not in text
    assert str(private) not in text and f"{private:x}" not in text


def test_event_is_a_value() -> None:
    """Events compare and cannot be changed."""
    assert Data(b"x") == Data(b"x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Data(b"x").data = b"y"  # type: ignore[misc]
    assert not dataclasses.is_dataclass(Connection)


def test_data_records_are_noted_by_both_sides() -> None:
    """Sizes and types of what follows the handshake, and never the data."""
    talk, client, server = watched(CONVERSATIONS["mutual"])
    before = len(client), len(server)
    talk.client.send(b"not for observers")
    talk.exchange()
    sent, seen = client[before[0] :], server[before[1] :]
    assert [type(note) for note in (*sent, *seen)] == [RecordSeen, RecordSeen]
    assert sent[0] == dataclasses.replace(seen[0], sent=True)  # type: ignore[type-var]
    assert b"not for observers".hex() not in spoken(seen[0]) and "not for observers" not in spoken(seen[0])
