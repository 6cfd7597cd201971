"""Script, table and RFC against each other: what runs is in the table, and the table is the RFC's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bothways import Established
from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.steps import LEGAL, Step
from bothways.tls.incoming import Incoming
from bothways.tls.wire.flight import Message, decode_message
from bothways.tls.wire.hello import ServerHello, is_retry
from bothways.tls.wire.tls13 import CompressedCertificate
from tls.handshake.contexts import context
from tls.handshake.conversations import CONVERSATIONS, steps_taken

# RFC 9846 A.1 and A.2: the step, what is received there, the step that follows; what is sent is not seen.
# Not spoken, and so left out: early data (WAIT_EOED). The figures end at CONNECTED; the rest is from 4.7.1 and 4.7.2.
FIGURES = {
    Role.CLIENT: """
        WAIT_SH        HelloRetryRequest    WAIT_SH
        WAIT_SH        ServerHello          WAIT_EE
        WAIT_EE        EncryptedExtensions  WAIT_CERT_CR
        WAIT_EE        EncryptedExtensions  WAIT_FINISHED
        WAIT_CERT_CR   CertificateRequest   WAIT_CERT
        WAIT_CERT_CR   Certificate          WAIT_CV
        WAIT_CERT      Certificate          WAIT_CV
        WAIT_CV        CertificateVerify    WAIT_FINISHED
        WAIT_FINISHED  Finished             CONNECTED
        CONNECTED      NewSessionTicket     CONNECTED
        CONNECTED      CertificateRequest   CONNECTED
        """,
    Role.SERVER: """
        START          ClientHello          START
        START          ClientHello          WAIT_CERT
        START          ClientHello          WAIT_FINISHED
        WAIT_CERT      Certificate          WAIT_CV
        WAIT_CERT      EmptyCertificate     WAIT_FINISHED
        WAIT_CV        CertificateVerify    WAIT_FINISHED
        WAIT_FINISHED  Finished             CONNECTED
        WAIT_CERT_CONNECTED  Certificate       WAIT_CV
        WAIT_CERT_CONNECTED  EmptyCertificate  WAIT_FINISHED
        """,
}
# Our names for what the figures call otherwise: START is where a server awaits a hello; after a
# HelloRetryRequest both figures go back to a step that we tell apart.
SPELLED = {
    Step.WAIT_CH: "START",
    Step.WAIT_CH_AFTER_RETRY: "START",
    Step.WAIT_SH_AFTER_RETRY: "WAIT_SH",
}

Arrow = tuple[str, str, str]


@contextmanager
def arrows_taken(role: Role) -> Iterator[set[Arrow]]:
    """Within, every message that `role` takes is written down as an arrow of the figure."""
    taken: set[Arrow] = set()
    begun: dict[Incoming, tuple[Step, int, bytes]] = {}
    take, message = Incoming.take, Incoming.message

    def watched(incoming: Incoming, code: int, raw: bytes) -> Message | None:
        if incoming.position.role is role:
            begun[incoming] = incoming.position.step, code, raw
        return message(incoming, code, raw)

    def taking(incoming: Incoming) -> Any:
        """Whoever asks for more has gone on from what came last."""
        if (last := begun.pop(incoming, None)) is not None:
            start, code, raw = last
            end = incoming.position.step
            taken.add((SPELLED.get(start, start.name), called(code, raw), SPELLED.get(end, end.name)))
        return take(incoming)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Incoming, "message", watched)
        patch.setattr(Incoming, "take", taking)
        yield taken


def called(code: int, raw: bytes) -> str:
    """A message's name in the figures."""
    message = decode_message(code, raw[4:])
    if isinstance(message, ServerHello) and is_retry(message):
        return "HelloRetryRequest"
    if isinstance(message, CompressedCertificate):
        return "Certificate"  # in its place (RFC 8879 4)
    empty = "Empty" if not getattr(message, "certificate_list", True) else ""
    return empty + type(message).__name__


@pytest.mark.parametrize("role", Role)
def test_arrows_of_all_conversations_are_those_of_the_figure(role: Role) -> None:
    """RFC 9846 A: no arrow is missing, none is ours alone."""
    drawn = {tuple(line.split()) for line in FIGURES[role].strip().splitlines()}
    with arrows_taken(role) as taken:
        for conversation in CONVERSATIONS.values():
            conversation.pair().exchange()
    assert taken == drawn


def test_every_edge_of_the_table_is_taken_and_no_other() -> None:
    """Script and table cannot drift apart unnoticed."""
    with steps_taken() as taken:
        for conversation in CONVERSATIONS.values():
            talk = conversation.pair()
            talk.exchange()
            assert any(isinstance(event, Established) for event in talk.server_events)
    edges = {
        (role, step, following)
        for role, table in LEGAL.items()
        for step, rule in table.items()
        for following in rule.follow
    }
    assert set(taken) == edges


@pytest.mark.parametrize("role", Role)
def test_every_row_can_be_reached_and_left(role: Role) -> None:
    """No row stands in the table that no handshake comes by."""
    table = LEGAL[role]
    followed = {following for rule in table.values() for following in rule.follow}
    assert followed | {Step.START} == set(table)
    ends = [step for step, rule in table.items() if not rule.follow]
    assert ends == ([Step.CONNECTED] if role is Role.CLIENT else [])  # a server may ask, again and again


def test_steps_that_await_no_message_accept_none() -> None:
    """While we judge or sign, nothing is opened."""
    for role in Role:
        for step in (Step.START, Step.JUDGING, Step.SIGNING):
            assert not LEGAL[role][step].accepts


def test_every_row_has_an_id_of_the_mission() -> None:
    """Ids name checks, and ladder, errors and tests say the same."""
    for table in LEGAL.values():
        for rule in table.values():
            assert re.fullmatch(r"[1-4]\.[1-5]", rule.id)


def test_messages_that_tls_13_does_not_know_are_accepted_nowhere() -> None:
    """RFC 9846 4: the messages of TLS 1.2 and those that are not spoken."""
    accepted = {code for table in LEGAL.values() for rule in table.values() for code in rule.accepts}
    assert set(HandshakeType) - accepted == {
        HandshakeType.hello_request,
        HandshakeType.end_of_early_data,
        HandshakeType.server_key_exchange,
        HandshakeType.server_hello_done,
        HandshakeType.client_key_exchange,
        HandshakeType.certificate_url,
        HandshakeType.certificate_status,
        HandshakeType.message_hash,
    }


@pytest.mark.parametrize("role", Role)
def test_step_that_may_not_follow_is_our_own_defect(role: Role) -> None:
    """The connection holds its script to the table."""
    position = Position(context(role))
    position.enter(Step.WAIT_SH if role is Role.CLIENT else Step.WAIT_CH)
    with pytest.raises(TypeError, match="CONNECTED may not follow WAIT_"):
        position.enter(Step.CONNECTED)
