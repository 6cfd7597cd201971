"""Judging as a part of a script: what it waits for, what it comes to, and whom it blames."""

from __future__ import annotations

from typing import Any

import pytest

import pki
from bothways import TrustStore
from bothways.faults import Blame, Fault
from bothways.roles import Role
from bothways.tls.events import EvidenceWanted, Judged, Note, Peer
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.script import Wait
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import (
    check_at_hand,
    conclude,
    evidence_found,
    judge,
    judge_if_due,
    known_to_pass,
    reach_verdict,
)
from bothways.trust import CRLStore, Fetch, Revocation
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose, Refused
from pair import FrozenClock
from tls.handshake.contexts import context, finish
from tls.handshake.conversations import anchors, credentials

LISTS = "http://crl.example/ca.crl"
CA = pki.intermediate(pki.root())
SERVER = pki.leaf(CA, "localhost", extra=[pki.points(f"URI:{LISTS}")])
ANCHORS = TrustStore.from_pem(CA.pem)


def asked(chain: tuple[bytes, ...], name: str) -> VerificationRequest:
    return VerificationRequest(chain=chain, anchors=anchors(), purpose=Purpose.SERVER, name=name)


def test_judging_gives_a_peer_or_every_reason() -> None:
    """A Peer can only be had from a verdict that trusts it."""
    notes: list[Note] = []
    hs = context(Role.CLIENT, notes)
    chain = credentials("localhost").chain
    peer = finish(judge(hs, asked(chain, "localhost"))).peer
    assert isinstance(peer, Peer) and peer.names.dns == ("localhost",)
    assert peer.certificate == peer.path[0] and len(peer.path) == 3
    with pytest.raises(Blame) as caught:
        finish(judge(hs, asked(chain[:1], "a.example")))
    assert [reason.fault for reason in caught.value.reasons] == [Fault.NO_PATH, Fault.NAME_MISMATCH]
    assert [note.step for note in notes if isinstance(note, Judged)] == ["2.3", "2.3"]


def fetching(**options: Any) -> VerificationRequest:
    """Judged by a list that has to be fetched."""
    given = {"fetch": Fetch(by_caller=True, ocsp=False, seconds=5.0), "crls": CRLStore(), "covers": "leaf"}
    return VerificationRequest(
        chain=SERVER.chain,
        anchors=ANCHORS,
        purpose=Purpose.SERVER,
        name="localhost",
        revocation=Revocation(**given | options.pop("revocation", {})),
        **options,
    )


def wanted_by(script: Any) -> EvidenceWanted:
    """What a script waits for, once it has entered its step."""
    wait = next(script)
    wait = wait if isinstance(wait, Wait) else script.send(None)
    assert wait.step is Step.JUDGING and isinstance(wait.request, EvidenceWanted)
    return wait.request


def come_to(script: Any, found: list[object]) -> Any:
    with pytest.raises(StopIteration) as done:
        script.send(found)
    return done.value.value


def test_evidence_that_is_missing_is_waited_for_and_judged_by() -> None:
    """The peer that passes is returned with what was asked about it."""
    hs, request = context(Role.CLIENT), fetching()
    script = judge(hs, request)
    wanted = wanted_by(script)
    assert [each.locations for each in wanted.wants] == [(LISTS,)]
    verified = come_to(script, evidence_found(wanted, [pki.crl(CA)]))
    assert isinstance(verified, Verified) and verified.request == request
    assert verified.peer.names.dns == ("localhost",)


def test_an_answer_that_is_missing_leaves_the_status_unknown() -> None:
    """Which refuses, unless the policy says otherwise."""
    for unknown, passes in (("refuse", False), ("accept", True)):
        script = judge(context(Role.CLIENT), fetching(revocation={"unknown": unknown}))
        found = evidence_found(wanted_by(script), None, "no answer within 5 seconds")
        if passes:
            assert come_to(script, found).peer.verdict.accepts_unknown
            continue
        with pytest.raises(Blame) as caught:
            script.send(found)
        assert caught.value.fault is Fault.REVOCATION_UNKNOWN
        assert "no answer within 5 seconds" in str(caught.value.facts["problem"])


@pytest.mark.parametrize(("left", "seconds"), [(30.0, 5.0), (2.0, 2.0), (0.0, 0.0), (-1.0, 0.0)])
def test_nothing_is_waited_for_beyond_the_deadline(left: float, seconds: float) -> None:
    """As long as the policy says, and never longer than there is time."""
    hs = context(Role.CLIENT)
    wanted = wanted_by(reach_verdict(hs, fetching(), hs.clock.monotonic() + left))
    assert wanted.seconds == seconds


def test_nothing_is_fetched_for_a_request_that_may_not() -> None:
    """A peer that has not proved its key has no word that anybody is asked on."""
    judgement = finish(reach_verdict(context(Role.CLIENT), fetching(may_fetch=False), 0.0))
    assert isinstance(judgement.verdict, Refused) and judgement.verdict.wants == ()
    with pytest.raises(Blame):
        conclude(fetching(), judgement)


def test_a_judgement_knows_the_generation_of_its_evidence() -> None:
    """What is added afterwards is new, so that the peer is judged again."""
    lists = CRLStore([CRL(pki.crl(CA))])
    request = fetching(revocation={"crls": lists})
    verified = finish(judge(context(Role.CLIENT), request))
    assert verified.generation == request.generation
    lists.add(CRL(pki.crl(CA, number=2)))
    assert verified.generation != request.generation


def test_available_evidence_refuses_and_evidence_that_may_be_fetched_does_not() -> None:
    """While an answer is awaited: a revocation that comes to hand counts at once."""
    hs, lists = context(Role.CLIENT), CRLStore()
    request = fetching(revocation={"crls": lists})
    assert check_at_hand(hs, request) == request.generation
    lists.add(CRL(pki.crl(CA, SERVER)))
    with pytest.raises(Blame) as caught:
        check_at_hand(hs, request)
    assert caught.value.fault is Fault.REVOKED


# -- peers of earlier sessions ---------------------------------------------------------------------------------


def test_a_peer_of_an_earlier_session_passes_by_what_is_at_hand() -> None:
    """Nothing is waited for; and it says when it signed."""
    hs = context(Role.CLIENT)
    at = hs.clock.now()
    request = asked(credentials("localhost").chain, "localhost")._replace(proved_at=at)
    known = known_to_pass(hs, request)
    assert known is not None and known.peer.proved_at == at
    assert known_to_pass(hs, asked(credentials("localhost").chain, "a.example")) is None


@pytest.mark.parametrize("unknown", ["refuse", "accept"])
def test_a_peer_of_an_earlier_session_of_whom_something_is_unknown_does_not_pass(unknown: str) -> None:
    """What would have to be fetched is not, and what is accepted of a peer that signs is not of one that does not."""
    assert known_to_pass(context(Role.SERVER), fetching(revocation={"unknown": unknown})) is None


def test_a_peer_that_was_judged_a_moment_ago_is_judged_again_if_anything_is_new() -> None:
    notes: list[Note] = []
    hs = context(Role.SERVER, notes)
    store = CRLStore([CRL(pki.crl(CA))])
    request = fetching(revocation={"crls": store, "fetch": None})
    known = known_to_pass(hs, request)
    assert known is not None and not notes
    assert finish(judge_if_due(hs, known)) is known
    assert [note.step for note in notes if isinstance(note, Judged)] == ["3.3"]
    store.add(CRL(pki.crl(CA, number=2)))
    anew = finish(judge_if_due(hs, known))
    assert anew is not known and anew.generation == request.generation != known.generation
    assert isinstance(hs.clock, FrozenClock)
    hs.clock.pass_time(400 * 86_400)
    with pytest.raises(Blame):
        finish(judge_if_due(hs, anew))
