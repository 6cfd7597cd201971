"""Somebody between the two of a handshake of TLS 1.2: every field altered, every byte, every flight lost.

RFC 5246 7.4.9: Finished is over all of it, so no handshake may come of it.
"""

from __future__ import annotations

import random

import pytest

from bothways import PeerFault
from bothways.roles import Role
from bothways.tls.record.protection import Plaintext
from tamper import altering
from tls.handshake.conversations import Conversation, Resumed
from tls.handshake.conversations12 import CONVERSATIONS, classic, conversation, deciphering, resumed, ticketed
from tls.handshake.tampering import (
    alter_every_field,
    ended_as_documented,
    every_bit,
    mutated,
    mutator,
    record_headers,
    sample_of_bits,
    turn_bits,
)

ALPN = {"alpn": ("h2", "http/1.1")}
TAMPERED = {
    each.name: each
    for each in (
        conversation("ECDHE, mutual, with ALPN", ALPN, ALPN),
        conversation("key transport, mutual", classic(), classic(credentials=deciphering())),
        conversation("ECDHE, mutual, with a ticket", *ticketed()),
        resumed("resumed", ALPN, ALPN),
    )
}
BOTH_KINDS = pytest.mark.parametrize("name", TAMPERED)


@BOTH_KINDS
def test_every_field_of_every_message_is_covered_by_finished(name: str, full: bool) -> None:
    """RFC 5246 7.4.9: who alters anything in flight is found out, by both sides."""
    assert alter_every_field(TAMPERED[name], full=full) > (100 if full else 30)


def is_unread(flight: bytes, number: int, place: int) -> bool:
    """The version of a record in the clear: RFC 5246 E.1 leaves a reader free to pass over it."""
    inside = record_headers(flight).get(place)
    if inside not in (1, 2) or (number, place) == (0, 1):
        return False
    # Behind ChangeCipherSpec all records are protected, and the version is under the tag.
    start = place - inside
    return b"\x14\x03\x03\0\1\1" not in flight[:start]


@BOTH_KINDS
def test_every_header_and_some_of_the_rest_is_covered(name: str) -> None:
    """RFC 5246 6.2.3.3, 7.4.9: no bit on the wire can be turned unnoticed, but for those without a meaning."""
    course = TAMPERED[name]
    aims = sample_of_bits(course, 20260602, 0.03)
    assert turn_bits(course, aims, is_unread, unread_passes=False) > 80


@pytest.mark.full
@BOTH_KINDS
def test_every_bit_on_the_wire_is_covered(name: str) -> None:
    """RFC 5246 6.2.3.3, 7.4.9: the same, for each of them."""
    course = TAMPERED[name]
    assert turn_bits(course, every_bit(course), is_unread, unread_passes=False) > 10_000


@pytest.mark.parametrize("course", CONVERSATIONS.values(), ids=str)
def test_flight_that_is_lost_leaves_who_waits_for_it_without_a_connection(course: Conversation) -> None:
    """RFC 5246 7.3: one Finished comes last, and only its loss leaves its sender established.

    In a resumed handshake that is the client, who then does not know yet whether it is accepted.
    """
    resumes = isinstance(course, Resumed)
    for lost in range(3 if resumes else 4):
        talk = course.pair()
        passed = 0

        def drop(data: bytes, lost: int = lost) -> bytes:
            nonlocal passed
            passed += 1
            return b"" if passed - 1 == lost else data

        talk.to_server = talk.to_client = drop
        talk.exchange()
        assert not talk.client.confirmed
        assert talk.client.established == (resumes and lost == 2)
        assert talk.server.established == (lost == 3)


@BOTH_KINDS
def test_byte_by_byte_gives_the_same_events(name: str) -> None:
    """RFC 5246 6.2.1: record boundaries, and what the network makes of them, have no meaning."""
    reported = []
    for piece in (2**20, 1, 7):
        talk = TAMPERED[name].pair()
        talk.client.send(b"queued")
        events: dict[str, list[str]] = {"client": [], "server": []}
        for turn in range(12):
            end, other = (talk.server, talk.client) if turn % 2 == 0 else (talk.client, talk.server)
            data = other.data_to_send()
            for at in range(0, len(data), piece):
                seen = end.receive(data[at : at + piece])
                events["server" if end is talk.server else "client"] += [type(each).__name__ for each in seen]
            if turn == 5:
                talk.server.send(b"x" * 40_000)
            if turn == 8:
                talk.client.close()
        assert talk.client.failure is None and talk.server.failure is None
        reported.append(events)
    assert reported[0] == reported[1] == reported[2]
    assert reported[0]["server"] == ["Established", "Data", "PeerClosed"]
    assert reported[0]["client"] == ["Established", "Data", "Data", "Data"]


@BOTH_KINDS
@pytest.mark.parametrize("size", [1, 5, 33])
def test_messages_in_fragments_of_any_size_are_read(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5246 6.2.1: a handshake message may be spread over any number of records."""
    whole = Plaintext.seal

    def in_bits(self: Plaintext, content_type: int, data: bytes, padding: int = 0) -> bytes:
        if content_type != 22:
            return whole(self, content_type, data, padding)
        parts = (bytes(data)[at : at + size] for at in range(0, len(data), size))
        return b"".join(whole(self, content_type, part) for part in parts)

    monkeypatch.setattr(Plaintext, "seal", in_bits)
    talk = TAMPERED[name].pair()
    talk.exchange()
    assert talk.client.established and talk.server.established


@BOTH_KINDS
@pytest.mark.parametrize("role", Role)
def test_mutated_messages_raise_nothing(name: str, role: Role, full: bool) -> None:
    """Whatever a peer says under the right keys, nothing but the documented errors comes of it."""
    refused = 0
    count = 4000 if full else 80
    for seed in range(count):
        chosen = random.Random(seed)
        with altering(role, mutator(seed % (6 if role is Role.SERVER else 5), chosen)):
            talk = TAMPERED[name].pair()
            talk.exchange()
        end = talk.server if role is Role.CLIENT else talk.client
        refused += isinstance(end.failure, PeerFault)
        ended_as_documented(talk, f"seed {seed}")
    assert refused > 0.3 * count


@BOTH_KINDS
def test_mutated_flights_raise_nothing(name: str, full: bool) -> None:
    """Nor of what the network makes of records."""
    for seed in range(4000 if full else 50):
        chosen = random.Random(seed)
        passed = 0

        def bad_line(data: bytes, chosen: random.Random = chosen, flight: int = seed % 4) -> bytes:
            nonlocal passed
            passed += 1
            return mutated(data, chosen) if passed - 1 == flight else data

        talk = TAMPERED[name].pair()
        talk.to_server = talk.to_client = bad_line
        talk.exchange()
        ended_as_documented(talk, f"seed {seed}")
