"""The matrix: at every step of every conversation, every message that may not come there is refused alike.

Each is well-formed, under the keys of its moment, and in the liar's transcript, so that nothing
else can be wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from bothways import Connection, Event, Fault, PeerFault, SignatureWanted
from bothways.iana import Alert, HandshakeType
from bothways.tls.crypto.signing import sign
from bothways.tls.events import Note
from bothways.tls.handshake.channel import Outbox
from bothways.tls.handshake.steps import LEGAL, Role, Step
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.tls13 import Finished
from tamper import Edit, Outgoing, assert_told, framed, lying
from tls.handshake.conversations import (
    CONVERSATIONS,
    EXAMPLES,
    RETRY_EXAMPLE,
    Conversation,
    external,
    identity,
)

# Types that have no form in TLS 1.3, with a body like their own, and some that nobody has assigned.
FORMLESS = {
    HandshakeType.hello_request: b"",
    HandshakeType.end_of_early_data: b"",
    HandshakeType.server_key_exchange: bytes(40),
    HandshakeType.server_hello_done: b"",
    HandshakeType.client_key_exchange: bytes(40),
    HandshakeType.certificate_url: bytes(40),
    HandshakeType.certificate_status: b"\x01\x00\x00\x01\x00",
    HandshakeType.compressed_certificate: bytes(8),
    HandshakeType.message_hash: bytes(32),
    3: bytes(4),
    99: b"",
    255: bytes(4),
}
ALL: dict[int, Message | bytes] = dict(EXAMPLES) | {
    code: framed(code, body) for code, body in FORMLESS.items()
}


@dataclass(frozen=True)
class Place:
    """Before the message with this number, at this step."""

    number: int
    step: Step


def places(conversation: Conversation, victim: Role) -> list[Place]:
    """Where `victim` stands before each message that it gets, and after the last."""
    found: list[Place] = []
    take = Connection._take_message

    def watched(connection: Connection, code: int, raw: bytes, events: list[Event]) -> None:
        if connection._hs.role is victim:
            found.append(Place(len(found), connection.step))
        take(connection, code, raw, events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_take_message", watched)
        talk = conversation.pair()
        talk.exchange()
    return [*found, Place(len(found), Step.CONNECTED)]


def sends_at(number: int, lie: Message | bytes) -> Edit:
    """An edit that sends `lie` in the place of the message with this number, and nothing after it."""
    sent = 0

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        nonlocal sent
        sent += 1
        if sent <= number:
            return (message,)
        return (lie,) if sent == number + 1 else ()

    return edit


def refuse(conversation: Conversation, victim: Role, place: Place, lie: Message | bytes) -> PeerFault:
    """Tell the lie at the place; return the victim's refusal, whose alert the liar has seen."""
    notes: list[Note] = []
    liar_notes = "server_notes" if victim is Role.CLIENT else "client_notes"
    with lying(victim.other, sends_at(place.number, lie)):
        talk = conversation.pair(**{liar_notes: notes})
        talk.exchange()
    end, liar = (talk.client, talk.server) if victim is Role.CLIENT else (talk.server, talk.client)
    if place.step is Step.CONNECTED:
        assert end.established
        say(liar._out, lie)
        talk.exchange()
    error = end.failure
    assert isinstance(error, PeerFault), f"{place}: {lie!r} was not refused: {error!r}, {liar.failure!r}"
    assert end.step is place.step, f"{place}: {lie!r} moved the step to {end.step}"
    assert_told(error, error.alert, notes, liar)
    return error


def say(out: Outbox, lie: Message | bytes) -> None:
    """Send a message that belongs to no transcript."""
    out._messages += lie if isinstance(lie, bytes) else encode_message(lie)
    out.flush()


def sweep(conversation: Conversation, victim: Role) -> int:
    told = 0
    for place in places(conversation, victim):
        law = LEGAL[victim][place.step]
        for code, lie in ALL.items():
            if code in law.accepts:
                continue
            error = refuse(conversation, victim, place, lie)
            assert error.fault is Fault.UNEXPECTED_MESSAGE, f"{place}, type {code}: {error}"
            assert error.alert == Alert.UNEXPECTED_MESSAGE
            assert error.state == place.step.name
            assert error.step == law.id
            for each in law.accepts:
                assert each.name in error.facts["expected"]
            told += 1
    return told


SAMPLE = ("one-way", "mutual", "anonymous by request", "mutual after a retry", "TLS 1.2 offered too")


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", SAMPLE)
def test_message_that_may_not_come_is_refused(name: str, victim: Role) -> None:
    """RFC 9846 4: a message out of order ends the handshake with unexpected_message."""
    assert sweep(CONVERSATIONS[name], victim) > 30


@pytest.mark.full
@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", sorted(set(CONVERSATIONS) - set(SAMPLE)))
def test_message_that_may_not_come_is_refused_in_every_conversation(name: str, victim: Role) -> None:
    """RFC 9846 4: the same in the conversations that differ in what they choose."""
    assert sweep(CONVERSATIONS[name], victim) > 30


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_sample_stands_at_every_step(name: str) -> None:
    """The steps that the sample leaves out of a conversation are those of another in the sample."""
    sampled = {
        (victim, place.step)
        for each in SAMPLE
        for victim in Role
        for place in places(CONVERSATIONS[each], victim)
    }
    here = {(victim, place.step) for victim in Role for place in places(CONVERSATIONS[name], victim)}
    assert here <= sampled
    waits = {(role, step) for role, table in LEGAL.items() for step, law in table.items() if law.accepts}
    assert sampled == waits


def test_retry_is_refused_where_no_server_hello_may_come() -> None:
    """RFC 9846 4.2.4: a HelloRetryRequest is a ServerHello to the table."""
    conversation = CONVERSATIONS["mutual"]
    for place in places(conversation, Role.CLIENT)[1:]:
        error = refuse(conversation, Role.CLIENT, place, RETRY_EXAMPLE)
        assert error.fault is Fault.UNEXPECTED_MESSAGE


def test_finished_twice_is_refused() -> None:
    """RFC 9846 4.5.3: a true Finished that comes again is as wrong as a false one."""
    for victim in Role:
        kept: list[bytes] = []

        def keep(message: Message, nth: int, kept: list[bytes] = kept) -> Iterable[Outgoing]:
            if isinstance(message, Finished):
                kept.append(encode_message(message))
            return (message,)

        with lying(victim.other, keep):
            talk = CONVERSATIONS["mutual"].pair()
            talk.exchange()
        end, liar = (talk.client, talk.server) if victim is Role.CLIENT else (talk.server, talk.client)
        say(liar._out, kept[0])
        talk.exchange()
        assert isinstance(end.failure, PeerFault)
        assert end.failure.fault is Fault.UNEXPECTED_MESSAGE


def test_message_that_comes_while_a_signature_is_awaited_is_judged_by_the_step_after_it() -> None:
    """Nothing is opened at SIGNING, so the message waits for the step that follows."""
    talk = CONVERSATIONS["mutual"].pair(server={"credentials": external("localhost")})
    (request,) = talk.server.receive(talk.client.data_to_send())
    assert isinstance(request, SignatureWanted)
    talk.client.receive(talk.server.data_to_send())
    say(talk.client._out, EXAMPLES[HandshakeType.finished])
    assert talk.server.receive(talk.client.data_to_send()) == []
    assert talk.server.step is Step.SIGNING
    talk.server.provide(request, sign(request.scheme, identity("localhost").key, request.data))
    assert isinstance(talk.server.failure, PeerFault)
    assert talk.server.failure.fault is Fault.UNEXPECTED_MESSAGE
    assert talk.server.failure.state == "WAIT_CERT"
