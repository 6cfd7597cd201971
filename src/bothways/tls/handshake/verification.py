"""Judging the peer as a part of a script: waiting for evidence and for checks that take long, then concluding.

A `Verified` can only be had from a verdict that trusts the peer; everything else blames it, with every reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bothways.faults import Blame
from bothways.tls.events import ChecksWanted, EvidenceWanted, Judged, Peer
from bothways.tls.handshake.access import admit
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.script import Enter, Script, Wait
from bothways.tls.handshake.settings import PeerTrust
from bothways.tls.handshake.steps import LEGAL, Step
from bothways.trust.evidence.fetched import ROUNDS, FetchedEvidence
from bothways.trust.evidence.http_exchange import EvidenceReply, Found, Missing, read_reply, with_nonces
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import EvidenceRequest, Refused, Verdict

# Each round may find more to check, such as the CRL of a CRL's signer; what is left then is checked at once.
CHECK_ROUNDS = 8

_JUDGING = Enter(Step.JUDGING)


class Judgement(NamedTuple):
    """A verdict, and the generation of the evidence that it was reached by."""

    verdict: Verdict
    generation: int


def judge(hs: HandshakeContext, request: VerificationRequest) -> Script[Verified]:
    """Judge the peer's certificates, or blame it for every reason at once (steps 2.3 and 3.3)."""
    yield _JUDGING
    judgement = yield from reach_verdict(hs, request, hs.deadline)
    return conclude(request, judgement)


def judge_client(
    hs: HandshakeContext, trust: PeerTrust | None, request: VerificationRequest | None
) -> Script[Verified | None]:
    """Judge a client that proved its key, and ask whether it may come in; without a request it is anonymous."""
    if trust is None:
        return None
    verified = None
    if request is not None:
        verified = yield from judge(hs, request)
    elif trust.decide is not None:
        yield _JUDGING
    admit(trust.decide, None if verified is None else verified.peer)
    return verified


def reach_verdict(hs: HandshakeContext, request: VerificationRequest, deadline: float) -> Script[Judgement]:
    """Judge, and as long as evidence is wanted wait for it and judge again by all that there is then.

    deadline: when nothing more is waited for, on the monotonic clock.
    """
    fetched = FetchedEvidence() if request.may_fetch else None
    judgement = yield from _checked(hs, request, fetched)
    for _ in range(ROUNDS):
        if not judgement.verdict.wants or fetched is None:
            break
        wanted = _wanted(hs, request, judgement.verdict.wants, deadline)
        found: Sequence[Found] = yield Wait(Step.JUDGING, wanted)
        fetched.take(wanted.wants, found)
        judgement = yield from _checked(hs, request, fetched)
    _tell(hs, judgement.verdict)
    return judgement


def check_at_hand(hs: HandshakeContext, request: VerificationRequest) -> int:
    """Blame the peer if it is refused by what is known already, whatever may yet be fetched.

    Returns the generation of the evidence that was looked at.
    """
    fetched = FetchedEvidence() if request.may_fetch else None
    judgement = _judged(hs, request, fetched, defer=hs.defers_checks)
    verdict = judgement.verdict
    if isinstance(verdict, Refused) and not verdict.wants and not verdict.checks:
        _tell(hs, verdict)
        conclude(request, judgement)
    return judgement.generation


def known_to_pass(hs: HandshakeContext, request: VerificationRequest) -> Verified | None:
    """Return the peer of an earlier session if all that is at hand says now that it passes; None for anything less.

    Nothing is waited for, and what is not known counts as much against it as what is known.
    """
    judgement = _judged(hs, request, None, defer=True)
    if isinstance(judgement.verdict, Refused) or judgement.verdict.accepts_unknown:
        return None
    return conclude(request, judgement)


def judge_if_due(hs: HandshakeContext, verified: Verified) -> Script[Verified]:
    """Look at a peer that was judged a moment ago: again, if the clock or the evidence says anything new."""
    verdict = verified.peer.verdict
    if hs.clock.now() > verdict.valid_until or verified.generation != verified.request.generation:
        return (yield from judge(hs, verified.request))
    yield _JUDGING
    _tell(hs, verdict)
    return verified


def conclude(request: VerificationRequest, judgement: Judgement) -> Verified:
    """Return the peer that a verdict trusts, or blame it for every reason at once."""
    verdict = judgement.verdict
    if isinstance(verdict, Refused):
        first = verdict.reasons[0]
        raise Blame(first.fault, first.facts, verdict.reasons, verdict.left_out)
    return Verified(Peer(verdict, request.proved_at), request, judgement.generation)


def evidence_found(
    wanted: EvidenceWanted, answers: Sequence[EvidenceReply] | None, problem: str = "it could not be obtained"
) -> list[Found]:
    """Return what was found for each request; without answers all of it is missing, for a problem."""
    policy = wanted.policy
    if answers is None:
        return [Missing(f"{each.locations[0]}: {problem}") for each in wanted.wants]
    return [
        read_reply(
            request, answer, wanted.at, policy.limit(request), requires_nonce=policy.nonce == "require"
        )
        for request, answer in zip(wanted.wants, answers, strict=True)
    ]


def _checked(
    hs: HandshakeContext, request: VerificationRequest, fetched: FetchedEvidence | None
) -> Script[Judgement]:
    """Judge, after waiting for checks that take long where whoever drives us makes them."""
    for _ in range(CHECK_ROUNDS if hs.defers_checks else 0):
        judgement = _judged(hs, request, fetched, defer=True)
        if not judgement.verdict.checks:
            return judgement
        yield Wait(Step.JUDGING, ChecksWanted(judgement.verdict.checks))
    return _judged(hs, request, fetched)


def _judged(
    hs: HandshakeContext,
    request: VerificationRequest,
    fetched: FetchedEvidence | None,
    *,
    defer: bool = False,
) -> Judgement:
    generation = request.generation
    return Judgement(request.verify(hs.clock.now(), fetched, defer=defer), generation)


def _wanted(
    hs: HandshakeContext, request: VerificationRequest, requests: Sequence[EvidenceRequest], deadline: float
) -> EvidenceWanted:
    """Ask whoever drives us for evidence; each OCSP request has a nonce of its own (RFC 9654)."""
    policy = None if request.revocation is None else request.revocation.fetch
    if policy is None:
        raise TypeError("evidence is wanted that nobody may fetch")
    if policy.nonce != "none":
        requests = with_nonces(requests, hs.randomness.random)
    seconds = min(policy.seconds, max(deadline - hs.clock.monotonic(), 0.0))
    return EvidenceWanted(tuple(requests), policy, hs.clock.now(), seconds)


def _tell(hs: HandshakeContext, verdict: Verdict) -> None:
    if hs.observer is not None:
        hs.observer(Judged(LEGAL[hs.role][Step.JUDGING].id, verdict))
