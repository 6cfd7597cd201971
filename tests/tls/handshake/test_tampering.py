"""Somebody between the two: every field of every message altered in flight, and bits of every record turned.

The two transcripts, or the two keys, differ from there on, so no handshake may come of it. What may be
altered unnoticed is listed with the reason.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from bothways import Fault, PeerAlert, PeerFault
from bothways.roles import Role
from bothways.tls.events import Epoch, MessageSeen, Note
from bothways.tls.wire.flight import Message
from pair import pair, received
from tamper import altering
from tls.handshake.conversations import (
    CONVERSATIONS,
    Asked,
    Conversation,
    Resumed,
    client_config,
    server_config,
)
from tls.handshake.tampering import (
    alter_every_field,
    every_bit,
    lie,
    record_headers,
    sample_of_bits,
    sent_by,
    turn_bits,
)

ALPN = {"alpn": ("h2", "http/1.1")}
CONVERSATION = Conversation(
    "mutual after a retry, with ALPN", ALPN, {"groups": ("secp256r1", "x25519")} | ALPN
)

# -- fields, by the codec tables -------------------------------------------------------------------------


def test_every_field_of_every_message_is_covered_by_the_proofs(full: bool) -> None:
    """RFC 9846 4.1, 4.5.2, 4.5.3: who alters anything in flight is found out, by both sides."""
    assert [len(sent_by(role, CONVERSATION)) for role in (Role.CLIENT, Role.SERVER)] == [5, 7]
    assert alter_every_field(CONVERSATION, full=full) > (250 if full else 50)


# -- well-formed lies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", [("1.3",), ("1.3", "1.2")], ids="+".join)
@pytest.mark.parametrize("role", Role)
def test_well_formed_lies_are_refused_or_borne_and_never_a_defect(
    role: Role, versions: tuple[str, ...], full: bool
) -> None:
    """The liar's transcript and keys follow, so each lie is met by the check that it is meant for."""
    refusals = Counter[str]()
    for seed in range(8000 if full else 130):
        chosen = random.Random(seed)
        target = chosen.randrange(7)
        sent = 0

        def edit(
            message: Message, nth: int, chosen: random.Random = chosen, target: int = target
        ) -> Iterable[Any]:
            nonlocal sent
            sent += 1
            return (lie(message, chosen) if sent - 1 == target else message,)

        with altering(role, edit):
            talk = CONVERSATION.pair({"versions": versions}, {"versions": versions})
            talk.exchange()
        for end in (talk.client, talk.server):
            error = end.failure
            assert error is None or isinstance(error, PeerFault | PeerAlert), f"seed {seed}: {error!r}"
            if isinstance(error, PeerFault):
                refusals[error.fault.name] += 1
    assert len(refusals) > 8, "the lies are too much alike"


# -- bytes, on the wire ----------------------------------------------------------------------------------


def is_unread(flight: bytes, number: int, place: int) -> bool:
    """The version of a record in the clear (RFC 9846 5.1): of the very first its upper half tells TLS from others."""
    inside = record_headers(flight).get(place)
    return inside in (1, 2) and flight[place - inside] != 23 and (number, place) != (0, 1)


def test_every_header_and_some_of_the_rest_is_covered() -> None:
    """RFC 9846 5.2: no bit on the wire can be turned unnoticed, but for those without a meaning."""
    aims = sample_of_bits(CONVERSATION, 20260601, 0.03, clear=0.25)
    assert turn_bits(CONVERSATION, aims, is_unread, unread_passes=True) > 250


@pytest.mark.full
def test_every_bit_on_the_wire_is_covered() -> None:
    """RFC 9846 5.2: the same, for each of them."""
    assert turn_bits(CONVERSATION, every_bit(CONVERSATION), is_unread, unread_passes=True) > 10_000


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_lost_flight_leaves_neither_side_established(conversation: Conversation) -> None:
    """RFC 9846 6.1: without the peer's Finished there is no connection, whoever drops what.

    A ticket, which comes when both have it, is lost without harm; a request for a certificate and its answer come
    afterwards, too.
    """
    count = len(_flights_of(conversation)) - (
        "tickets" in conversation.server or isinstance(conversation, Resumed)
    )
    if isinstance(conversation, Asked):
        count -= 2
    for lost in range(count):
        talk = conversation.pair()
        passed = 0

        def drop(data: bytes, lost: int = lost) -> bytes:
            nonlocal passed
            passed += 1
            return b"" if passed - 1 == lost else data

        talk.to_server = talk.to_client = drop
        talk.exchange()
        assert not talk.server.established
        last_is_lost = lost == count - 1
        assert talk.client.established == last_is_lost, "only the client's last flight may be lost unseen"
        assert not talk.client.confirmed


def _flights_of(conversation: Conversation) -> list[bytes]:
    seen: list[bytes] = []

    def keep(data: bytes) -> bytes:
        seen.append(data)
        return data

    talk = conversation.pair()
    talk.to_server = talk.to_client = keep
    talk.exchange()
    return seen


def test_records_swapped_or_repeated_are_refused() -> None:
    """RFC 9846 5.3: a record opens at its own place alone."""

    def records(flight: bytes) -> list[bytes]:
        starts = sorted(at for at, inside in record_headers(flight).items() if inside == 0)
        return [flight[a:b] for a, b in zip(starts, [*starts[1:], len(flight)], strict=True)]

    for change in (
        lambda those: [those[1], those[0], *those[2:]],
        lambda those: [those[0], *those],
        lambda those: those[1:],
    ):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
        talk.client.send(b"first")
        for _ in range(2):
            talk.client.send(b"next")
        talk.server.receive(b"".join(change(records(talk.client.data_to_send()))))
        assert isinstance(talk.server.failure, PeerFault)
        assert talk.server.failure.fault.name == "BAD_RECORD"


def test_message_goes_out_under_the_keys_of_its_place() -> None:
    """RFC 9846 A: handshake not encrypted, the rest of the handshake under its own keys."""
    for role in Role:
        notes: list[Note] = []
        CONVERSATION.pair(**{f"{role.value}_notes": notes}).exchange()
        for note in notes:
            if isinstance(note, MessageSeen):
                clear = type(note.message).__name__ in ("ClientHello", "ServerHello")
                assert note.epoch is (Epoch.PLAINTEXT if clear else Epoch.HANDSHAKE)


# -- bytes of elsewhere ----------------------------------------------------------------------------------


def test_own_messages_that_are_reflected_are_refused() -> None:
    """RFC 9846 C.4 (Selfie): what one side says is never what it expects to hear."""
    talk = CONVERSATIONS["mutual"].pair()
    hello = talk.client.data_to_send()
    talk.client.receive(hello)
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNEXPECTED_MESSAGE
    talk.server.receive(hello)
    talk.server.receive(talk.server.data_to_send())
    assert isinstance(talk.server.failure, PeerFault)
    for side in ("client", "server"):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
        end = getattr(talk, side)
        end.send(b"to you")
        end.receive(end.data_to_send())
        assert isinstance(end.failure, PeerFault) and end.failure.fault is Fault.BAD_RECORD


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_flights_of_another_connection_are_refused(conversation: Conversation) -> None:
    """RFC 9846 E.1: every flight is bound to the hellos of its own connection, so none can be replayed."""
    recorded = _flights_of(conversation)
    to_server, to_client = recorded[::2], recorded[1::2]
    server = conversation.pair().server
    for flight in to_server:
        server.receive(flight)
    assert not server.established and isinstance(server.failure, PeerFault)
    client = conversation.pair().client
    for flight in to_client:
        client.receive(flight)
    assert not client.established and isinstance(client.failure, PeerFault)


def test_connections_of_one_config_know_nothing_of_each_other() -> None:
    """Configs are shared; what one connection meets does not touch another."""
    client, server = client_config(), server_config()
    talks = [pair(client, server) for _ in range(4)]
    for talk in talks:
        talk.server_events += talk.server.receive(talk.client.data_to_send())
    talks[1].server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    talks[2].client.close()
    for talk in reversed(talks):
        talk.exchange()
    assert [talk.client.established for talk in talks] == [True, False, False, True]
    assert [talk.server.established for talk in talks] == [True, False, False, True]
    talks[0].client.send(b"for the first")
    talks[3].client.send(b"for the last")
    for talk in talks:
        talk.exchange()
    assert [received(talk.server_events) for talk in talks] == [b"for the first", b"", b"", b"for the last"]
