"""Sends every type of message at every step of a receiver (the victim).

An illegal message is well-formed, protected by the current keys and in the sender's transcript, so that nothing else is
wrong with it. A ChangeCipherSpec of TLS 1.2 counts as a message, since it is awaited there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pytest

from bothways import Connection, Fault, PeerFault
from bothways.iana import Alert
from bothways.roles import Role, Version
from bothways.tls.events import Note
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.message_io import Outbox
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import ChangeCipherSpec
from bothways.tls.handshake.steps import Step, StepRule, rules_of
from bothways.tls.incoming import Incoming
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.tls13 import Finished
from inside import machinery
from pair import Pair
from tamper import Act, Outgoing, altering, assert_reported, framed, send_altered
from tls.handshake.conversations import Conversation

Illegal = Message | bytes | Act


class Place:
    """Before the message or ChangeCipherSpec with this number, at this step, under this rule."""

    def __init__(self, number: int, step: Step, rule: StepRule) -> None:
        self.number, self.step, self.rule = number, step, rule

    def __repr__(self) -> str:
        return f"{self.step.name} ({self.number})"


def illegal_messages(
    examples: Mapping[int, Message | bytes], formless: Mapping[int, bytes]
) -> dict[int, Message | bytes]:
    """One message of every type: those that have a form, and the bodies of those that have none."""
    return dict(examples) | {code: framed(code, body) for code, body in formless.items()}


def ends(talk: Pair, victim: Role) -> tuple[Connection, Connection]:
    """The victim's end, and the sender's."""
    return (talk.client, talk.server) if victim is Role.CLIENT else (talk.server, talk.client)


def places(conversation: Conversation, victim: Role) -> list[Place]:
    """Where `victim` stands before each thing that it gets, and after the last."""
    found: list[Place] = []
    take, change = Incoming.message, Incoming.change

    def watched(incoming: Incoming, code: int, raw: bytes) -> Message | None:
        note(incoming.position)
        return take(incoming, code, raw)

    def changed(incoming: Incoming) -> ChangeCipherSpec:
        note(incoming.position)
        return change(incoming)

    def note(position: Position) -> None:
        if position.role is victim:
            found.append(Place(len(found), position.step, position.rule))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Incoming, "message", watched)
        patch.setattr(Incoming, "change", changed)
        talk = conversation.pair()
        talk.exchange()
    end, _ = ends(talk, victim)
    assert end.established
    return [*found, Place(len(found), end.step, rules_of(victim, machinery(end).out.version)[end.step])]


def steps(conversation: Conversation) -> set[tuple[Role, Step]]:
    """Where either side stands in a conversation."""
    return {(victim, place.step) for victim in Role for place in places(conversation, victim)}


class Sender:
    """Sends `message` in place of its message with this number, and nothing after it."""

    def __init__(self, role: Role, number: int, message: Illegal) -> None:
        self._role, self._number, self._message = role, number, message
        self._count = 0

    def message(self, message: Message, nth: int) -> Iterable[Outgoing]:
        return self._next(message)

    def change(self, hs: HandshakeContext, unaltered: Act) -> None:
        for each in self._next(unaltered):
            if callable(each):
                each(hs)
            else:
                send_altered(hs, each)

    def changes_keys(self, out: Outbox) -> bool:
        """Whether keys still change: after the illegal message the sender would fail by itself."""
        return out.role is not self._role or self._count <= self._number

    def _next(self, unaltered: Outgoing) -> Iterable[Outgoing]:
        self._count += 1
        if self._count <= self._number:
            return (unaltered,)
        return (self._message,) if self._count == self._number + 1 else ()


def refuse(conversation: Conversation, victim: Role, place: Place, message: Illegal) -> PeerFault:
    """Send the message at the place; return the victim's refusal, whose alert the sender has received."""
    notes: list[Note] = []
    sender = Sender(victim.other, place.number, message)
    change, keys = Outbox.change_cipher_spec, Outbox.change_keys

    def change_keys(out: Outbox, *rest: object) -> None:
        if sender.changes_keys(out):
            keys(out, *rest)

    def change_cipher_spec(out: Outbox) -> None:
        if out is not altered_end.out or out.version is Version.TLS13:
            change(out)
        else:
            sender.change(altered_end, lambda hs: change(hs.out))

    with altering(victim.other, sender.message), pytest.MonkeyPatch.context() as patch:
        talk = conversation.pair(**{f"{victim.other.value}_notes": notes})
        end, other = ends(talk, victim)
        altered_end = machinery(other)
        patch.setattr(Outbox, "change_cipher_spec", change_cipher_spec)
        patch.setattr(Outbox, "change_keys", change_keys)
        talk.exchange()
    if place.step is Step.CONNECTED and end.failure is None:  # behind the last message
        assert end.established
        send_illegal(machinery(other), message)
        talk.exchange()
    error = end.failure
    assert isinstance(error, PeerFault), f"{place}: {message!r} was not refused: {error!r}, {other.failure!r}"
    assert end.step is place.step, f"{place}: {message!r} moved the step to {end.step}"
    assert_reported(error, error.alert, notes, other)
    return error


def send_illegal(hs: HandshakeContext, message: Illegal) -> None:
    """Send what belongs to no transcript."""
    if callable(message):
        message(hs)
    else:
        send_altered(hs, message, in_transcript=False)
        hs.out.flush()


def sweep(
    conversation: Conversation,
    victim: Role,
    every: Mapping[int, Message | bytes],
    passed_over: Collection[tuple[int, Step]] = (),
) -> int:
    """Send every message at every place where it is illegal; return how many were sent.

    passed_over: types of messages that are ignored at a step.
    """
    count = 0
    for place in places(conversation, victim):
        for code, message in every.items():
            if code in place.rule.accepts or (code, place.step) in passed_over:
                continue
            error = refuse(conversation, victim, place, message)
            assert error.fault is Fault.UNEXPECTED_MESSAGE, f"{place}, type {code}: {error}"
            assert error.alert == Alert.UNEXPECTED_MESSAGE
            assert error.state == place.step.name
            assert error.step == place.rule.id
            assert error.facts["expected"] == place.rule.expected
            count += 1
    return count


def finished_again(conversation: Conversation, victim: Role) -> PeerFault:
    """Send the sender's valid Finished a second time; return the refusal."""
    kept: list[bytes] = []

    def keep(message: Message, nth: int) -> Iterable[Outgoing]:
        if isinstance(message, Finished):
            kept.append(encode_message(message))
        return (message,)

    with altering(victim.other, keep):
        talk = conversation.pair()
        talk.exchange()
    end, other = ends(talk, victim)
    assert end.established
    send_illegal(machinery(other), kept[0])
    talk.exchange()
    assert isinstance(end.failure, PeerFault)
    return end.failure
