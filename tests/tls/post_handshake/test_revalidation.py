"""Whether the peer of an open connection still passes: by its end, by news of revocation, and by what lapsed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import pki
from bothways import Caution, Credentials, Event, Fault, PeerAlert, PeerFault, TrustStore, UsageError, Warned
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import Established, EvidenceWanted, Failed, Judged, Note
from bothways.tls.handshake.access import Refusal
from bothways.tls.post_handshake.revalidation import LOOK_SECONDS
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation import Revocation
from bothways.trust.revoked_together import RevokedTogether
from bothways.trust.verdict import Verdict
from pair import FrozenClock, Pair, received
from pki import NOW
from tls.handshake.conversations import (
    CONVERSATIONS,
    anchors,
    authority,
    client_config,
    credentials_of,
    identity,
    responses,
    server_config,
)
from trust.evidence.evidence_requests import access

VERSIONS = ("1.3", "1.2")
NAMES = {Role.CLIENT: "client.example", Role.SERVER: "localhost"}
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
AHEAD = {"next_update": NOW + 2 * HOUR}


def lists(*revoked: pki.Issued | tuple[pki.Issued, str], number: int = 1, **options: Any) -> CRLStore:
    """A list of each CA; the issuing one revokes those named."""
    top = authority().above[0]
    mine = pki.crl(authority(), *revoked, number=number, **options)
    return CRLStore([CRL(pki.crl(top)), CRL(mine)])


class Talk:
    """An open connection in which `judge` judges the other side by `policy`, under one clock for both."""

    def __init__(self, judge: Role, version: str, policy: Revocation | None, **options: Any) -> None:
        self.clock = FrozenClock()
        fields: dict[str, Any] = {"versions": (version,), "clock": self.clock}
        judging = fields | {"revocation": policy, "judge_again": "change" if policy else "lapse"} | options
        conversation = CONVERSATIONS["mutual"]
        self.notes: list[Note] = []
        self.pair: Pair = (
            conversation.pair(judging, fields, client_notes=self.notes)
            if judge is Role.CLIENT
            else conversation.pair(fields, judging, server_notes=self.notes)
        )
        self.pair.exchange()
        assert self.pair.client.established and self.pair.server.established
        ends = self.pair.client, self.pair.server
        self.judge, self.other = ends if judge is Role.CLIENT else ends[::-1]
        self.step = "2.3" if judge is Role.CLIENT else "3.3"
        self.judged = identity(NAMES[judge.other], "P-256")

    def events_in_time(self) -> list[Event]:
        """Let time go by from one deadline that the engine names to the next, until something happens."""
        while True:
            deadline = self.judge.next_deadline()
            assert deadline is not None
            self.clock.pass_time(deadline - self.clock.monotonic())
            events = self.judge.tick()
            if events:
                return events

    def ended(self) -> tuple[Fault, str, int, str]:
        """How the judge and the other end saw the end: fault and step, alert and step."""
        error, alert = self.judge.failure, self.judge.data_to_send()
        assert isinstance(error, PeerFault) and alert
        self.other.receive(alert)
        reported = self.other.failure
        assert isinstance(reported, PeerAlert)
        assert self.judge.next_deadline() is None and self.judge.peer is None
        return error.fault, error.step, reported.alert, reported.step

    def talks(self) -> bool:
        """Whether data still goes both ways."""
        self.pair.client.send(b"there")
        self.pair.server.send(b"back")
        self.pair.exchange()
        there, back = received(self.pair.server_events), received(self.pair.client_events)
        return there.endswith(b"there") and back.endswith(b"back")


each_way = pytest.mark.parametrize("judge", Role)
each_version = pytest.mark.parametrize("version", VERSIONS)


@each_way
@each_version
def test_a_peer_revoked_meanwhile_is_refused_when_judged_again(judge: Role, version: str) -> None:
    """Steps 2.3c and 3.3c, after the handshake: alert, event and reason, on both sides."""
    policy = Revocation(crls=lists())
    talk = Talk(judge, version, policy)
    assert talk.judge.judge_again() == [] and talk.talks()
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    [failed] = talk.judge.judge_again()
    assert "revoked" in str(failed.error)
    assert talk.ended() == (Fault.REVOKED, f"{talk.step}c", Alert.CERTIFICATE_REVOKED, f"{talk.step}c")


@each_way
@each_version
def test_a_peer_is_verified_again_when_its_verdict_expires_and_not_before(judge: Role, version: str) -> None:
    """The deadline is that of the list, with its tolerance; what is unknown from then on is refused."""
    talk = Talk(judge, version, Revocation(crls=lists(**AHEAD)))
    began = talk.clock.now()
    assert len(talk.events_in_time()) == 1
    assert talk.clock.now() == began + 2 * HOUR + TOLERANCE + timedelta(seconds=1)
    unknown = Alert.CERTIFICATE_UNKNOWN
    assert talk.ended() == (Fault.REVOCATION_UNKNOWN, f"{talk.step}c", unknown, talk.step)


@each_way
def test_a_certificate_that_ends_ends_its_connection(judge: Role) -> None:
    """Step 2.3b or 3.3b; that needs no revocation."""
    short = pki.leaf(authority(), NAMES[judge.other], not_after=NOW + HOUR)
    own = {"credentials": credentials_of(short)}
    conversation = CONVERSATIONS["mutual"]
    clock = FrozenClock()
    lapse: dict[str, Any] = {"clock": clock, "judge_again": "lapse"}
    fields: dict[str, Any] = {"clock": clock} | own
    talk = conversation.pair(*((lapse, fields) if judge is Role.CLIENT else (fields, lapse)))
    talk.exchange()
    end = talk.client if judge is Role.CLIENT else talk.server
    clock.pass_time(HOUR.total_seconds())
    assert end.tick() == [] and end.established
    clock.pass_time(1)
    end.tick()
    assert isinstance(end.failure, PeerFault)
    assert (end.failure.fault, end.failure.step[-1]) == (Fault.CERTIFICATE_EXPIRED, "b")


@each_way
def test_evidence_that_is_renewed_in_time_carries_the_connection_on(judge: Role) -> None:
    """The verdict then holds as long as the new list does, and the peer's new verdict says so."""
    policy = Revocation(crls=lists(**AHEAD))
    talk = Talk(judge, "1.3", policy)
    talk.clock.pass_time(HOUR.total_seconds())
    assert policy.crls is not None
    policy.crls.replace(lists(number=2, this_update=NOW + HOUR, next_update=NOW + 30 * HOUR))
    assert talk.judge.evidence_changed
    assert talk.judge.judge_again() == [] and not talk.judge.evidence_changed
    assert talk.judge.peer is not None
    assert talk.judge.peer.verdict.valid_until == NOW + 30 * HOUR + TOLERANCE
    assert [note.verdict for note in talk.notes if isinstance(note, Judged)][1] is talk.judge.peer.verdict
    talk.clock.pass_time(20 * HOUR.total_seconds())
    assert talk.judge.tick() == [] and talk.talks()


@each_way
def test_a_status_that_became_unknown_is_accepted_with_one_warning_if_that_is_configured(judge: Role) -> None:
    """What is unknown follows the policy; a later revocation is one all the same."""
    policy = Revocation(crls=lists(**AHEAD), unknown="accept")
    talk = Talk(judge, "1.3", policy)
    assert talk.events_in_time() == [Warned(Caution.REVOCATION_UNKNOWN)]
    assert talk.judge.judge_again() == [] and talk.talks()
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    talk.judge.judge_again()
    assert talk.ended()[0] is Fault.REVOKED


@pytest.mark.parametrize("judge_again", ["never", "lapse", "change"])
def test_only_what_is_configured_is_verified_again_by_time(judge_again: str) -> None:
    """`judge_again` can be called in any case."""
    policy = Revocation(crls=lists(**AHEAD))
    talk = Talk(Role.SERVER, "1.3", policy, judge_again=judge_again)
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    assert talk.judge.evidence_changed is (judge_again == "change")
    looks = talk.judge.next_deadline()
    assert (looks is None) is (judge_again == "never")
    talk.clock.pass_time(LOOK_SECONDS / 2)
    assert talk.judge.tick() == []  # nobody was told to look before
    assert len(talk.judge.judge_again()) == 1


def test_evidence_that_changes_during_the_handshake_is_used_at_its_end() -> None:
    """In TLS 1.2 a client has judged before the server's Finished comes."""
    policy = Revocation(crls=lists())
    talk = CONVERSATIONS["mutual"].pair(
        {"versions": ("1.2",), "revocation": policy, "judge_again": "change"}, {"versions": ("1.2",)}
    )
    talk.server.receive(talk.client.data_to_send())
    talk.client.receive(talk.server.data_to_send())  # it has judged, and waits for Finished
    assert policy.crls is not None and not talk.client.established
    policy.crls.replace(lists(identity("localhost", "P-256"), number=2, this_update=NOW))
    talk.exchange()
    assert talk.client.established
    assert talk.client.next_deadline() == FrozenClock().monotonic()
    talk.client.tick()
    assert isinstance(talk.client.failure, PeerFault)


@pytest.mark.parametrize("seconds", [0.0, LOOK_SECONDS])
def test_the_wall_clock_is_checked_at_each_look_and_at_least_once_an_hour(seconds: float) -> None:
    """Machines sleep, and clocks are set: the monotonic one tells nothing of it."""
    talk = Talk(Role.SERVER, "1.3", None)
    start = talk.clock.monotonic()
    assert talk.judge.next_deadline() == start + LOOK_SECONDS
    talk.judge.tick()
    assert talk.judge.failure is None
    talk.clock.at += timedelta(days=400)  # the machine slept
    talk.clock.seconds += seconds
    talk.judge.tick()
    assert isinstance(talk.judge.failure, PeerFault)
    assert talk.judge.failure.fault is Fault.CERTIFICATE_EXPIRED


def test_a_required_staple_that_expires_ends_the_connection() -> None:
    """No version of TLS carries another one after the handshake: the peer has to connect again."""
    own: Credentials = credentials_of(identity("localhost", "P-256"))
    stapled = responses(pki.ocsp_response(identity("localhost", "P-256"), **AHEAD))
    policy = replace(Revocation(crls=lists()), staples="require")
    clock = FrozenClock()
    client = {"clock": clock, "revocation": policy, "judge_again": "lapse"}
    talk = CONVERSATIONS["mutual"].pair(client, {"clock": clock, "credentials": own, "staples": stapled})
    talk.exchange()
    assert talk.client.established
    clock.pass_time((2 * HOUR + TOLERANCE).total_seconds())
    assert talk.client.judge_again() == []
    clock.pass_time(1)
    talk.client.judge_again()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.STAPLE_REQUIRED


def test_new_ocsp_responses_cause_verification_as_new_crls_do() -> None:
    """Whichever store of the policy has it."""
    store = OCSPStore()
    policy = Revocation(crls=lists(), ocsp=store)
    talk = Talk(Role.SERVER, "1.3", policy)
    store.add(OCSPResponse(pki.ocsp_response(talk.judged, status="revoked")))
    talk.judge.judge_again()
    assert talk.ended()[0] is Fault.REVOKED


def test_an_unverified_peer_is_not_verified_again() -> None:
    """An anonymous client, a handshake that goes on, a connection that is over."""
    anonymous = CONVERSATIONS["anonymous by request"].pair(server={"judge_again": "lapse"})
    assert anonymous.server.judge_again() == []
    anonymous.exchange()
    assert anonymous.server.established
    assert anonymous.server.judge_again() == [] and anonymous.server.next_deadline() is None
    policy = Revocation(crls=lists())
    talk = Talk(Role.SERVER, "1.3", policy)
    talk.pair.client.close()
    talk.pair.server.close()
    talk.pair.exchange()
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    assert talk.judge.judge_again() == [] and talk.judge.failure is None


def test_a_revoked_peer_gets_no_alert_after_our_close_notify() -> None:
    """RFC 9846 6.1: nothing comes after close_notify."""
    policy = Revocation(crls=lists())
    talk = Talk(Role.SERVER, "1.3", policy)
    talk.judge.close()
    talk.judge.data_to_send()
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    assert len(talk.judge.judge_again()) == 1
    assert talk.judge.data_to_send() == b""


def test_judging_again_ends_what_the_connection_holds_as_any_failure_does() -> None:
    """What was established stays told; the end is told once."""
    policy = Revocation(crls=lists())
    talk = Talk(Role.SERVER, "1.3", policy)
    assert any(isinstance(event, Established) for event in talk.pair.server_events)
    assert policy.crls is not None
    policy.crls.replace(lists(talk.judged, number=2, this_update=NOW))
    assert len(talk.judge.judge_again()) == 1
    assert talk.judge.judge_again() == [] and talk.judge.tick() == []
    assert not talk.judge.established and not talk.judge.wants_data


# -- evidence that has to be fetched

NAMED = {
    role: pki.leaf(authority(), name, extra=[access("http://ocsp.example/")]) for role, name in NAMES.items()
}


class Fetching(Talk):
    """The judge fetches the other's status, which lapses after two hours, and wants it anew then."""

    def __init__(self, judge: Role, handshake_timeout: float = 30.0, **options: Any) -> None:
        clock = FrozenClock()
        self.lists = lists(next_update=NOW + 40 * HOUR, point=pki.issuing_point(cas=True))
        policy = Revocation(crls=self.lists, fetch=Fetch(by_caller=True), covers="leaf", **options)
        judging: dict[str, Any] = {"clock": clock, "revocation": policy, "judge_again": "change"}
        judging["handshake_timeout"] = handshake_timeout
        judged: dict[str, Any] = {"clock": clock, "credentials": credentials_of(NAMED[judge.other])}
        mutual = CONVERSATIONS["mutual"]
        self.clock, self.judged = clock, NAMED[judge.other]
        self.pair = mutual.pair(judging, judged) if judge is Role.CLIENT else mutual.pair(judged, judging)
        ends = self.pair.client, self.pair.server
        self.judge, self.other = ends if judge is Role.CLIENT else ends[::-1]
        self.step = "2.3" if judge is Role.CLIENT else "3.3"
        self.pair.exchange()
        events = self.pair.client_events if judge is Role.CLIENT else self.pair.server_events
        events += self.judge.provide(events[-1], [self.response()])
        self.pair.exchange()
        assert self.pair.client.established and self.pair.server.established

    def response(self, status: str = "good") -> bytes:
        at = self.clock.now()
        return pki.ocsp_response(self.judged, status=status, this_update=at, next_update=at + 2 * HOUR)

    def lapse(self) -> EvidenceWanted:
        [wanted] = self.events_in_time()
        assert isinstance(wanted, EvidenceWanted)
        return wanted


@each_way
def test_evidence_is_renewed_before_it_expires_while_data_continues(judge: Role) -> None:
    """When between a half and three quarters of its time have gone by; the answer carries the peer on."""
    talk = Fetching(judge)
    for _ in range(3):
        assert talk.judge.peer is not None
        until, began = talk.judge.peer.verdict.valid_until, talk.clock.now()
        wanted = talk.lapse()
        assert (until - began) / 2 <= talk.clock.now() - began <= (until - began) * 3 / 4 + SECOND
        assert talk.judge.is_awaited(wanted) and talk.judge.awaits_answer
        assert talk.judge.wants_data and talk.talks()
        assert talk.judge.judge_again() == [] and talk.judge.tick() == []
        assert talk.judge.provide(wanted, [talk.response()]) == []
        assert not talk.judge.awaits_answer and talk.talks()
        assert talk.judge.peer is not None
        renewed = talk.judge.peer.verdict.valid_until - talk.clock.now()
        assert 2 * HOUR + TOLERANCE - SECOND < renewed <= 2 * HOUR + TOLERANCE


def test_verdicts_that_expire_together_are_renewed_at_different_times() -> None:
    """The moment is drawn for each."""
    moments = set()
    for _ in range(8):
        talk = Fetching(Role.SERVER)
        talk.lapse()
        moments.add(talk.clock.now())
    assert len(moments) == 8


@each_way
def test_evidence_that_says_revoked_ends_the_connection(judge: Role) -> None:
    """Step 2.3c or 3.3c."""
    talk = Fetching(judge)
    wanted = talk.lapse()
    assert len(talk.judge.provide(wanted, [talk.response("revoked")])) == 1
    assert talk.ended() == (Fault.REVOKED, f"{talk.step}c", Alert.CERTIFICATE_REVOKED, f"{talk.step}c")


@each_way
@pytest.mark.parametrize("late", [False, True])
def test_missing_evidence_is_requested_again_until_the_verdict_expires(judge: Role, late: bool) -> None:
    """What does not come in time is not there; only then does the policy decide."""
    for unknown, events in (("refuse", [Failed]), ("accept", [Warned])):
        talk = Fetching(judge, unknown=unknown)
        assert talk.judge.peer is not None
        verdict, reported, asked = talk.judge.peer.verdict, list[Event](), 0
        while not reported:
            assert talk.judge.peer is not None and talk.judge.peer.verdict is verdict and talk.talks()
            wanted, asked = talk.lapse(), asked + 1
            if late:
                assert talk.judge.next_deadline() == talk.clock.monotonic() + wanted.seconds
                talk.clock.pass_time(wanted.seconds)
                reported = talk.judge.tick()
            else:
                reported = talk.judge.provide(wanted, None)
        assert [type(each) for each in reported] == events and 2 < asked < 30
        assert talk.clock.now() > verdict.valid_until
        assert not talk.judge.awaits_answer
        assert talk.judge.established is (unknown == "accept")
        with pytest.raises(UsageError, match="provide: this answer is not awaited"):
            talk.judge.provide(wanted, [talk.response()])


def test_a_status_that_is_unknown_when_the_caller_asks_is_refused_at_once() -> None:
    """Only a renewal ahead of need takes nothing away."""
    talk = Fetching(Role.SERVER)
    [wanted] = talk.judge.judge_again()
    assert isinstance(wanted, EvidenceWanted)
    assert [type(each) for each in talk.judge.provide(wanted, None)] == [Failed]
    assert talk.ended()[0] is Fault.REVOCATION_UNKNOWN


def test_a_known_revocation_is_applied_while_a_fetch_is_pending() -> None:
    """What is known is enough; the fetch is for what is not."""
    talk = Fetching(Role.SERVER)
    wanted = talk.lapse()
    talk.lists.add(CRL(pki.crl(authority(), number=2, this_update=NOW)))
    assert talk.judge.evidence_changed and talk.judge.judge_again() == []
    assert not talk.judge.evidence_changed and talk.judge.is_awaited(wanted)
    talk.lists.add(CRL(pki.crl(authority(), talk.judged, number=3, this_update=NOW + HOUR)))
    talk.judge.judge_again()
    assert talk.ended()[0] is Fault.REVOKED
    assert not talk.judge.is_awaited(wanted)


def test_a_renewal_takes_no_longer_than_a_handshake_may() -> None:
    """Every round has its seconds, and all of them together theirs."""
    assert Fetching(Role.SERVER).lapse().seconds == 5.0
    assert Fetching(Role.SERVER, handshake_timeout=2.0).lapse().seconds == 2.0


OTHERS = (
    ({"client_anchors": TrustStore.from_pem(pki.root("Another Root").pem)}, Fault.NO_PATH),
    ({"allow": lambda _: Refusal("not any more")}, Fault.ACCESS_REFUSED),
    ({"revocation": Revocation(crls=CRLStore())}, Fault.REVOCATION_UNKNOWN),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("changed", "fault"), OTHERS)
def test_a_client_is_judged_by_another_configuration_once_that_is_asked_for(
    version: str, changed: dict[str, Any], fault: Fault
) -> None:
    """At once where somebody looks, and with its deadline where nobody does; nothing passes as news before that."""
    for looks in (True, False):
        talk = Talk(Role.SERVER, version, None, judge_again="never")
        other = server_config(versions=(version,), clock=talk.clock, **changed)
        assert not talk.judge.evidence_changed
        talk.judge.judge_by(other.settings)
        assert talk.judge.evidence_changed
        assert talk.judge.next_deadline() == talk.clock.monotonic()
        [failed] = talk.judge.judge_again() if looks else talk.judge.tick()
        assert isinstance(failed, Failed)
        assert failed.error.fault is fault


def test_a_client_accepted_by_the_other_configuration_continues_with_it() -> None:
    """What changes in the first one's evidence is nothing to it any more, and what changes in the other's is."""
    mine, other = lists(), lists()
    talk = Talk(Role.SERVER, "1.3", Revocation(crls=mine))
    changed = server_config(clock=talk.clock, revocation=Revocation(crls=other), judge_again="change")
    talk.judge.judge_by(changed.settings)
    assert talk.judge.judge_again() == []
    assert not talk.judge.evidence_changed
    mine.replace(lists(talk.judged, number=2))
    assert not talk.judge.evidence_changed
    other.replace(lists(talk.judged, number=2))
    assert talk.judge.evidence_changed
    [failed] = talk.judge.judge_again()
    assert failed.error.fault is Fault.REVOKED


def test_an_unverified_client_is_not_verified_by_another_configuration() -> None:
    conversation = CONVERSATIONS["mutual"].pair({}, {})
    with pytest.raises(UsageError, match="no peer that could be verified again"):
        conversation.server.judge_by(server_config().settings)


class Crowd:
    """Open connections of several clients with one server; `judged` has the errors of all that it verified again."""

    def __init__(self, count: int, **options: Any) -> None:
        self.clock = FrozenClock()
        self.lists = lists()
        self.who = [pki.leaf(authority(), f"{number}.example") for number in range(count)]
        policy = Revocation(crls=self.lists)
        server = server_config(
            client_anchors=anchors(), client_auth="require", clock=self.clock, revocation=policy,
            judge_again="change",
        )  # fmt: skip
        clients = [client_config(credentials=credentials_of(each), clock=self.clock) for each in self.who]
        self.pairs = [Pair(each.connection("localhost"), server.connection(**options)) for each in clients]
        for each in self.pairs:
            each.exchange()
            assert each.server.established

    def judged(self) -> list[PeerFault]:
        for each in self.pairs:
            each.server.judge_again()
        return [each.server.failure for each in self.pairs if isinstance(each.server.failure, PeerFault)]


def test_clients_that_a_crl_lists_together_are_refused_alike_and_one_of_them_is_verified_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same fault, facts, words and alert as where each is verified in full."""
    verified = []
    verify = VerificationRequest.verify

    def counted(request: VerificationRequest, *arguments: Any, **options: Any) -> Verdict:
        verified.append(request)
        return verify(request, *arguments, **options)

    monkeypatch.setattr(VerificationRequest, "verify", counted)
    told = []
    for takes_the_short_way in (True, False):
        crowd = Crowd(4)
        crowd.lists.replace(lists(*crowd.who[:2], (crowd.who[2], "superseded"), number=2, this_update=NOW))
        if not takes_the_short_way:
            monkeypatch.setattr(RevokedTogether, "reason", lambda *_: None)
        verified.clear()
        errors = crowd.judged()
        assert [each.fault for each in errors] == [Fault.REVOKED] * 3
        assert len(verified) == (2 if takes_the_short_way else 4)  # the first that is listed, and who is not
        told.append([(str(each), each.step, each.alert, dict(each.facts), each.reasons) for each in errors])
        for each in crowd.pairs[:3]:
            each.exchange()
            assert isinstance(each.client.failure, PeerAlert)
            assert each.client.failure.alert == Alert.CERTIFICATE_REVOKED
        assert crowd.pairs[3].server.peer is not None
    assert told[0] == told[1]
    assert "superseded" in told[0][2][0]


def test_who_observes_a_connection_gets_the_whole_verdict_of_each_client() -> None:
    notes: list[Note] = []
    crowd = Crowd(2, observer=notes.append)
    crowd.lists.replace(lists(*crowd.who, number=2, this_update=NOW))
    notes.clear()
    assert len(crowd.judged()) == 2
    assert len([each for each in notes if isinstance(each, Judged)]) == 2
