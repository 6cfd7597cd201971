"""Script, table and figure of TLS 1.2 against each other: what runs is in the table, and that is the RFC's."""

from __future__ import annotations

import re

import pytest

from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.events import Epoch, MessageSeen, Note, RecordSeen
from bothways.tls.handshake.script import ChangeCipherSpec
from bothways.tls.handshake.steps import LEGAL12, Step
from bothways.tls.incoming import Incoming
from bothways.tls.wire.extensions import CertificateStatus
from tamper import altering, instead_of
from tls.handshake.conversations import Resumed, steps_taken
from tls.handshake.conversations12 import CONVERSATIONS

# RFC 5246 figure 1 with RFC 6066 8 and RFC 5077 3.1, one way each: what a side gets and in which order;
# * is what may be missing.
FIGURE = {
    Role.CLIENT: "ServerHello Certificate CertificateStatus* ServerKeyExchange* CertificateRequest* ServerHelloDone "
    "NewSessionTicket* [ChangeCipherSpec] Finished",
    Role.SERVER: "ClientHello Certificate* ClientKeyExchange CertificateVerify* [ChangeCipherSpec] Finished",
}
# RFC 5246 figure 2, RFC 5077 figure 2.
RESUMED = {
    Role.CLIENT: "ServerHello NewSessionTicket* [ChangeCipherSpec] Finished",
    Role.SERVER: "ClientHello [ChangeCipherSpec] Finished",
}


def pattern(figure: str) -> str:
    words = [re.escape(word.rstrip("*")) + " " for word in figure.split()]
    return "".join(
        f"({word})?" if given.endswith("*") else word
        for word, given in zip(words, figure.split(), strict=True)
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_messages_come_in_the_order_of_the_figure(
    name: str, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5246 figure 1: with ChangeCipherSpec where it stands."""
    notes: list[Note | str] = []
    change = Incoming.change

    def changed(incoming: Incoming) -> ChangeCipherSpec:
        if incoming.position.role is role:
            notes.append("[ChangeCipherSpec]")
        return change(incoming)

    monkeypatch.setattr(Incoming, "change", changed)
    CONVERSATIONS[name].pair(**{f"{role.value}_notes": notes}).exchange()
    heard = [
        note if isinstance(note, str) else type(note.message).__name__
        for note in notes
        if isinstance(note, str) or (isinstance(note, MessageSeen) and not note.sent)
    ]
    figure = RESUMED if isinstance(CONVERSATIONS[name], Resumed) else FIGURE
    assert re.fullmatch(pattern(figure[role]), "".join(word + " " for word in heard)), heard
    assert [note for note in notes if isinstance(note, RecordSeen)]


def test_every_edge_of_the_table_is_taken_and_no_other() -> None:
    """Script and table cannot drift apart unnoticed."""
    with steps_taken() as taken:
        for conversation in CONVERSATIONS.values():
            talk = conversation.pair()
            talk.exchange()
            assert talk.client.established and talk.server.established
            with altering(
                Role.SERVER, instead_of(CertificateStatus)
            ):  # it may promise a staple and send none
                conversation.pair().exchange()
    edges = {
        (role, step, following)
        for role, table in LEGAL12.items()
        for step, rule in table.items()
        for following in rule.follow
    }
    assert {edge for edge in taken if edge[1] is not Step.START} == edges


@pytest.mark.parametrize("role", Role)
def test_every_row_can_be_reached_and_left(role: Role) -> None:
    """The table of TLS 1.2 begins where the hello is awaited."""
    table = LEGAL12[role]
    followed = {following for rule in table.values() for following in rule.follow}
    start = Step.WAIT_SH if role is Role.CLIENT else Step.WAIT_CH
    assert followed | {start} == set(table)
    assert [step for step, rule in table.items() if not rule.follow] == [Step.CONNECTED]


def test_each_row_awaits_one_kind_of_thing() -> None:
    """RFC 5246 7.1: a ChangeCipherSpec, or messages, or nothing while we judge or sign."""
    for role, table in LEGAL12.items():
        for step, rule in table.items():
            quiet = step in (Step.JUDGING, Step.SIGNING)
            assert (bool(rule.accepts) + rule.accepts_change) == (not quiet), f"{role}, {step}"
            assert re.fullmatch(r"[1-4]\.[1-5]", rule.id)


def test_change_cipher_spec_is_awaited_once_by_each_side() -> None:
    """RFC 5246 figure 1."""
    awaited = [
        (role, step) for role, table in LEGAL12.items() for step in table if table[step].accepts_change
    ]
    assert awaited == [(Role.CLIENT, Step.WAIT_SERVER_CCS), (Role.SERVER, Step.WAIT_CLIENT_CCS)]


def test_messages_that_12_does_not_know_are_accepted_nowhere() -> None:
    """RFC 5246 7.4: the messages of TLS 1.3, and those that are not spoken."""
    accepted = {code for table in LEGAL12.values() for rule in table.values() for code in rule.accepts}
    assert set(HandshakeType) - accepted == {
        HandshakeType.end_of_early_data,
        HandshakeType.encrypted_extensions,
        HandshakeType.certificate_url,
        HandshakeType.key_update,
        HandshakeType.compressed_certificate,
        HandshakeType.message_hash,
    }


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_finished_alone_travels_under_keys(name: str) -> None:
    """RFC 5246 figure 1: all before ChangeCipherSpec is in the clear, and Finished never is."""
    notes: list[Note] = []
    CONVERSATIONS[name].pair(client_notes=notes).exchange()
    for note in notes:
        if isinstance(note, MessageSeen):
            finished = type(note.message).__name__ == "Finished"
            assert note.epoch is (Epoch.APPLICATION if finished else Epoch.PLAINTEXT)
