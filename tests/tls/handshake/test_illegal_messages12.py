"""The matrix for TLS 1.2: at every step, every message and every ChangeCipherSpec that may not come there."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bothways import Fault, PeerFault
from bothways.iana import Alert, ContentType, HandshakeType
from bothways.roles import Role
from bothways.tls.handshake.message_io import CHANGE_CIPHER_SPEC
from bothways.tls.handshake.steps import LEGAL12, Step
from bothways.tls.wire.flight import Message
from bothways.tls.wire.tls12 import ServerHelloDone
from tamper import Outgoing, altering, before, behind, framed, sealed, wire
from tls.handshake.conversations import Resumed
from tls.handshake.conversations12 import CONVERSATIONS, EXAMPLES
from tls.handshake.illegal import finished_again, illegal_messages, places, refuse, steps, sweep

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
ALL = illegal_messages(EXAMPLES, FORMLESS)
CLASSIC_STAPLED = "key transport, stapled"

ISSUING_OR_NOT = ["one-way", "mutual", "anonymous by request", "key transport", "mutual, with a ticket"]

# RFC 5246 7.4.1.1: a client that is negotiating already ignores a HelloRequest.
PASSED_OVER = {
    Role.CLIENT: {(HandshakeType.hello_request, step) for step in Step if step is not Step.WAIT_SH},
    Role.SERVER: set[tuple[int, Step]](),
}


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", ISSUING_OR_NOT)
def test_message_that_may_not_come_is_refused(name: str, victim: Role) -> None:
    """RFC 5246 7.4: a message out of order is fatal, with unexpected_message."""
    assert sweep(CONVERSATIONS[name], victim, ALL, PASSED_OVER[victim]) > 75


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", ["resumed", "resumed by ID"])
def test_message_that_may_not_come_in_a_resumed_handshake_is_refused(name: str, victim: Role) -> None:
    """RFC 5246 figure 2, RFC 5077 figure 2: above all no Certificate, and nothing in the place of Finished."""
    assert sweep(CONVERSATIONS[name], victim, ALL, PASSED_OVER[victim]) > 40


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_change_cipher_spec_comes_at_its_place_alone(name: str, victim: Role) -> None:
    """RFC 5246 7.1: before there are keys it would have records opened under none, or under others."""
    reported = 0
    for place in places(CONVERSATIONS[name], victim):
        if place.rule.accepts_change:
            continue
        for illegal in (wire(CHANGE_CIPHER_SPEC), sealed(ContentType.change_cipher_spec, b"\1")):
            error = refuse(CONVERSATIONS[name], victim, place, illegal)
            protected = place.step in (Step.WAIT_SERVER_FINISHED, Step.WAIT_CLIENT_FINISHED, Step.CONNECTED)
            if protected and error.fault is Fault.BAD_RECORD:
                continue
            assert error.alert == Alert.UNEXPECTED_MESSAGE, f"{place}: {error}"
            assert error.fault in (Fault.UNEXPECTED_MESSAGE, Fault.BAD_CHANGE_CIPHER_SPEC)
            reported += 1
    assert reported >= (4 if isinstance(CONVERSATIONS[name], Resumed) else 6)


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("body", [b"", b"\0", b"\2", b"\1\1"])
def test_change_cipher_spec_is_the_byte_one(victim: Role, body: bytes) -> None:
    """RFC 5246 7.1: even where it is awaited, nothing else will do."""
    for place in places(CONVERSATIONS["mutual"], victim):
        if place.rule.accepts_change:
            illegal = wire(b"\x14\x03\x03" + len(body).to_bytes(2, "big") + body)
            error = refuse(CONVERSATIONS["mutual"], victim, place, illegal)
            assert error.fault in (Fault.BAD_CHANGE_CIPHER_SPEC, Fault.EMPTY_FRAGMENT)
            assert error.step == place.rule.id


@pytest.mark.parametrize("victim", Role)
def test_data_before_both_are_done_is_refused(victim: Role) -> None:
    """RFC 5246 7.3: no application data before the handshake is complete, in the clear or under keys."""
    reported = 0
    for place in places(CONVERSATIONS["mutual"], victim)[:-1]:
        for content in (b"early", b""):
            error = refuse(CONVERSATIONS["mutual"], victim, place, sealed(23, content))
            assert error.alert in (Alert.UNEXPECTED_MESSAGE, Alert.BAD_RECORD_MAC), f"{place}: {error}"
            reported += 1
    assert reported >= 12


def test_matrix_of_illegal_messages_covers_every_step() -> None:
    """The conversations of the matrix come by every step at which anything is awaited."""
    names = (
        "one-way", "mutual", "anonymous by request", "key transport", "stapled", CLASSIC_STAPLED,
        "mutual, with a ticket",
    )  # fmt: skip
    waits = {
        (role, step)
        for role, table in LEGAL12.items()
        for step, rule in table.items()
        if rule.accepts or rule.accepts_change
    }
    assert set[tuple[Role, Step]]().union(*(steps(CONVERSATIONS[name]) for name in names)) == waits


@pytest.mark.parametrize("victim", Role)
def test_finished_twice_is_refused(victim: Role) -> None:
    """RFC 5246 7.4.9: a true Finished that comes again is as wrong as a false one."""
    assert finished_again(CONVERSATIONS["mutual"], victim).fault is Fault.UNEXPECTED_MESSAGE


def test_hello_request_in_the_handshake_is_passed_over() -> None:
    """RFC 5246 7.4.1.1: it may come at any time, is ignored, and belongs to no transcript."""
    conversation = CONVERSATIONS["mutual"]
    request = framed(0)

    def asking(message: Message, nth: int) -> Iterable[Outgoing]:
        return (message, behind(request))

    with altering(Role.SERVER, asking):
        talk = conversation.pair()
        talk.exchange()
    assert talk.client.established and talk.server.established


def test_hello_request_in_the_handshake_that_is_none_is_refused() -> None:
    """RFC 5246 7.4.1.1: it is empty, whether it is passed over or not."""
    with altering(Role.SERVER, before(ServerHelloDone, wire(b"\x16\x03\x03\0\6" + framed(0, b"no")))):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNDECODABLE
