"""A server resumes: by what it judges at once, what leads to a full handshake, and what ends the connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import pki
from bothways import (
    ClientConfig,
    EvidenceWanted,
    Fault,
    PeerFault,
    PeerRule,
    ServerConfig,
    SessionStore,
    TicketKeys,
    TrustStore,
)
from bothways import (
    Refusal as AccessRefusal,
)
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import MessageSeen, Note
from bothways.tls.handshake.server.resumption import TICKETS_TRIED
from bothways.tls.handshake.session_binding import client_key
from bothways.tls.resumption.session import CHAIN_LIMIT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import NewSessionTicket
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.path.name_matching import server_name
from bothways.trust.revocation import Revocation
from pair import NOON, FrozenClock, Pair, pair
from tamper import Edit, Refusal, altering, assert_reported, changing, editing, with_extensions, without
from tls.handshake.client.test_resumption import configs, established, lists, talk
from tls.handshake.conversations import (
    CONVERSATIONS,
    anchors,
    authority,
    credentials,
    credentials_of,
    identity,
    server_config,
)

DAY = timedelta(days=1)


def ticket_of(notes: list[Note]) -> NewSessionTicket | None:
    found = [each.message for each in notes if isinstance(each, MessageSeen)]
    return next((each for each in found if isinstance(each, NewSessionTicket)), None)


def issued(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> NewSessionTicket | None:
    """The ticket that a server sends in a full handshake."""
    ours, theirs, _ = configs(client, server)
    notes: list[Note] = []
    assert not established(ours, theirs, client_notes=notes)
    return ticket_of(notes)


# -- judged again ------------------------------------------------------------------------------------------------


def test_a_client_that_was_revoked_since_gets_a_full_handshake_that_says_why() -> None:
    """The server decides before its ServerHello, by the evidence at hand."""
    store = CRLStore(lists())
    client, server, _ = configs(server={"revocation": Revocation(crls=store)})
    assert [established(client, server) for _ in range(2)] == [False, True]
    for each in lists(identity("client.example", "P-256")):
        store.add(each)
    made = talk(client, server)
    assert not made.client.resumed
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOKED
    assert made.server.failure.step == "3.3c"


def test_a_client_of_whom_nothing_is_known_is_not_resumed() -> None:
    client, server, _ = configs(server={"revocation": Revocation(crls=CRLStore(), unknown="accept")})
    assert [established(client, server) for _ in range(3)] == [False] * 3


def test_nothing_is_fetched_on_the_word_of_a_hello() -> None:
    """It can be one that somebody recorded: what would have to be fetched leads to a full handshake."""
    client, server, _ = configs(
        server={"revocation": Revocation(fetch=Fetch(by_caller=True), unknown="accept")}
    )
    for _ in range(2):
        made = pair(client, server)
        assert not [
            each
            for each in made.server.receive(made.client.data_to_send())
            if isinstance(each, EvidenceWanted)
        ]
        made.exchange()
        assert made.client.established and not made.server.resumed


def test_expired_crls_lead_to_a_full_handshake() -> None:
    those = [
        CRL(pki.crl(each, next_update=NOON + timedelta(hours=1)))
        for each in (authority(), authority().above[0])
    ]
    client, server, clock = configs(server={"revocation": Revocation(crls=CRLStore(those))})
    assert [established(client, server) for _ in range(2)] == [False, True]
    clock.pass_time(3 * 3600)
    made = talk(client, server)
    assert (
        isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOCATION_UNKNOWN
    )


def test_a_client_that_expires_is_not_resumed() -> None:
    own = credentials_of(pki.leaf(authority(), "client.example", not_after=NOON + timedelta(hours=1)))
    client, server, clock = configs({"credentials": own})
    assert [established(client, server) for _ in range(2)] == [False, True]
    clock.pass_time(3600 + 1)
    made = talk(client, server)
    assert (
        isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.CERTIFICATE_EXPIRED
    )


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


def test_a_failing_authorization_function_prevents_resumption(caplog: pytest.LogCaptureFixture) -> None:
    broken = [False]

    def allow(peer: Any) -> None:
        if broken[0]:
            raise RuntimeError("broken")

    client, server, _ = configs(server={"allow": allow})
    talk(client, server)
    broken[0] = True
    made = talk(client, server)
    assert not made.server.resumed and made.server.failure is not None
    assert "failed" in caplog.text


def test_evidence_that_changes_during_the_handshake_is_used_before_its_end() -> None:
    """Clock and generation are looked at again when the client's Finished has come."""
    store = CRLStore(lists())
    client, server, _ = configs(server={"revocation": Revocation(crls=store)})
    talk(client, server)
    made = pair(client, server)
    made.server.receive(made.client.data_to_send())
    made.client.receive(made.server.data_to_send())
    assert made.client.resumed
    for each in lists(identity("client.example", "P-256")):
        store.add(each)
    made.exchange()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOKED
    assert made.server.peer is None


def test_allow_is_applied_again_with_new_evidence() -> None:
    store = CRLStore(lists())
    asked: list[Any] = []
    client, server, _ = configs(server={"revocation": Revocation(crls=store), "allow": asked.append})
    talk(client, server)
    made = pair(client, server)
    made.server.receive(made.client.data_to_send())
    store.add(CRL(pki.crl(authority(), number=7)))
    made.exchange()
    assert made.server.resumed and len(asked) == 3
    assert made.server.peer is not None and made.server.peer.proved_at == NOON


def test_an_open_connection_that_was_resumed_is_judged_again_as_any_other() -> None:
    store = CRLStore(lists())
    client, server, _ = configs(server={"revocation": Revocation(crls=store), "judge_again": "change"})
    talk(client, server)
    made = talk(client, server)
    assert made.server.resumed
    made.server.judge_again()
    assert made.server.peer is not None and made.server.peer.proved_at == NOON
    for each in lists(identity("client.example", "P-256")):
        store.add(each)
    made.server.judge_again()
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.REVOKED


# -- where a session means nothing -------------------------------------------------------------------------------


def elsewhere(client: ClientConfig, clock: FrozenClock, keys: TicketKeys, **options: Any) -> Pair:
    """The same client at another server that has the same ticket keys."""
    return talk(client, server_config(tickets=keys, clock=clock, **options))


OTHER_ROOT = pki.root("Another root")
ELSEWHERE: dict[str, dict[str, Any]] = {
    "other anchors": {
        "client_anchors": TrustStore.from_certificates([OTHER_ROOT.certificate, *anchors().certificates])
    },
    "revocation": {"revocation": Revocation(crls=CRLStore(lists()))},
    "a certificate is only requested": {"client_auth": "request"},
    "nobody is asked": {"client_auth": "none"},
    "another identity": {"credentials": credentials_of(pki.leaf(authority(), "localhost"))},
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_session_is_not_resumed_by_another_configuration_with_the_same_keys(what: str) -> None:
    """CVE-2025-23419: who was let in at one virtual host would have been resumed at another."""
    keys = TicketKeys()
    client, server, clock = configs(server={"tickets": keys})
    talk(client, server)
    made = elsewhere(client, clock, keys, **ELSEWHERE[what])
    assert made.client.established and not made.client.resumed and not made.server.resumed
    assert not established(client, server), "nor the other way round"
    assert established(client, server), "its own go on"


def test_a_client_of_one_authority_does_not_get_in_where_another_one_counts() -> None:
    """CVE-2025-23419 in full: virtual host A trusts one CA, B another; a session of A is shown to B."""
    keys = TicketKeys()
    client, host_a, clock = configs(server={"tickets": keys})
    talk(client, host_a)
    host_b = TrustStore.from_certificates([OTHER_ROOT.certificate])
    made = elsewhere(client, clock, keys, client_anchors=host_b)
    assert not made.server.resumed
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.NO_PATH


def test_an_anonymous_session_is_not_resumed_if_a_certificate_is_required() -> None:
    keys = TicketKeys()
    client, server, clock = configs({"credentials": None}, {"tickets": keys, "client_auth": "request"})
    assert [established(client, server) for _ in range(2)] == [False, True]
    made = elsewhere(client, clock, keys)
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.NO_CERTIFICATE


def test_a_session_that_was_begun_by_another_name_is_not_resumed() -> None:
    """RFC 9846 4.7.1: the name asked for is a part of what a ticket is bound to."""
    client, server, _ = configs()
    talk(client, server)
    with altering(
        Role.CLIENT, editing(ClientHello, ext.ServerName, host_name="elsewhere.example"), in_flight=False
    ):
        made = talk(client, server)
    assert not made.server.resumed
    assert made.server.failure is None or made.server.failure.fault is not Fault.BAD_BINDER  # type: ignore[attr-defined]


def test_two_configurations_have_their_own_keys() -> None:
    client, server, clock = configs()
    talk(client, server)
    assert not elsewhere(client, clock, TicketKeys()).client.resumed


def test_the_same_configuration_in_another_process_resumes_with_the_same_keys() -> None:
    """As a reload does, or a worker process: nothing in a ticket is of one object."""
    keys = TicketKeys()
    client, server, clock = configs(server={"tickets": keys})
    talk(client, server)
    assert elsewhere(client, clock, keys).client.resumed


@pytest.mark.parametrize(
    ("later", "resumed"), [(timedelta(hours=23), True), (DAY, False), (timedelta(seconds=-1), False)]
)
def test_a_ticket_lives_for_a_day_by_the_servers_clock(later: timedelta, resumed: bool) -> None:
    """The client's clock stands still."""
    client, server, clock = configs({"clock": FrozenClock()})
    talk(client, server)
    clock.pass_time(later.total_seconds())
    assert talk(client, server).server.resumed is resumed


def test_a_ticket_that_is_too_old_by_its_holders_count_is_not_resumed() -> None:
    """RFC 9846 4.3.11.1: a client must not use it; its clock and ours may differ."""
    client, server, _ = configs()
    talk(client, server)
    later = replace(client, clock=FrozenClock(NOON + timedelta(hours=23)))
    assert talk(later, server).server.resumed
    assert not talk(replace(client, clock=FrozenClock(NOON + timedelta(hours=49))), server).server.resumed


def test_without_tickets_none_is_sent_and_none_resumed() -> None:
    client, server, clock = configs()
    talk(client, server)
    closed = server_config(tickets=None, clock=clock)
    notes: list[Note] = []
    assert not talk(client, closed, client_notes=notes).client.resumed
    assert ticket_of(notes) is None


def test_a_client_without_key_agreement_is_not_resumed() -> None:
    """RFC 9846 4.3.9: a key share goes into every session here (psk_dhe_ke), so psk_ke alone is of no use."""
    client, server, _ = configs()
    talk(client, server)
    alone = Rebinding(
        lambda those: [
            ext.PskKeyExchangeModes((0,)) if isinstance(e, ext.PskKeyExchangeModes) else e for e in those
        ]
    )
    made, notes = alone.play(client, server)
    assert not made.server.resumed and made.server.established
    assert ticket_of(notes) is None, "nor does it get another ticket (4.3.9)"


# -- altered hellos: the client's binder is computed again over what it sends ------------------------------------------


class Rebinding:
    """A client that alters the extensions of its hello before it makes its binder."""

    def __init__(self, change: Callable[[tuple[Any, ...]], Iterable[Any]]) -> None:
        self._change = change

    def play(self, client: ClientConfig, server: ServerConfig) -> tuple[Pair, list[Note]]:
        from bothways.tls.handshake.client import psks as client_psks

        honest = client_psks.offering
        notes: list[Note] = []

        def altered(hs: Any, hello: ClientHello, offered: Any) -> Any:
            return honest(hs, replace(hello, extensions=tuple(self._change(hello.extensions or ()))), offered)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client_psks, "offering", altered)
            return talk(client, server, client_notes=notes), notes


STRANGER = ext.PskIdentity(b"a ticket of somebody else", 0)


def among(strangers: int) -> Edit:
    """Offer the session behind others."""
    return editing(
        ClientHello, ext.PreSharedKeys,
        identities=lambda those: (STRANGER,) * strangers + those,
        binders=lambda those: (bytes(32),) * strangers + those,
    )  # fmt: skip


@pytest.mark.parametrize("strangers", [1, TICKETS_TRIED - 1])
def test_a_session_behind_those_of_others_is_found_and_its_binder_checked_alone(strangers: int) -> None:
    """RFC 9846 4.3.11: unknown keys are ignored, their binders are not looked at."""
    with altering(Role.CLIENT, among(strangers)):
        made = CONVERSATIONS["resumed"].pair()
        made.exchange()
    assert isinstance(made.server.failure, PeerFault)
    assert made.server.failure.fault is Fault.BAD_BINDER, (
        "it covers all identities, and these were added later"
    )


def test_only_the_first_tickets_are_tried() -> None:
    """What a stranger sends costs no more than a few attempts."""
    with altering(Role.CLIENT, among(TICKETS_TRIED)):
        made = CONVERSATIONS["resumed"].pair()
        made.exchange()
    assert not made.server.resumed
    assert made.server.failure is None or made.server.failure.fault is not Fault.BAD_BINDER  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_ticket_that_was_altered_is_unknown(place: int) -> None:
    """RFC 9846 4.3.11: and a full handshake follows."""

    def altered(ticket: bytes) -> bytes:
        those = bytearray(ticket)
        those[place] ^= 1
        return bytes(those)

    def edit(those: tuple[ext.PskIdentity, ...]) -> tuple[ext.PskIdentity, ...]:
        return tuple(replace(each, identity=altered(each.identity)) for each in those)

    with altering(Role.CLIENT, editing(ClientHello, ext.PreSharedKeys, identities=edit)):
        made = CONVERSATIONS["resumed"].pair()
        made.exchange()
    assert made.server.established and made.client.established
    assert not made.server.resumed and not made.client.resumed


ILLEGAL = Alert.ILLEGAL_PARAMETER


def client(what: str, fault: Fault, alert: Alert, edit: Edit, **rest: Any) -> Refusal:
    return Refusal(what, Role.CLIENT, fault, alert, edit, **{"conversation": "resumed"} | rest)


def retold(change: Callable[[ext.PreSharedKeys], ext.PreSharedKeys], nth: int = 0) -> Edit:
    def edit(those: tuple[Any, ...]) -> Iterable[Any]:
        return [change(each) if isinstance(each, ext.PreSharedKeys) else each for each in those]

    return with_extensions(ClientHello, edit, nth)


def older(keys: ext.PreSharedKeys) -> ext.PreSharedKeys:
    (one,) = keys.identities
    return replace(
        keys, identities=(replace(one, obfuscated_ticket_age=(one.obfuscated_ticket_age + 1) % 2**32),)
    )


def turned(binder: bytes, place: int) -> bytes:
    return binder[:place] + bytes([binder[place] ^ 1]) + binder[place + 1 :]


OFFERS = (
    *(
        client(
            f"byte {place}", Fault.BAD_BINDER, Alert.DECRYPT_ERROR,
            retold(lambda keys, place=place: replace(keys, binders=(turned(keys.binders[0], place),))),  # type: ignore[misc]
            step="1.1",
        )
        for place in (0, 15, 31)
    ),
    client(
        "a longer binder", Fault.BAD_BINDER, Alert.DECRYPT_ERROR,
        retold(lambda keys: replace(keys, binders=(keys.binders[0] + b"\0",))),
    ),
    client(
        "another age", Fault.BAD_BINDER, Alert.DECRYPT_ERROR,
        retold(older),
    ),
    client(
        "another suite in the hello that it covers", Fault.BAD_BINDER, Alert.DECRYPT_ERROR,
        changing(ClientHello, cipher_suites=lambda those: those[:1]),
    ),
    client(
        "the binder of the first hello in the second", Fault.BAD_BINDER, Alert.DECRYPT_ERROR,
        retold(lambda keys: replace(keys, binders=(bytes(32),)), nth=1),
        conversation="resumed after a retry",
    ),
    client(
        "two binders for one", Fault.BINDERS_DO_NOT_FIT, ILLEGAL,
        retold(lambda keys: replace(keys, binders=keys.binders * 2)),
    ),
    client(
        "one binder for two", Fault.BINDERS_DO_NOT_FIT, ILLEGAL,
        retold(lambda keys: replace(keys, identities=keys.identities * 2)),
    ),
    client(
        "no way to use it", Fault.MISSING_EXTENSION, Alert.MISSING_EXTENSION,
        without(ClientHello, ext.PskKeyExchangeModes),
    ),
    client(
        "another shared key than before the retry", Fault.CHANGED_HELLO, ILLEGAL,
        retold(lambda keys: replace(keys, identities=(STRANGER,)), nth=1),
        conversation="resumed after a retry",
    ),
    client(
        "a shared key that was not there before the retry", Fault.CHANGED_HELLO, ILLEGAL,
        without(ClientHello, ext.PreSharedKeys),
        conversation="resumed after a retry",
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", OFFERS, ids=str)
def test_an_offer_that_does_not_fit_is_refused(case: Refusal) -> None:
    """RFC 9846 4.3.11, 4.2.2: both sides are told."""
    notes: list[Note] = []
    with altering(case.sender, case.edit):
        made = CONVERSATIONS[case.conversation].pair(case.client, case.server, client_notes=notes)
        made.exchange()
    error = made.server.failure
    assert isinstance(error, PeerFault) and error.fault is case.fault, str(error)
    assert_reported(error, case.alert, notes, made.client)
    assert case.step in (None, error.step)


def test_the_keys_of_a_session_are_needed_and_not_its_ticket_alone() -> None:
    """Who has seen a ticket go by has no use for it."""
    client, server, _ = configs()
    notes: list[Note] = []
    talk(client, server, client_notes=notes)
    ticket = ticket_of(notes)
    assert ticket is not None
    store, key = client.sessions, client_key(client.settings, server_name("localhost"))
    assert store is not None
    session = store.take(key, NOON)
    assert session is not None and session.ticket == ticket.ticket
    store.keep(key, replace(session, key=bytes(32)))
    made = talk(client, server)
    assert isinstance(made.server.failure, PeerFault) and made.server.failure.fault is Fault.BAD_BINDER


def test_a_recorded_hello_opens_nothing() -> None:
    """A ClientHello can be replayed: the server answers, and without the client's Finished nothing comes of it."""
    client, server, _ = configs()
    talk(client, server)
    hello = client.connection("localhost").data_to_send()
    for _ in range(2):
        replayed = server.connection()
        replayed.receive(hello)
        assert replayed.peer is None and not replayed.established
        assert replayed.step.name == "WAIT_FINISHED"


def test_early_data_is_passed_over_when_a_session_is_resumed() -> None:
    """RFC 9846 4.3.10: it is neither accepted nor a reason to refuse."""
    client, server, _ = configs()
    talk(client, server)
    made, _ = Rebinding(lambda those: (ext.EarlyDataIndication(), *those)).play(client, server)
    assert made.server.resumed and made.client.established


# -- tickets -----------------------------------------------------------------------------------------------------


def test_one_ticket_is_sent_for_a_day() -> None:
    ticket = issued()
    assert ticket is not None
    assert ticket.ticket_lifetime == 86_400 and ticket.extensions == ()


def test_a_ticket_ends_with_the_first_certificate_of_either_side() -> None:
    """RFC 9846 4.7.1."""
    soon = credentials_of(pki.leaf(authority(), "client.example", not_after=NOON + timedelta(minutes=10)))
    ours = credentials_of(pki.leaf(authority(), "localhost", not_after=NOON + timedelta(minutes=5)))
    one, other = issued({"credentials": soon}), issued(server={"credentials": ours})
    assert one is not None and one.ticket_lifetime == 600
    assert other is not None and other.ticket_lifetime == 300


def test_max_age_of_the_keys_is_that_of_their_tickets() -> None:
    ticket = issued(server={"tickets": TicketKeys(max_age=timedelta(minutes=7))})
    assert ticket is not None and ticket.ticket_lifetime == 420


def test_a_chain_that_is_too_long_to_carry_gets_no_ticket() -> None:
    """It would be longer in the ClientHello than the Certificate that it spares."""
    big = credentials_of(
        pki.leaf(
            authority(),
            "client.example",
            alternatives=[f"DNS:{'a' * 60}.n{n}.example" for n in range(150)],
        )
    )
    assert sum(map(len, big.chain)) > CHAIN_LIMIT
    assert issued({"credentials": big}) is None


def test_a_ticket_says_nothing_in_the_clear() -> None:
    ticket = issued()
    assert ticket is not None
    assert all(der[:40] not in ticket.ticket for der in credentials("client.example").chain)
    assert b"client.example" not in ticket.ticket and b"localhost" not in ticket.ticket


def test_the_length_of_a_ticket_does_not_tell_clients_apart() -> None:
    lengths = set()
    for name in ("a.example", "bb.example", "ccc.example"):
        ticket = issued({"credentials": credentials(name)})
        assert ticket is not None
        lengths.add(len(ticket.ticket))
    assert len(lengths) == 1


def test_a_server_keeps_nothing_of_its_tickets() -> None:
    """Stateless: however many clients come, it holds three keys."""
    keys = TicketKeys()
    client, server, _ = configs({"sessions": None}, {"tickets": keys})
    sessions = replace(client, sessions=SessionStore())
    talk(sessions, server)
    held = keys.ring(NOON, os.urandom)
    for _ in range(5):
        talk(sessions, server)
    assert keys.ring(NOON, os.urandom) is held


@pytest.mark.parametrize("rule", [PeerRule(dns="client.example"), PeerRule(cn="client.example")])
def test_rules_hold_for_those_who_resume(rule: PeerRule) -> None:
    client, server, _ = configs(server={"allow": rule})
    assert [established(client, server) for _ in range(3)] == [False, True, True]
