"""A client resumes in TLS 1.2: what it offers, what it keeps, and what it refuses of the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bothways import ClientConfig, ConfigError, Fault, PeerFault, ServerConfig, SessionStore, TicketKeys
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Judged, MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import Certificate, NewSessionTicket
from bothways.tls.wire.tls13 import Finished
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pair import NOON, FrozenClock
from tamper import Refusal, after, altering, assert_reported, changing, unaltered, without
from tls.handshake.client.test_resumption import established, lists, talk
from tls.handshake.conversations import credentials, identity
from tls.handshake.conversations12 import (
    CONVERSATIONS,
    ECDSA_SUITES,
    classic,
    client_config,
    deciphering,
    knowing_no_tickets,
    server_config,
)

BOTH_VERSIONS = {"versions": ("1.3", "1.2")}


def configs(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> tuple[ClientConfig, ServerConfig, FrozenClock]:
    """Both sides of TLS 1.2 with a memory, and one clock."""
    clock = FrozenClock()
    on = {"resume_tls12": True, "clock": clock}
    ours = client_config(**on | {"sessions": SessionStore()} | (client or {}))
    theirs = server_config(**on | {"tickets": TicketKeys()} | (server or {}))
    return ours, theirs, clock


def first_hello(client: ClientConfig) -> ClientHello:
    notes: list[Note] = []
    client.connection("localhost", observer=notes.append)
    (hello,) = [each.message for each in notes if isinstance(each, MessageSeen)]
    assert isinstance(hello, ClientHello)
    return hello


def ticket_in(hello: ClientHello) -> bytes | None:
    found = ext.find(hello.extensions or (), ext.SessionTicket)
    return None if found is None else found.ticket


def test_resumption_of_tls_12_is_off_by_default() -> None:
    """A ticket key opens recorded traffic of TLS 1.2, and its sessions link connections."""
    client = client_config(sessions=SessionStore())
    server = server_config(tickets=TicketKeys())
    assert [established(client, server) for _ in range(2)] == [False, False]
    hello = first_hello(client)
    assert ticket_in(hello) is None and hello.legacy_session_id == b""
    assert client.sessions is not None and len(client.sessions) == 0


@pytest.mark.parametrize(
    ("client", "server"),
    [({"resume_tls12": False}, {}), ({}, {"resume_tls12": False})],
    ids=["client", "server"],
)
def test_one_side_that_has_it_off_is_enough(client: dict[str, Any], server: dict[str, Any]) -> None:
    ours, theirs, _ = configs(client, server)
    assert [established(ours, theirs) for _ in range(2)] == [False, False]


@pytest.mark.parametrize("more", [{}, BOTH_VERSIONS], ids=["1.2 alone", "1.3 offered too"])
def test_sessions_are_resumed_without_certificates_or_signatures(more: dict[str, Any]) -> None:
    """RFC 5246 figure 2, RFC 5077 figure 2; and both are who they were."""
    client, server, clock = configs(more)
    assert not established(client, server)
    clock.pass_time(60)
    notes: list[Note] = []
    made = talk(client, server, client_notes=notes)
    assert made.client.resumed and made.server.resumed
    names = [type(each.message).__name__ for each in notes if isinstance(each, MessageSeen)]
    assert names == ["ClientHello", "ServerHello", "NewSessionTicket", "Finished", "Finished"]
    for end, name in ((made.client, "localhost"), (made.server, "client.example")):
        assert end.peer is not None and end.peer.names.common_name == name
        assert end.peer.proved_at == NOON, "when it signed, and not when its session was resumed"
    assert not made.client.confirmed, "the server looks at the client again behind its Finished"
    made.server.send(b"data")
    made.exchange()
    assert made.client.confirmed
    assert sum(isinstance(each, Judged) for each in notes) == 1
    assert made.client.export("EXPORTER-x", None, 32) == made.server.export("EXPORTER-x", None, 32)


def test_each_connection_of_a_session_has_keys_of_its_own() -> None:
    """RFC 5246 6.3: new randoms go into them."""
    client, server, _ = configs()
    exported = {talk(client, server).client.export("EXPORTER-test", b"", 32) for _ in range(4)}
    assert len(exported) == 4


@pytest.mark.parametrize("more", [{}, BOTH_VERSIONS], ids=["1.2 alone", "1.3 offered too"])
def test_a_session_without_a_ticket_is_resumed_by_its_id_as_often_as_it_may(more: dict[str, Any]) -> None:
    """RFC 5246 7.3, 7.4.1.2."""
    with knowing_no_tickets():
        client, server, clock = configs(more)
        assert [established(client, server) for _ in range(4)] == [False, True, True, True]
        seen = {first_hello(client).legacy_session_id for _ in range(2)}
        assert len(seen) == 2, "it was taken, and nobody has put it back"
        assert not established(client, server)
        clock.pass_time(timedelta(hours=24).total_seconds())
        assert not established(client, server)


def test_a_ticket_is_offered_with_an_id_that_is_drawn_for_it() -> None:
    """RFC 5077 3.4: by which the server says whether it goes on with it."""
    client, server, _ = configs()
    assert ticket_in(first_hello(client)) == b""
    talk(client, server)
    talk(client, server)
    hello = first_hello(client)
    assert len(ticket_in(hello) or b"") > 100 and len(hello.legacy_session_id) == 32


def test_a_server_that_sends_no_new_ticket_gets_the_same_again() -> None:
    """RFC 5077 3.3: an empty one says that there is none."""
    client, server, _ = configs()
    talk(client, server)
    with altering(Role.SERVER, changing(NewSessionTicket, ticket=b"", ticket_lifetime_hint=0)):
        assert [established(client, server) for _ in range(2)] == [True, True]


def test_an_empty_ticket_of_a_full_handshake_is_not_stored() -> None:
    client, server, _ = configs()
    with altering(Role.SERVER, changing(NewSessionTicket, ticket=b"")):
        assert [established(client, server) for _ in range(2)] == [False, False]


@pytest.mark.parametrize(("hint", "resumed"), [(0, True), (3600, True), (59, False)])
def test_a_ticket_is_used_for_as_long_as_the_server_says(hint: int, resumed: bool) -> None:
    """RFC 5077 5.6: zero says nothing."""
    client, server, clock = configs()
    with altering(Role.SERVER, changing(NewSessionTicket, ticket_lifetime_hint=hint)):
        talk(client, server)
    clock.pass_time(60)
    assert bool(ticket_in(first_hello(client))) is resumed


def test_chained_resumption_ends_a_day_after_the_signatures() -> None:
    client, server, clock = configs()
    resumed = []
    for _ in range(30):
        resumed.append(established(client, server))
        clock.pass_time(3600)
    assert resumed == [False, *[True] * 23, False, *[True] * 5]


def test_a_server_that_was_revoked_since_is_not_offered_its_session_and_refused_in_full() -> None:
    """It is judged before its session is offered."""
    store = CRLStore(lists())
    client, server, _ = configs({"revocation": Revocation(crls=store)})
    assert [established(client, server) for _ in range(2)] == [False, True]
    for each in lists(identity("localhost", "P-256")):
        store.add(each)
    assert not ticket_in(first_hello(client))
    made = talk(client, server)
    assert isinstance(made.client.failure, PeerFault) and made.client.failure.fault is Fault.REVOKED


def test_a_server_that_is_revoked_meanwhile_is_refused_before_our_finished() -> None:
    store = CRLStore(lists())
    client, server, _ = configs({"revocation": Revocation(crls=store)})
    talk(client, server)
    hello = client.connection("localhost")
    other = server.connection()
    other.receive(hello.data_to_send())
    for each in lists(identity("localhost", "P-256")):
        store.add(each)
    hello.receive(other.data_to_send())
    assert isinstance(hello.failure, PeerFault) and hello.failure.fault is Fault.REVOKED
    assert not hello.established and hello.failure.step == "2.3c"


@pytest.mark.parametrize(
    "changed",
    [
        {"credentials": credentials("other.example")},
        {"schemes": ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256")},
        {"revocation": Revocation(crls=CRLStore(lists()))},
        {"suites": ECDSA_SUITES[1:]},
        {"resume_tls12": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_session_is_not_used_by_another_configuration_with_the_same_store(changed: dict[str, Any]) -> None:
    client, server, _ = configs()
    talk(client, server)
    other, _, _ = configs({"sessions": client.sessions} | changed)
    assert not ticket_in(first_hello(other))


def test_sessions_of_13_and_of_12_stay_apart() -> None:
    """A client of both gets on with either server; no session of one version is offered for the other."""
    client, old, clock = configs(BOTH_VERSIONS)
    new = server_config(**BOTH_VERSIONS, tickets=old.tickets, resume_tls12=True, clock=clock)
    assert [talk(client, each).client.resumed for each in (old, new, old)] == [False, False, False]
    made = [talk(client, each) for each in (new, new)]
    assert [(each.client.version, each.client.resumed) for each in made] == [("1.3", False), ("1.3", True)]


def test_no_session_is_kept_of_key_transport_or_without_the_extended_main_secret() -> None:
    """RFC 7627 5.4; and whoever gets the server's RSA key has its sessions too."""
    insecure = {"insecure_without_extended_main_secret": True}
    for client, server, edit in (
        (classic(), classic(credentials=deciphering()), unaltered),
        (insecure, insecure, without(ClientHello, ext.ExtendedMainSecret)),
    ):
        ours, theirs, _ = configs(client, server)
        with altering(Role.CLIENT, edit):
            made = talk(ours, theirs)
        assert made.client.established, made.client.failure
        assert ours.sessions is not None and len(ours.sessions) == 0
        assert theirs.settings.session_ids is not None and len(theirs.settings.session_ids) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"sessions": None}, "resume_tls12: it has no effect, since sessions=None resumes nothing"),
        ({"versions": ("1.3",)}, "resume_tls12: it has no effect, since TLS 1.2 is not in `versions`"),
    ],
)
def test_a_client_configuration_that_could_resume_nothing_is_refused(
    options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        client_config(**{"sessions": SessionStore(), "resume_tls12": True} | options)
    assert str(caught.value) == problem


ILLEGAL, FAILED = Alert.ILLEGAL_PARAMETER, Alert.HANDSHAKE_FAILURE


def server(what: str, fault: Fault, alert: Alert, edit: Any, step: str) -> Refusal:
    return Refusal(what, Role.SERVER, fault, alert, edit, conversation="resumed", step=step)


ANSWERS = (
    server(
        "another suite than that of the session", Fault.RESUMED_WITH_OTHER_SUITE, ILLEGAL,
        changing(ServerHello, cipher_suite=0xC02C), "1.2",
    ),
    server(
        "no extended main secret, which the session has", Fault.NO_EXTENDED_MAIN_SECRET, FAILED,
        without(ServerHello, ext.ExtendedMainSecret), "1.2",
    ),
    server(
        "no secure renegotiation", Fault.NO_SECURE_RENEGOTIATION, FAILED,
        without(ServerHello, ext.RenegotiationInfo), "1.2",
    ),
    server(
        "a certificate", Fault.UNEXPECTED_MESSAGE, Alert.UNEXPECTED_MESSAGE,
        after(ServerHello, Certificate((b"certificate",))), "4.2",
    ),
    server(
        "no ticket, though one was announced", Fault.UNEXPECTED_MESSAGE, Alert.UNEXPECTED_MESSAGE,
        lambda message, nth: () if isinstance(message, NewSessionTicket) else (message,), "4.2",
    ),
    server(
        "a Finished over something else", Fault.BAD_FINISHED, Alert.DECRYPT_ERROR,
        changing(Finished, verify_data=bytes(12)), "4.2",
    ),
    server(
        "of a session that another one replaced", Fault.BAD_RECORD, Alert.BAD_RECORD_MAC,
        changing(ServerHello, random=lambda old: bytes(32)), "4.2",
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS, ids=str)
def test_an_answer_that_does_not_fit_is_refused(case: Refusal) -> None:
    """RFC 5246 7.4.1.3, RFC 7627 5.3, RFC 5077 3.3: both sides are told."""
    notes: list[Note] = []
    with altering(case.sender, case.edit):
        made = CONVERSATIONS[case.conversation].pair(server_notes=notes)
        made.exchange()
    error = made.client.failure
    assert isinstance(error, PeerFault) and error.fault is case.fault, str(error)
    assert_reported(error, case.alert, notes, made.server)
    assert error.step == case.step


@pytest.mark.parametrize("alone", [True, False])
def test_an_id_that_is_echoed_without_a_session_is_refused(alone: bool) -> None:
    """RFC 5246 7.4.1.3: also of a client that has just one of TLS 1.3 to offer."""
    client, server, _ = configs(BOTH_VERSIONS)
    seen: list[bytes] = []

    def echo(old: bytes) -> bytes:
        return seen[-1]

    if not alone:
        new = server_config(**BOTH_VERSIONS, tickets=server.tickets, clock=server.clock)
        talk(client, new)
    with altering(Role.SERVER, changing(ServerHello, legacy_session_id_echo=echo)):
        connection = client.connection("localhost")
        other = server.connection()
        flight = connection.data_to_send()
        seen.append(flight[44:76])
        other.receive(flight)
        connection.receive(other.data_to_send())
    assert isinstance(connection.failure, PeerFault)
    assert connection.failure.fault is Fault.RESUMED_UNKNOWN_SESSION
