"""A server asks for a certificate after the handshake: whom it gets, who may be asked, and what parts the data."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

import pki
from bothways import (
    AuthenticationUnavailable,
    ClientAuthenticated,
    ClientDeclined,
    ConfigError,
    Data,
    Event,
    Fault,
    PeerAlert,
    PeerClosed,
    PeerFault,
    PeerRule,
    SessionStore,
    SignatureWanted,
    TicketKeys,
    UsageError,
    Warned,
)
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.crypto.signing import sign
from bothways.tls.events import ChecksWanted, EvidenceWanted, MessageSeen, Note
from bothways.tls.handshake import access
from bothways.tls.handshake.steps import Step
from bothways.tls.keys.schedule13 import finished_mac
from bothways.tls.post_handshake.certificate_requests import CONTEXT_SIZE, DATA_LIMIT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, CertificateVerify, Finished
from bothways.trust.crl import revocation_list
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from inside import machinery
from pair import FrozenClock, Pair, received, seeded_randomness
from tamper import Outgoing, Refusal, altering, changing, refused, sealed
from tls.handshake import test_fetching as fetched
from tls.handshake.conversations import (
    CONVERSATIONS,
    asking,
    authority,
    client_config,
    credentials,
    credentials_of,
    external,
    good_status,
    identity,
    pair,
    server_config,
)
from tls.handshake.tampering import alter_every_field

CERTIFICATE_REQUIRED = Alert.CERTIFICATE_REQUIRED
ASKED = CONVERSATIONS["mutual, asked later"]


def opened(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **notes: list[Note]
) -> Pair:
    """An open connection whose client may be asked, and was not yet."""
    ours = client_config(**{"post_handshake_auth": True} | (client or {}))
    talk = pair(ours, server_config(**{"client_auth": "later"} | (server or {})), **notes)
    talk.exchange()
    assert talk.client.established and talk.server.established
    return talk


def asked(talk: Pair, **terms: Any) -> Pair:
    talk.server.authenticate_client(**terms)
    talk.exchange()
    return talk


def answers(events: Iterable[Event]) -> list[Event]:
    return [each for each in events if isinstance(each, ClientAuthenticated | ClientDeclined)]


def refusal(talk: Pair) -> PeerFault:
    error = talk.server.failure
    assert isinstance(error, PeerFault), f"not refused: {error!r}"
    return error


# -- who answers -------------------------------------------------------------------------------------------


def test_client_is_verified_on_request_and_is_the_peer_from_then_on() -> None:
    """RFC 9846 4.7.2: the same verification as in the handshake, and the same value."""
    notes: list[Note] = []
    talk = opened(server_notes=notes)
    assert talk.server.peer is None and answers(talk.server_events) == []
    (answer,) = answers(asked(talk).server_events)
    assert isinstance(answer, ClientAuthenticated)
    assert talk.server.peer is answer.peer and answer.peer.names.common_name == "client.example"
    assert talk.server.step is Step.CONNECTED and talk.client.failure is None
    late = [note for note in notes if isinstance(note, MessageSeen)][-4:]
    assert [(type(note.message).__name__, note.steps) for note in late] == [
        ("CertificateRequest", ("4.3",)),
        ("Certificate", ("3.1",)),
        ("CertificateVerify", ("3.2",)),
        ("Finished", ("4.1",)),
    ]


def test_contexts_are_unpredictable_and_unique_on_a_connection() -> None:
    """RFC 9846 4.4.2: so that no answer can be made in advance, or used twice."""
    notes: list[Note] = []
    talk = opened(server_notes=notes)
    for _ in range(3):
        asked(talk)
    sent = [note.message for note in notes if isinstance(note, MessageSeen)]
    contexts = [each.certificate_request_context for each in sent if isinstance(each, CertificateRequest)]
    assert len(set(contexts)) == 3 and {len(each) for each in contexts} == {CONTEXT_SIZE}
    assert len(answers(talk.server_events)) == 3


def test_each_request_has_its_context_from_the_randomness_of_the_configuration() -> None:
    """And from nothing else: another seed, another context."""
    seen = set()
    for seed in (b"one", b"other"):
        notes: list[Note] = []
        asked(opened(server={"randomness": seeded_randomness(seed)}, server_notes=notes))
        sent = [note.message for note in notes if isinstance(note, MessageSeen)]
        seen |= {each.certificate_request_context for each in sent if isinstance(each, CertificateRequest)}
    assert len(seen) == 2


@pytest.mark.parametrize("mode", ["request", "require"])
def test_clients_that_are_verified_in_the_handshake_may_be_asked_again(mode: str) -> None:
    """The later certificate takes the place of the earlier."""
    talk = opened(server={"client_auth": mode})
    first = talk.server.peer
    (answer,) = answers(asked(talk).server_events)
    assert first is not None and isinstance(answer, ClientAuthenticated)
    assert answer.peer is talk.server.peer and answer.peer is not first


def test_client_that_declines_is_refused_where_a_certificate_is_required() -> None:
    """RFC 9846 4.5.1.4: with certificate_required."""
    talk = asked(opened(client={"credentials": None}))
    error = refusal(talk)
    assert (error.fault, error.step, error.state) == (Fault.NO_CERTIFICATE, "3.1", "WAIT_CERT")
    assert isinstance(talk.client.failure, PeerAlert)
    assert talk.client.failure.alert == Alert.CERTIFICATE_REQUIRED
    assert talk.client.failure.step == "3.1"


@pytest.mark.parametrize("mode", ["later", "require"])
def test_client_that_declines_changes_nothing_where_that_is_accepted(mode: str) -> None:
    """An anonymous client stays anonymous, one that was verified stays who it is."""
    talk = opened(server={"client_auth": mode, "allow": PeerRule(dns="client.example")})
    before = talk.server.peer
    assert (before is None) is (mode == "later")
    with altering(Role.CLIENT, declines):
        asked(talk, required=False)
    assert answers(talk.server_events) == [ClientDeclined()]
    assert talk.server.peer is before and talk.server.established


def declines(message: Any, nth: int) -> Iterable[Outgoing]:
    """The client's answer, by a client that has no certificate; its Finished is made anew."""

    def finish(hs: Any) -> None:
        keys = hs.out.keys
        mac = finished_mac(keys.finished_key(), hs.transcript.digest(), keys.suite)
        hs.transcript.add(hs.out.put_message(Finished(mac)))

    if isinstance(message, Certificate):
        return (replace(message, certificate_list=()),)
    return (finish,) if isinstance(message, Finished) else ()


def test_key_held_elsewhere_answers_while_data_flows() -> None:
    """The client's side waits for its signer, the server's for the client, and neither holds up data."""
    talk = asked(opened(client={"credentials": external("client.example")}))
    (wanted,) = [each for each in talk.client_events if isinstance(each, SignatureWanted)]
    talk.client.send(b"meanwhile")
    talk.server.send(b"back")
    talk.exchange()
    assert received(talk.server_events) == b"meanwhile" and received(talk.client_events) == b"back"
    talk.client.provide(wanted, sign(wanted.scheme, identity("client.example").key, wanted.data))
    talk.exchange()
    assert len(answers(talk.server_events)) == 1 and talk.server.peer is not None


def test_answer_is_made_with_the_keys_of_its_moment() -> None:
    """RFC 9846 4.5, 4.7.3: KeyUpdates of both sides between request and answer, and a ticket before them."""
    stores = {"sessions": SessionStore()}, {"tickets": TicketKeys()}
    talk = opened({"credentials": external("client.example")} | stores[0], stores[1])
    asked(talk)
    (wanted,) = [each for each in talk.client_events if isinstance(each, SignatureWanted)]
    talk.client.update_keys(ask=True)
    talk.server.update_keys()
    talk.client.send(b"x")
    talk.exchange()
    talk.client.update_keys()
    talk.client.provide(wanted, sign(wanted.scheme, identity("client.example").key, wanted.data))
    talk.client.update_keys(ask=True)
    talk.exchange()
    assert len(answers(talk.server_events)) == 1 and talk.server.failure is None


def test_connection_that_was_resumed_may_be_asked() -> None:
    """RFC 9846 4.7.2: the transcript is that of the resumption; who resumes is anonymous until it answers."""
    ours = client_config(post_handshake_auth=True, sessions=SessionStore())
    theirs = server_config(client_auth="later", tickets=TicketKeys())
    first = pair(ours, theirs)
    first.exchange()
    asked(first)
    assert first.server.peer is not None
    second = pair(ours, theirs)
    second.exchange()
    assert second.server.resumed and second.server.peer is None
    asked(second)
    assert second.server.peer is not None and second.server.peer.proved_at is None


def test_no_ticket_carries_an_identity_that_was_shown_after_the_handshake() -> None:
    """Neither the one from before the answer, which resumes as it was issued, nor a new one: there is none."""
    ours = client_config(post_handshake_auth=True, sessions=SessionStore())
    theirs = server_config(client_auth="later", tickets=TicketKeys())
    talk = pair(ours, theirs)
    talk.exchange()
    assert ours.sessions is not None and len(ours.sessions) == 1
    asked(talk)
    talk.server.send(b"x")
    talk.exchange()
    assert len(ours.sessions) == 1
    again = pair(ours, theirs)
    again.exchange()
    assert again.client.resumed and again.server.peer is None


# -- who may be asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "server", "reason"),
    [
        ({"post_handshake_auth": False}, {}, "did not offer"),
        ({"versions": ("1.2",)}, {"versions": ("1.3", "1.2")}, "TLS 1.2"),
        ({"alpn": ("h2",)}, {"alpn": ("h2",)}, "HTTP/2"),
    ],
)
def test_client_that_cannot_be_asked_is_not_and_the_connection_goes_on(
    client: dict[str, Any], server: dict[str, Any], reason: str
) -> None:
    """RFC 9846 4.3.6, RFC 9113 9.2.3: the reason, and nothing on the wire."""
    talk = opened(client, server)
    with pytest.raises(AuthenticationUnavailable, match=reason):
        talk.server.authenticate_client()
    assert talk.server.data_to_send() == b""
    talk.client.send(b"goes on")
    talk.exchange()
    assert received(talk.server_events) == b"goes on"


def test_client_refuses_a_request_over_http_2() -> None:
    """RFC 9113 9.2.3: even if it offered to answer, since HTTP/2 was not agreed on yet then."""
    talk = opened({"alpn": ("h2",)}, {"alpn": ("h2",)})
    schemes = ext.SignatureAlgorithms((0x0403,))
    machinery(talk.server).out.send_after_handshake(CertificateRequest(b"c", (schemes,)))
    talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNEXPECTED_MESSAGE


def test_wrong_use_is_said() -> None:
    """The caller's own mistakes are a `UsageError`; nothing is sent."""
    talk = opened()
    with pytest.raises(UsageError, match="only a server"):
        talk.client.authenticate_client()
    for terms in ({"seconds": 0.0}, {"seconds": float("nan")}, {"max_data": -1}):
        with pytest.raises(UsageError, match="expected seconds"):
            talk.server.authenticate_client(**terms)
    nobody = opened(server={"client_auth": "none"})
    with pytest.raises(UsageError, match="client_anchors"):
        nobody.server.authenticate_client()
    talk.server.authenticate_client()
    with pytest.raises(UsageError, match="still awaited"):
        talk.server.authenticate_client()
    talk.server.close()
    with pytest.raises(UsageError, match="only on an established"):
        talk.server.authenticate_client()


def test_configuration_that_could_never_ask_is_refused() -> None:
    """Said when it is made."""
    with pytest.raises(ConfigError, match="TLS 1.3"):
        server_config(client_auth="later", versions=("1.2",))
    with pytest.raises(ConfigError, match="client_anchors: missing"):
        server_config(client_auth="later", client_anchors=None)
    with pytest.raises(ConfigError, match="is not a mode"):
        server_config(client_auth="sometimes")


# -- who is refused ------------------------------------------------------------------------------------------


def test_certificate_that_is_not_trusted_ends_the_connection() -> None:
    """As in the handshake, with the same faults at the same checks."""
    stranger = credentials_of(pki.leaf(pki.intermediate(pki.root("another")), "client.example"))
    talk = opened(client={"credentials": stranger}, server={"name_authorities": False})
    error = refusal(asked(talk))
    assert error.fault is Fault.NO_PATH and error.step == "3.3a"
    assert isinstance(talk.client.failure, PeerAlert) and talk.client.failure.step == "3.3a"


def test_rules_of_access_hold_for_a_later_certificate() -> None:
    """`allow` is not asked about a client that was not asked, and decides about one that answers."""
    peers: list[object] = []

    def allow(peer: object) -> access.Refusal:
        peers.append(peer)
        return access.Refusal("not today")

    talk = opened(server={"allow": allow})
    assert peers == []
    error = refusal(asked(talk))
    assert error.fault is Fault.ACCESS_REFUSED and error.step == "3.3" and len(peers) == 1


def revoking(*revoked: pki.Issued) -> Revocation:
    lists = CRLStore([CRL(pki.crl(authority(), *revoked)), CRL(pki.crl(authority().above[0]))])
    return Revocation(crls=lists)


def test_revoked_certificate_is_refused() -> None:
    """Revocation is checked as in the handshake."""
    error = refusal(asked(opened(server={"revocation": revoking(identity("client.example", "P-256"))})))
    assert error.fault is Fault.REVOKED and error.step == "3.3c"
    good = asked(opened(server={"revocation": revoking()}))
    assert good.server.peer is not None


def test_staples_are_asked_for_and_used() -> None:
    """RFC 9846 4.5.1.1: by the request, and only where the configuration uses them."""
    status = good_status(credentials("client.example"))
    talk = asked(opened({"staples": status}, {"revocation": asking("require")}))
    assert talk.server.peer is not None
    without = asked(opened({}, {"revocation": asking("require")}))
    assert isinstance(without.server.failure, PeerFault)


@pytest.mark.parametrize(
    ("edit", "fault", "step"),
    [
        (
            changing(Certificate, certificate_request_context=bytes(CONTEXT_SIZE)),
            Fault.WRONG_REQUEST_CONTEXT,
            "3.1",
        ),
        (changing(CertificateVerify, signature=bytes(70)), Fault.BAD_CERTIFICATE_VERIFY, "3.4"),
        (changing(CertificateVerify, algorithm=0x0503), Fault.SCHEME_DOES_NOT_FIT_KEY, "3.4"),
        (changing(CertificateVerify, algorithm=0x0201), Fault.UNOFFERED_SCHEME, "3.4"),
        (changing(Finished, nth=1, verify_data=bytes(32)), Fault.BAD_FINISHED, "4.1"),
        (changing(Finished, nth=1, verify_data=bytes(31)), Fault.UNDECODABLE, "4.1"),
    ],
)
def test_answer_with_a_fault_is_refused_as_in_the_handshake(edit: Any, fault: Fault, step: str) -> None:
    """RFC 9846 4.5: the checks are the same, and so are their ids."""
    with altering(Role.CLIENT, edit):
        talk = ASKED.pair()
        talk.exchange()
    error = refusal(talk)
    assert (error.fault, error.step) == (fault, step)
    assert answers(talk.server_events) == [] and talk.server.peer is None


def test_every_field_of_an_answer_is_covered_by_its_proofs(full: bool) -> None:
    """RFC 9846 4.5: request and answer altered in flight, a field at a time, and nothing passes.

    It plays the course again for each field, so that the handshake is covered once more.
    """
    assert alter_every_field(ASKED, full=full) > (100 if full else 40)


def test_answer_of_another_request_is_refused() -> None:
    """RFC 9846 4.4.2: an answer that was recorded is worth nothing for the next request of the same connection."""
    kept: list[bytes] = []

    def keep(message: Any, nth: int) -> Iterable[Outgoing]:
        kept.append(encode_message(message))
        return (message,)

    talk = opened()
    with altering(Role.CLIENT, keep):
        asked(talk)
    talk.server.authenticate_client()
    machinery(talk.client).out.put_encoded(b"".join(kept))
    machinery(talk.client).out.flush()
    talk.server.receive(talk.client.data_to_send())
    assert refusal(talk).fault is Fault.WRONG_REQUEST_CONTEXT


@pytest.mark.parametrize("kind", [Certificate, CertificateVerify])
@pytest.mark.parametrize("content", [23, 21], ids=["data", "close_notify"])
def test_nothing_comes_between_the_messages_of_an_answer(kind: type, content: int) -> None:
    """RFC 9846 4.7.2: they are sent consecutively."""
    between = sealed(content, b"x" if content == 23 else b"\1\0")

    def edit(message: Any, nth: int) -> Iterable[Outgoing]:
        return (message, between) if isinstance(message, kind) else (message,)

    with altering(Role.CLIENT, edit):
        talk = ASKED.pair()
        talk.exchange()
    error = refusal(talk)
    assert error.fault is (Fault.UNEXPECTED_MESSAGE if content == 23 else Fault.NO_CERTIFICATE)
    assert received(talk.server_events) == b""


def test_answer_that_nobody_requested_is_refused() -> None:
    """And a second one to the same request, exactly once being enough."""
    for before in (lambda talk: None, asked):
        talk = opened()
        before(talk)
        machinery(talk.client).out.send_after_handshake(Certificate(b"", ()))
        talk.exchange()
        error = refusal(talk)
        assert error.fault is Fault.UNEXPECTED_MESSAGE and error.state == "CONNECTED"


# -- time, data and the end ------------------------------------------------------------------------------------


def test_client_that_does_not_answer_is_refused_in_time() -> None:
    """By the time of the request, or that of the handshake; a server that has closed waits for no answer."""
    for terms, seconds in (({}, 30), ({"seconds": 5.0}, 5), ({"seconds": 300.0}, 300)):
        clock = FrozenClock()
        talk = opened({"clock": clock}, {"clock": clock})
        talk.server.authenticate_client(**terms)
        talk.server.data_to_send()
        assert talk.server.next_deadline() == clock.seconds + seconds
        clock.pass_time(seconds - 1)
        assert talk.server.tick() == []
        clock.pass_time(1)
        talk.server.tick()
        error = refusal(talk)
        assert error.fault is Fault.NO_ANSWER_TO_REQUEST and error.alert == Alert.CERTIFICATE_REQUIRED
        assert f"within {seconds} seconds" in str(error) and error.step == "3.1"
    talk = opened()
    talk.server.authenticate_client()
    talk.server.close()
    assert talk.server.next_deadline() is None


def test_data_before_the_answer_is_delivered_up_to_a_limit() -> None:
    """RFC 9846 4.7.2: other messages may come first; how many, is bounded."""
    talk = opened(client={"credentials": external("client.example")})
    asked(talk, max_data=1000)
    talk.client.send(bytes(1000))
    talk.exchange()
    assert len(received(talk.server_events)) == 1000 and talk.server.established
    talk.client.send(b"x")
    talk.exchange()
    error = refusal(talk)
    assert error.fault is Fault.DATA_BEFORE_CERTIFICATE and error.facts == {"limit": 1000}
    assert len(received(talk.server_events)) == 1000
    assert DATA_LIMIT == 1024 * 1024


def test_data_limit_begins_anew_with_each_request() -> None:
    """And there is none without a request."""
    talk = opened()
    for _ in range(3):
        talk.client.send(bytes(900))
        asked(talk, max_data=1000)
    assert len(answers(talk.server_events)) == 3 and talk.server.established


@pytest.mark.parametrize("required", [True, False])
def test_client_that_closes_without_an_answer_has_shown_no_certificate(required: bool) -> None:
    """RFC 9846 4.7.2: it must answer; after its close_notify it cannot."""
    talk = opened()
    talk.server.authenticate_client(required=required)
    talk.server.data_to_send()
    talk.client.close()
    talk.server_events += talk.server.receive(talk.client.data_to_send())
    if required:
        assert refusal(talk).fault is Fault.NO_CERTIFICATE
    else:
        assert talk.server_events[-2:] == [ClientDeclined(), PeerClosed()]
        assert talk.server.next_deadline() is None and not talk.server.awaits_answer


def test_answer_that_crosses_our_close_is_still_verified() -> None:
    """What follows is data of the peer that it names."""
    talk = opened()
    talk.server.authenticate_client()
    talk.server.close()
    talk.exchange()
    assert len(answers(talk.server_events)) == 1 and talk.server.failure is None


def parted(events: list[Event]) -> tuple[bytes, bytes]:
    """The data before the client authenticated, and after."""
    (at,) = [at for at, each in enumerate(events) if isinstance(each, ClientAuthenticated)]
    return received(events[:at]), received(events[at:])


def transcript_of(cut: Callable[[bytes], Iterable[bytes]]) -> tuple[bytes, bytes]:
    """A client that sends before its answer and after it, whose bytes arrive in pieces."""
    talk = opened({"randomness": seeded_randomness(b"same")}, {"randomness": seeded_randomness(b"same")})
    talk.server.authenticate_client()
    request = talk.server.data_to_send()
    talk.client.send(b"before")
    talk.client.receive(request)
    talk.client.update_keys()
    talk.client.send(b"after")
    talk.client.close()
    for piece in cut(talk.client.data_to_send()):
        talk.server_events += talk.server.receive(piece)
    assert isinstance(talk.server_events[-1], PeerClosed)
    return parted(talk.server_events)


def test_event_parts_the_data_before_from_the_data_after_however_bytes_arrive() -> None:
    """RFC 9846 5.1: all at once, byte by byte, and in random pieces."""
    pieces = [
        lambda data: (data,),
        lambda data: (data[at : at + 1] for at in range(len(data))),
    ]
    for seed in range(20):
        chosen = random.Random(seed)
        size = chosen.choice((2, 7, 60, 500))
        pieces.append(lambda data, size=size: (data[at : at + size] for at in range(0, len(data), size)))
    for cut in pieces:
        assert transcript_of(cut) == (b"before", b"after")


def test_nothing_that_follows_an_answer_is_opened_before_the_verdict() -> None:
    """While evidence is awaited, data of the new client waits too, and then comes behind the event."""
    ours = fetched.client_config(post_handshake_auth=True)
    theirs = fetched.server_config(client_auth="later", revocation=fetched.policy(unknown="accept"))
    talk = pair(ours, theirs)
    talk.exchange()
    talk.server.authenticate_client()
    talk.client.receive(talk.server.data_to_send())
    talk.client.send(b"after")
    (wanted,) = talk.server.receive(talk.client.data_to_send())
    assert isinstance(wanted, EvidenceWanted) and talk.server.step is Step.JUDGING
    assert not talk.server.wants_data and talk.server.awaits_answer
    talk.client.send(b", and more")
    record = talk.client.data_to_send()
    assert talk.server.receive_data(record) is None and talk.server.receive(record) == []
    events = talk.server.provide(wanted, None)
    while events and isinstance(events[-1], EvidenceWanted):
        events = talk.server.provide(events[-1], None)
    assert [type(each) for each in events] == [Warned, ClientAuthenticated, Data, Data]
    assert parted(events) == (b"", b"after, and more")


def test_checks_that_take_long_are_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an event loop, as in the handshake."""
    monkeypatch.setattr(revocation_list, "LONG_CRL", 0)
    talk = opened(server={"revocation": revoking()})
    talk.server.defer_checks()
    talk.server.authenticate_client()
    talk.client.receive(talk.server.data_to_send())
    events = talk.server.receive(talk.client.data_to_send())
    rounds = 0
    while events and isinstance(events[-1], ChecksWanted):
        assert not talk.server.wants_data
        events[-1].run()
        events = talk.server.provide(events[-1], None)
        rounds += 1
    assert rounds and len(answers(events)) == 1


def late(**terms: Any) -> Callable[[Pair, Any], None]:
    """The server asks, and the client says nothing but data."""

    def then(talk: Pair, liar: Any) -> None:
        talk.server.authenticate_client(**terms)
        if "max_data" in terms:
            liar.send(bytes(terms["max_data"] + 1))
            return
        clock = machinery(talk.server).clock
        assert isinstance(clock, FrozenClock)
        clock.pass_time(30)
        talk.server.tick()

    return then


REFUSALS = (
    Refusal("at all", Role.CLIENT, Fault.NO_ANSWER_TO_REQUEST, CERTIFICATE_REQUIRED, then=late(), step="3.1"),
    Refusal(
        "but data",
        Role.CLIENT,
        Fault.DATA_BEFORE_CERTIFICATE,
        CERTIFICATE_REQUIRED,
        then=late(max_data=100),
        step="3.1",
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_client_that_does_not_answer_is_told(case: Refusal) -> None:
    """The alert is certificate_required, as the client sees it."""
    refused(case, client_config(post_handshake_auth=True), server_config(client_auth="later"))


# -- afterwards ------------------------------------------------------------------------------------------------


def test_client_is_judged_again_by_what_was_decided_for_later() -> None:
    """Its verdict ends, and the connection with it; before it answered there was nobody to judge."""
    clock = FrozenClock()
    talk = opened({"clock": clock}, {"clock": clock, "judge_again": "lapse"})
    assert talk.server.next_deadline() is None
    asked(talk)
    assert talk.server.next_deadline() is not None
    clock.pass_time(3650 * 86400)
    talk.server.tick()
    assert refusal(talk).fault is Fault.CERTIFICATE_EXPIRED


def test_revocation_after_the_answer_ends_the_connection() -> None:
    """The evidence of `on request` counts for the open connection."""
    lists = CRLStore([CRL(pki.crl(each)) for each in (authority(), authority().above[0])])
    talk = opened(server={"revocation": Revocation(crls=lists), "judge_again": "change"})
    asked(talk)
    lists.add(CRL(pki.crl(authority(), identity("client.example", "P-256"), number=2)))
    assert talk.server.evidence_changed
    talk.server.judge_again()
    assert refusal(talk).fault is Fault.REVOKED


def test_connection_that_waits_for_an_answer_lets_go_at_its_end() -> None:
    """Nothing is awaited of a connection that is over."""
    talk = opened()
    talk.server.authenticate_client()
    talk.server.receive_eof()
    assert talk.server.next_deadline() is None and not talk.server.awaits_answer
    with pytest.raises(UsageError):
        talk.server.authenticate_client()
