"""The matrix for TLS 1.2: at every step, every message and every ChangeCipherSpec that may not come there.

Each is well-formed, under the keys of its moment, and in the liar's transcript, so that nothing else can be
wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bothways import Connection, Event, Fault, PeerFault
from bothways.iana import Alert, ContentType, HandshakeType
from bothways.tls.events import Note
from bothways.tls.handshake.channel import CHANGE_CIPHER_SPEC, Outbox
from bothways.tls.handshake.steps import LEGAL12, Law, Role, Step, law_of
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.tls12 import ServerHelloDone
from bothways.tls.wire.tls13 import Finished
from tamper import Act, Edit, Outgoing, assert_told, before, framed, lying
from tls.handshake.conversations import Conversation
from tls.handshake.conversations12 import CONVERSATIONS, EXAMPLES
from tls.handshake.test_faults_of_records import sealed, wire

# Types that have no form in TLS 1.2 or are not spoken, with a body like their own, and some unassigned.
FORMLESS = {
    HandshakeType.end_of_early_data: b"",
    HandshakeType.encrypted_extensions: b"\0\0",
    HandshakeType.certificate_url: bytes(40),
    HandshakeType.certificate_status: b"\x01\x00\x00\x01\x00",
    HandshakeType.compressed_certificate: bytes(8),
    HandshakeType.key_update: b"\0",
    HandshakeType.message_hash: bytes(32),
    3: bytes(4),
    99: b"",
    255: bytes(4),
}
CLASSIC_STAPLED = "key transport, stapled"
ALL: dict[int, Message | bytes] = dict(EXAMPLES) | {
    code: framed(code, body) for code, body in FORMLESS.items()
}


class Place:
    """Before the message or ChangeCipherSpec with this number, at this step, under this law."""

    def __init__(self, number: int, connection: Connection) -> None:
        self.number = number
        self.step = connection.step
        self.law: Law = law_of(connection._hs.role, connection.step, connection._hs.version)

    def __repr__(self) -> str:
        return f"{self.step.name} ({self.number})"


def places(conversation: Conversation, victim: Role) -> list[Place]:
    """Where `victim` stands before each thing that it gets, and after the last."""
    found: list[Place] = []
    take, change = Connection._take_message, Connection._take_change

    def watched(connection: Connection, code: int, raw: bytes, events: list[Event]) -> None:
        note(connection)
        take(connection, code, raw, events)

    def changed(connection: Connection, events: list[Event]) -> None:
        note(connection)
        change(connection, events)

    def note(connection: Connection) -> None:
        if connection._hs.role is victim:
            found.append(Place(len(found), connection))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_take_message", watched)
        patch.setattr(Connection, "_take_change", changed)
        talk = conversation.pair()
        talk.exchange()
    end = talk.client if victim is Role.CLIENT else talk.server
    assert end.established
    return [*found, Place(len(found), end)]


class Liar:
    """Says `lie` in the place of what it would send with this number, a ChangeCipherSpec counted too."""

    def __init__(self, role: Role, number: int, lie: Message | bytes | Act) -> None:
        self._role, self._number, self._lie = role, number, lie
        self._count = 0

    def message(self, message: Message, nth: int) -> Iterable[Outgoing]:
        return self._next(message)

    def _next(self, honest: Outgoing) -> Iterable[Outgoing]:
        self._count += 1
        if self._count <= self._number:
            return (honest,)
        return (self._lie,) if self._count == self._number + 1 else ()

    def change(self, out: Outbox, honest: Act) -> None:
        for each in self._next(honest):
            if callable(each):
                each(out)
            else:
                raw = each if isinstance(each, bytes) else encode_message(each)
                out._messages += raw
                out._transcript.add(raw)


def refuse(conversation: Conversation, victim: Role, place: Place, lie: Message | bytes | Act) -> PeerFault:
    """Tell the lie at the place; return the victim's refusal, whose alert the liar has seen."""
    notes: list[Note] = []
    liar_role = victim.other
    liar = Liar(liar_role, place.number, lie)
    change, keys = Outbox.change_cipher_spec, Outbox.change_keys

    def change_cipher_spec(out: Outbox) -> None:
        if out._role is not liar_role:
            change(out)
        else:
            liar.change(out, change)

    def change_keys(out: Outbox, *rest: object) -> None:
        if out._role is not liar_role or liar._count <= liar._number:
            keys(out, *rest)

    edit: Edit = liar.message
    with lying(liar_role, edit), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "change_cipher_spec", change_cipher_spec)
        patch.setattr(Outbox, "change_keys", change_keys)
        talk = conversation.pair(**{f"{liar_role.value}_notes": notes})
        talk.exchange()
    end, other = (talk.client, talk.server) if victim is Role.CLIENT else (talk.server, talk.client)
    if place.step is Step.CONNECTED:
        assert end.established
        say(other._out, lie)
        talk.exchange()
    error = end.failure
    assert isinstance(error, PeerFault), f"{place}: {lie!r} was not refused: {error!r}, {other.failure!r}"
    assert end.step is place.step, f"{place}: {lie!r} moved the step to {end.step}"
    assert_told(error, error.alert, notes, other)
    return error


def say(out: Outbox, lie: Message | bytes | Act) -> None:
    """Send what belongs to no transcript."""
    if callable(lie):
        lie(out)
    else:
        out._messages += lie if isinstance(lie, bytes) else encode_message(lie)
        out.flush()


def is_passed_over(victim: Role, place: Place, code: int) -> bool:
    """RFC 5246 7.4.1.1: a client that is negotiating already ignores a HelloRequest."""
    return code == HandshakeType.hello_request and victim is Role.CLIENT and place.step is not Step.WAIT_SH


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", ["one-way", "mutual", "anonymous by request", "key transport"])
def test_message_that_may_not_come_is_refused(name: str, victim: Role) -> None:
    """RFC 5246 7.4: a message out of order is fatal, with unexpected_message."""
    conversation = CONVERSATIONS[name]
    told = 0
    for place in places(conversation, victim):
        for code, lie in ALL.items():
            if code in place.law.accepts or is_passed_over(victim, place, code):
                continue
            error = refuse(conversation, victim, place, lie)
            assert error.fault is Fault.UNEXPECTED_MESSAGE, f"{place}, type {code}: {error}"
            assert error.alert == Alert.UNEXPECTED_MESSAGE
            assert error.state == place.step.name
            assert error.step == place.law.id
            assert error.facts["expected"] == place.law.expected
            told += 1
    assert told > 75


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_change_cipher_spec_comes_at_its_place_alone(name: str, victim: Role) -> None:
    """RFC 5246 7.1: before there are keys it would have records opened under none, or under others."""
    told = 0
    for place in places(CONVERSATIONS[name], victim):
        if place.law.accepts_change:
            continue
        for lie in (wire(CHANGE_CIPHER_SPEC), sealed(ContentType.change_cipher_spec, b"\1")):
            error = refuse(CONVERSATIONS[name], victim, place, lie)
            protected = place.step in (Step.WAIT_SERVER_FINISHED, Step.WAIT_CLIENT_FINISHED, Step.CONNECTED)
            if protected and error.fault is Fault.BAD_RECORD:
                continue
            assert error.alert == Alert.UNEXPECTED_MESSAGE, f"{place}: {error}"
            assert error.fault in (Fault.UNEXPECTED_MESSAGE, Fault.BAD_CHANGE_CIPHER_SPEC)
            told += 1
    assert told >= 6


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("body", [b"", b"\0", b"\2", b"\1\1"])
def test_change_cipher_spec_is_the_byte_one(victim: Role, body: bytes) -> None:
    """RFC 5246 7.1: even where it is awaited, nothing else will do."""
    for place in places(CONVERSATIONS["mutual"], victim):
        if place.law.accepts_change:
            lie = wire(b"\x14\x03\x03" + len(body).to_bytes(2, "big") + body)
            error = refuse(CONVERSATIONS["mutual"], victim, place, lie)
            assert error.fault in (Fault.BAD_CHANGE_CIPHER_SPEC, Fault.EMPTY_FRAGMENT)
            assert error.step == place.law.id


@pytest.mark.parametrize("victim", Role)
def test_data_before_both_are_done_is_refused(victim: Role) -> None:
    """RFC 5246 7.3: no application data before the handshake is complete, in the clear or under keys."""
    told = 0
    for place in places(CONVERSATIONS["mutual"], victim)[:-1]:
        for content in (b"early", b""):
            error = refuse(CONVERSATIONS["mutual"], victim, place, sealed(23, content))
            assert error.alert in (Alert.UNEXPECTED_MESSAGE, Alert.BAD_RECORD_MAC), f"{place}: {error}"
            told += 1
    assert told >= 12


def test_matrix_stands_at_every_step() -> None:
    """The conversations of the matrix come by every step at which anything is awaited."""
    stood = {
        (victim, place.step)
        for name in ("one-way", "mutual", "anonymous by request", "key transport", "stapled", CLASSIC_STAPLED)
        for victim in Role
        for place in places(CONVERSATIONS[name], victim)
    }
    waits = {
        (role, step)
        for role, table in LEGAL12.items()
        for step, law in table.items()
        if law.accepts or law.accepts_change
    }
    assert stood == waits


@pytest.mark.parametrize("victim", Role)
def test_finished_twice_is_refused(victim: Role) -> None:
    """RFC 5246 7.4.9: a true Finished that comes again is as wrong as a false one."""
    kept: list[bytes] = []

    def keep(message: Message, nth: int) -> Iterable[Outgoing]:
        if isinstance(message, Finished):
            kept.append(encode_message(message))
        return (message,)

    with lying(victim.other, keep):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    end, other = (talk.client, talk.server) if victim is Role.CLIENT else (talk.server, talk.client)
    say(other._out, kept[0])
    talk.exchange()
    assert isinstance(end.failure, PeerFault)
    assert end.failure.fault is Fault.UNEXPECTED_MESSAGE


def test_hello_request_in_the_handshake_is_passed_over() -> None:
    """RFC 5246 7.4.1.1: it may come at any time, is ignored, and belongs to no transcript."""
    conversation = CONVERSATIONS["mutual"]
    request = framed(0)

    def behind(message: Message, nth: int) -> Iterable[Outgoing]:
        def asks(out: Outbox) -> None:
            out._messages += request

        return (message, asks)

    with lying(Role.SERVER, behind):
        talk = conversation.pair()
        talk.exchange()
    assert talk.client.established and talk.server.established


def test_hello_request_in_the_handshake_that_is_none_is_refused() -> None:
    """RFC 5246 7.4.1.1: it is empty, whether it is passed over or not."""
    with lying(Role.SERVER, before(ServerHelloDone, wire(b"\x16\x03\x03\0\6" + framed(0, b"no")))):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNDECODABLE
