"""A server resumes in TLS 1.2: judged again as in TLS 1.3, bound to what it began under, and only if it is on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import pki
from bothways import ConfigError, EvidenceWanted, Fault, PeerFault, ServerConfig, TicketKeys, TrustStore
from bothways import Refusal as AccessRefusal
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Chosen, MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import NewSessionTicket
from bothways.tls.wire.tls13 import Finished
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from pair import NOON, FrozenClock, Pair, pair
from tamper import Refusal, altering, assert_reported, changing, editing, without
from tls.handshake.client.test_resumption import established, lists, talk
from tls.handshake.client.test_resumption12 import BOTH_VERSIONS, configs
from tls.handshake.conversations import anchors, authority, credentials, credentials_of, identity
from tls.handshake.conversations12 import CONVERSATIONS, ECDSA_SUITES, knowing_no_tickets, server_config

DAY = timedelta(days=1)


def sent(notes: list[Note], kind: type) -> list[Any]:
    return [
        each.message for each in notes if isinstance(each, MessageSeen) and isinstance(each.message, kind)
    ]


def answer(client: Any, server: Any) -> tuple[Pair, ServerHello, list[Any]]:
    """What a server says, and the tickets that it sends."""
    notes: list[Note] = []
    made = talk(client, server, client_notes=notes)
    (hello,) = sent(notes, ServerHello)
    return made, hello, sent(notes, NewSessionTicket)


def test_a_ticket_is_announced_and_comes_before_finished() -> None:
    """RFC 5077 3.2, 3.3: with no session ID beside it in a full handshake, and with the client's in a resumed one."""
    client, server, _ = configs()
    _, first, tickets = answer(client, server)
    assert ext.find(first.extensions or (), ext.SessionTicket) == ext.SessionTicket()
    assert first.legacy_session_id_echo == b""
    assert [each.ticket_lifetime_hint for each in tickets] == [DAY.total_seconds()]
    made, again, renewed = answer(client, server)
    assert made.server.resumed and len(again.legacy_session_id_echo) == 32
    assert ext.find(again.extensions or (), ext.ServerName) is None, "RFC 6066 3"
    assert len(renewed) == 1 and renewed[0].ticket != tickets[0].ticket


def test_a_client_that_knows_no_tickets_gets_an_id() -> None:
    """RFC 5246 7.4.1.3: one of its own for each session."""
    with knowing_no_tickets():
        client, server, _ = configs()
        given = set()
        for _ in range(3):
            client.sessions.clear()  # type: ignore[union-attr]
            _, hello, tickets = answer(client, server)
            assert not tickets and ext.find(hello.extensions or (), ext.SessionTicket) is None
            given.add(hello.legacy_session_id_echo)
        assert len(given) == 3 and {len(each) for each in given} == {32}
        _, hello, _ = answer(client, server)
        assert hello.legacy_session_id_echo in given, "which stands for the session that is resumed"
        assert server.settings.session_ids is not None and len(server.settings.session_ids) == 3


def test_an_unknown_id_has_no_session() -> None:
    """RFC 5246 7.4.1.2: a client may have been at another server, or long away."""
    client, server, _ = configs()
    with altering(Role.CLIENT, changing(ClientHello, legacy_session_id=bytes(32))):
        made, hello, _ = answer(client, server)
    assert made.server.established and hello.legacy_session_id_echo == b""


def test_the_parameters_of_a_resumed_handshake_are_reported() -> None:
    client, server, _ = configs({"alpn": ("h2", "http/1.1")}, {"alpn": ("http/1.1",)})
    talk(client, server)
    notes: list[Note] = []
    made = talk(client, server, server_notes=notes)
    assert made.server.resumed and made.server.alpn == made.client.alpn == "http/1.1"
    assert made.server.group is None and made.server.suite == made.client.suite
    assert [each.what for each in notes if isinstance(each, Chosen)] == ["cipher suite", "compression"]


# -- judged again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [False, True], ids=["ticket", "ID"])
def test_a_client_that_was_revoked_since_gets_a_full_handshake_that_says_why(by_id: bool) -> None:
    store = CRLStore(lists())
    with pytest.MonkeyPatch.context() as patch:
        if by_id:
            patch.setattr("bothways.tls.handshake.client.start.ticket_extension", lambda *_: ())
        client, server, _ = configs(server={"revocation": Revocation(crls=store)})
        assert [established(client, server) for _ in range(2)] == [False, True]
        for each in lists(identity("client.example", "P-256")):
            store.add(each)
        made = talk(client, server)
    assert not made.server.resumed
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOKED
    assert made.server.failure.step == "3.3c"


def test_nothing_is_fetched_on_the_word_of_a_hello() -> None:
    """A ticket of TLS 1.2 travels in the clear: anybody may show it."""
    client, server, _ = configs(
        server={"revocation": Revocation(fetch=Fetch(by_caller=True), unknown="accept")}
    )
    for _ in range(2):
        made = pair(client, server)
        events = made.server.receive(made.client.data_to_send())
        assert not [each for each in events if isinstance(each, EvidenceWanted)]
        made.exchange()
        assert made.client.established and not made.server.resumed


def test_evidence_that_changes_during_the_handshake_is_used_before_its_end() -> None:
    store = CRLStore(lists())
    client, server, _ = configs(server={"revocation": Revocation(crls=store)})
    talk(client, server)
    made = pair(client, server)
    made.server.receive(made.client.data_to_send())
    for each in lists(identity("client.example", "P-256")):
        store.add(each)
    made.exchange()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOKED
    assert made.server.peer is None and not made.server.established
    assert made.client.failure is not None


def test_allow_is_applied_at_each_resumption() -> None:
    asked: list[str | None] = []
    doors: list[AccessRefusal | None] = [None]

    def allow(peer: Any) -> AccessRefusal | None:
        asked.append(peer.names.common_name)
        return doors[0]

    client, server, _ = configs(server={"allow": allow})
    assert [established(client, server) for _ in range(2)] == [False, True]
    assert asked == ["client.example"] * 2
    doors[0] = AccessRefusal("not today")
    made = talk(client, server)
    assert not made.server.resumed
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.ACCESS_REFUSED


def test_a_server_says_nothing_to_a_stranger_who_shows_a_ticket() -> None:
    """Only the client's Finished shows that it has the main secret: no data goes out before."""
    client, server, _ = configs()
    talk(client, server)
    hello = client.connection("localhost").data_to_send()
    other = server.connection()
    other.send(b"for the client alone")
    other.receive(hello)
    assert not other.established and other.peer is None
    queued = other.data_to_send()
    assert b"\x17\x03\x03" not in queued
    other.receive_eof()
    assert not other.established


# -- where a session means nothing -------------------------------------------------------------------------------

OTHER_ROOT = pki.root("Another root")
ELSEWHERE: dict[str, dict[str, Any]] = {
    "other anchors": {
        "client_anchors": TrustStore.from_certificates([OTHER_ROOT.certificate, *anchors().certificates])
    },
    "revocation": {"revocation": Revocation(crls=CRLStore(lists()))},
    "a certificate is only requested": {"client_auth": "request"},
    "nobody is asked": {"client_auth": "none"},
    "another identity": {"credentials": credentials_of(pki.leaf(authority(), "localhost"))},
    "another suite first": {"suites": tuple(reversed(ECDSA_SUITES))},
    "other keys": {"tickets": TicketKeys()},
    "it is off": {"resume_tls12": False},
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_session_is_not_resumed_by_another_configuration_with_the_same_keys(what: str) -> None:
    """CVE-2025-23419: who was let in at one virtual host would have been resumed at another."""
    client, server, clock = configs()
    talk(client, server)
    options = {"tickets": server.tickets, "clock": clock, "resume_tls12": True}
    other = server_config(**options | ELSEWHERE[what])
    made = talk(client, other)
    assert made.client.established and not made.client.resumed and not made.server.resumed


def test_the_same_configuration_in_another_process_resumes_with_the_same_keys() -> None:
    client, server, clock = configs()
    talk(client, server)
    assert talk(client, server_config(tickets=server.tickets, clock=clock, resume_tls12=True)).client.resumed


def test_a_session_that_was_begun_by_another_name_is_not_resumed() -> None:
    """RFC 6066 3."""
    client, server, _ = configs()
    talk(client, server)
    with altering(Role.CLIENT, editing(ClientHello, ext.ServerName, host_name="elsewhere.example")):
        made = talk(client, server)
    assert not made.server.resumed and made.server.established


def test_tickets_of_12_and_13_are_not_interchangeable() -> None:
    client, server, clock = configs(BOTH_VERSIONS, BOTH_VERSIONS)
    notes: list[Note] = []
    talk(client, server, client_notes=notes)
    old = server_config(tickets=server.tickets, clock=clock, resume_tls12=True)
    for ticket in [
        each.message.ticket for each in notes if hasattr(getattr(each, "message", None), "ticket")
    ]:
        with altering(Role.CLIENT, editing(ClientHello, ext.SessionTicket, ticket=ticket)):
            made = talk(client, old)
        assert made.server.established and not made.server.resumed


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_ticket_that_was_altered_is_unknown(place: int) -> None:
    """RFC 5077 3.4: and a full handshake follows."""
    client, server, _ = configs()
    talk(client, server)

    def altered(ticket: bytes) -> bytes:
        those = bytearray(ticket)
        those[place] ^= 1
        return bytes(those)

    with altering(Role.CLIENT, editing(ClientHello, ext.SessionTicket, ticket=altered)):
        made = talk(client, server)
    assert made.server.established and not made.server.resumed


@pytest.mark.parametrize(
    ("later", "resumed"), [(timedelta(hours=23), True), (DAY, False), (timedelta(seconds=-1), False)]
)
def test_a_ticket_lives_for_a_day_by_the_servers_clock(later: timedelta, resumed: bool) -> None:
    """The client's clock stands still."""
    client, server, clock = configs({"clock": FrozenClock()})
    talk(client, server)
    clock.pass_time(later.total_seconds())
    assert talk(client, server).server.resumed is resumed


def test_a_chain_that_no_ticket_carries_gets_an_empty_one() -> None:
    """RFC 5077 3.3: what was announced has to come."""
    client, server, _ = configs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bothways.tls.handshake.server.resumption.CHAIN_LIMIT", 10)
        _, _, tickets = answer(client, server)
        assert tickets == [NewSessionTicket(0, b"")]
        assert not established(client, server)
        with knowing_no_tickets():
            talk(client, server)
    assert server.settings.session_ids is not None and len(server.settings.session_ids) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tickets": None}, "resume_tls12: it has no effect, since tickets=None resumes nothing"),
        ({"versions": ("1.3",)}, "resume_tls12: it has no effect, since TLS 1.2 is not in `versions`"),
    ],
)
def test_a_server_configuration_that_could_resume_nothing_is_refused(
    options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig(**{"credentials": credentials("localhost"), "resume_tls12": True} | options)
    assert str(caught.value) == problem


def test_no_secret_of_a_session_shows() -> None:
    client, server, _ = configs()
    talk(client, server)
    made = talk(client, server)
    assert made.server.peer is not None and made.server.peer.proved_at == NOON
    assert "secret" not in repr(server.settings.session_ids)


# -- altered messages --------------------------------------------------------------------------------------------

ALTERED = (
    Refusal(
        "no extended main secret, which its session has", Role.CLIENT, Fault.NO_EXTENDED_MAIN_SECRET,
        Alert.HANDSHAKE_FAILURE, without(ClientHello, ext.ExtendedMainSecret),
        conversation="resumed", step="1.1",
    ),
    Refusal(
        "the same where it may be missing", Role.CLIENT, Fault.NO_EXTENDED_MAIN_SECRET,
        Alert.HANDSHAKE_FAILURE, without(ClientHello, ext.ExtendedMainSecret),
        server={"insecure_without_extended_main_secret": True}, conversation="resumed", step="1.1",
    ),
    Refusal(
        "a Finished over something else", Role.CLIENT, Fault.BAD_FINISHED, Alert.DECRYPT_ERROR,
        changing(Finished, verify_data=bytes(12)), conversation="resumed", step="4.1",
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", ALTERED, ids=str)
def test_a_client_that_lies_is_refused(case: Refusal) -> None:
    """RFC 7627 5.3, RFC 5246 7.4.9: both sides are told."""
    notes: list[Note] = []
    with altering(case.sender, case.edit):
        made = CONVERSATIONS[case.conversation].pair(case.client, case.server, client_notes=notes)
        made.exchange()
    error = made.server.failure
    assert isinstance(error, PeerFault) and error.fault is case.fault, str(error)
    assert_reported(error, case.alert, notes, made.client)
    assert error.step == case.step
