"""The matrix: at every step of every conversation, every message that may not come there is refused alike."""

from __future__ import annotations

import pytest

from bothways import Fault, PeerFault, SignatureWanted
from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.crypto.signing import sign
from bothways.tls.handshake.steps import LEGAL, Step
from inside import machinery
from tls.handshake.conversations import CONVERSATIONS, EXAMPLES, RETRY_EXAMPLE, external, identity
from tls.handshake.illegal import finished_again, illegal_messages, places, refuse, send_illegal, steps, sweep

# Types that have no form in TLS 1.3, with a body like their own, and some that nobody has assigned.
FORMLESS = {
    HandshakeType.hello_request: b"",
    HandshakeType.end_of_early_data: b"",
    HandshakeType.server_key_exchange: bytes(40),
    HandshakeType.server_hello_done: b"",
    HandshakeType.client_key_exchange: bytes(40),
    HandshakeType.certificate_url: bytes(40),
    HandshakeType.certificate_status: b"\x01\x00\x00\x01\x00",
    HandshakeType.message_hash: bytes(32),
    3: bytes(4),
    99: b"",
    255: bytes(4),
}
ALL = illegal_messages(EXAMPLES, FORMLESS)
SAMPLE = (
    "one-way",
    "mutual",
    "anonymous by request",
    "mutual after a retry",
    "TLS 1.2 offered too",
    "mutual, asked later",
)


@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", SAMPLE)
def test_message_that_may_not_come_is_refused(name: str, victim: Role) -> None:
    """RFC 9846 4: a message out of order ends the handshake with unexpected_message."""
    assert sweep(CONVERSATIONS[name], victim, ALL) > 30


@pytest.mark.full
@pytest.mark.parametrize("victim", Role)
@pytest.mark.parametrize("name", sorted(set(CONVERSATIONS) - set(SAMPLE)))
def test_message_that_may_not_come_is_refused_in_every_conversation(name: str, victim: Role) -> None:
    """RFC 9846 4: the same in the conversations that differ in what they choose."""
    assert sweep(CONVERSATIONS[name], victim, ALL) > 30


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_sample_of_illegal_messages_covers_every_step(name: str) -> None:
    """The steps that the sample leaves out of a conversation are those of another in the sample."""
    sampled = set[tuple[Role, Step]]().union(*(steps(CONVERSATIONS[each]) for each in SAMPLE))
    assert steps(CONVERSATIONS[name]) <= sampled
    waits = {(role, step) for role, table in LEGAL.items() for step, rule in table.items() if rule.accepts}
    assert sampled == waits


@pytest.mark.parametrize("victim", Role)
def test_compressed_certificate_is_refused_where_none_was_offered(victim: Role) -> None:
    """RFC 8879 4: without our offer the message may come nowhere."""
    code = HandshakeType.compressed_certificate
    taken = [each for each in places(CONVERSATIONS["mutual"], victim) if code in each.rule.accepts]
    for place in taken:
        error = refuse(CONVERSATIONS["mutual"], victim, place, EXAMPLES[code])
        assert error.fault is Fault.UNEXPECTED_MESSAGE
        assert error.facts["expected"] == place.rule.expected
        assert code.name not in place.rule.expected
    assert taken


def test_retry_is_refused_where_no_server_hello_may_come() -> None:
    """RFC 9846 4.2.4: a HelloRetryRequest is a ServerHello to the table."""
    conversation = CONVERSATIONS["mutual"]
    for place in places(conversation, Role.CLIENT)[1:]:
        error = refuse(conversation, Role.CLIENT, place, RETRY_EXAMPLE)
        assert error.fault is Fault.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("victim", Role)
def test_finished_twice_is_refused(victim: Role) -> None:
    """RFC 9846 4.5.3: a true Finished that comes again is as wrong as a false one."""
    assert finished_again(CONVERSATIONS["mutual"], victim).fault is Fault.UNEXPECTED_MESSAGE


def test_message_that_comes_while_a_signature_is_awaited_is_judged_by_the_step_after_it() -> None:
    """Nothing is opened at SIGNING, so the message waits for the step that follows."""
    talk = CONVERSATIONS["mutual"].pair(server={"credentials": external("localhost")})
    (request,) = talk.server.receive(talk.client.data_to_send())
    assert isinstance(request, SignatureWanted)
    talk.client.receive(talk.server.data_to_send())
    send_illegal(machinery(talk.client), EXAMPLES[HandshakeType.finished])
    assert talk.server.receive(talk.client.data_to_send()) == []
    assert talk.server.step is Step.SIGNING
    talk.server.provide(request, sign(request.scheme, identity("localhost").key, request.data))
    assert isinstance(talk.server.failure, PeerFault)
    assert talk.server.failure.fault is Fault.UNEXPECTED_MESSAGE
    assert talk.server.failure.state == "WAIT_CERT"
