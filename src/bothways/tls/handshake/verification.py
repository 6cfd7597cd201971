"""Verification of the peer within a script: it waits for evidence and for checks that take long, then decides.

A `Verified` exists only for a verdict that trusts the peer; any other verdict blames the peer, with every reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bothways.faults import Blame
from bothways.tls.events import ChecksWanted, EvidenceWanted, Judged, Peer
from bothways.tls.handshake.access import admit
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.proofs import Signed, SignedByKey
from bothways.tls.handshake.script import Enter, Script, Wait
from bothways.tls.handshake.settings import PeerTrust
from bothways.tls.handshake.steps import LEGAL, Step
from bothways.trust.evidence.fetched import ROUNDS, FetchedEvidence
from bothways.trust.evidence.http_exchange import EvidenceReply, Found, Missing, read_reply, with_nonces
from bothways.trust.keys.external_psks import NO_KEYS, PskRequest
from bothways.trust.keys.pins import NO_PINS, PinnedKeys, PinRequest
from bothways.trust.path.name_matching import ServerName
from bothways.trust.request import PeerRequest, VerificationRequest
from bothways.trust.verdict import EvidenceRequest, Purpose, Refused, Trusted, Verdict

# Each round may find more checks, such as that of the CRL of a CRL issuer; after the last round they run here.
CHECK_ROUNDS = 8

_JUDGING = Enter(Step.JUDGING)


class Judgement(NamedTuple):
    """A verdict, and the generation of the evidence used for it."""

    verdict: Verdict
    generation: int


def request_about(
    signed: Signed | SignedByKey, trust: PeerTrust, purpose: Purpose, name: ServerName | None = None
) -> PeerRequest:
    """Return the verification request for a peer that has signed. name: that of the server."""
    if isinstance(signed, SignedByKey):
        return PinRequest(key=signed.raw_key, pins=pins_of(trust))
    return VerificationRequest(
        chain=signed.chain,
        anchors=trust.anchors,
        purpose=purpose,
        name=name,
        revocation=trust.revocation,
        leaf=signed.leaf,
        staples=signed.staples,
    )


def pins_of(trust: PeerTrust) -> PinnedKeys:
    """Return the pins of a configuration; without any, a set that trusts no key."""
    return NO_PINS if trust.pins is None else trust.pins


def judged_by(request: PeerRequest, trust: PeerTrust) -> PeerRequest:
    """Return the request about the same peer by other trust anchors and evidence, or pins."""
    if isinstance(request, PinRequest):
        return replace(request, pins=pins_of(trust))
    if isinstance(request, PskRequest):
        return replace(request, keys=NO_KEYS if trust.psks is None else trust.psks)
    return request._replace(anchors=trust.anchors, revocation=trust.revocation)


def judge(hs: HandshakeContext, request: PeerRequest) -> Script[Verified]:
    """Verify the peer's certificates; blame the peer with every reason if they are not accepted (steps 2.3 and 3.3)."""
    yield _JUDGING
    judgement = yield from reach_verdict(hs, request, hs.deadline)
    return conclude(request, judgement)


def judge_client(
    hs: HandshakeContext, trust: PeerTrust | None, request: PeerRequest | None
) -> Script[Verified | None]:
    """Verify a client and check that it is allowed to connect. request: None for an anonymous client."""
    if trust is None:
        return None
    verified = None
    if request is not None:
        verified = yield from judge(hs, request)
    elif trust.decide is not None:
        yield _JUDGING
    admit(trust.decide, None if verified is None else verified.peer)
    return verified


def reach_verdict(hs: HandshakeContext, request: PeerRequest, deadline: float) -> Script[Judgement]:
    """Verify; where evidence is missing, wait for it and verify again.

    deadline: the end of waiting, on the monotonic clock.
    """
    fetched = _nothing_fetched(request)
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


def check_at_hand(hs: HandshakeContext, request: PeerRequest) -> int:
    """Blame the peer if the evidence at hand is enough to refuse it; nothing is fetched.

    Returns the generation of this evidence.
    """
    fetched = _nothing_fetched(request)
    judgement = _judged(hs, request, fetched, defer=hs.defers_checks)
    verdict = judgement.verdict
    if isinstance(verdict, Refused) and not verdict.wants and not verdict.checks:
        _tell(hs, verdict)
        conclude(request, judgement)
    return judgement.generation


def blame_if_revoked_like_another(
    hs: HandshakeContext, trust: PeerTrust, request: PeerRequest, verdict: Trusted
) -> None:
    """Blame the peer if it is revoked as another one was before; else nothing is known. verdict: the earlier one."""
    if (
        not isinstance(request, VerificationRequest) or hs.observer is not None
    ):  # who observes gets the whole verdict
        return
    reason = trust.together.reason(request, verdict, hs.clock.now())
    if reason is not None:
        raise Blame(reason.fault, reason.facts, (reason,))


def known_to_pass(hs: HandshakeContext, request: PeerRequest) -> Verified | None:
    """Return the peer of an earlier session if the evidence at hand is enough to accept it now, else None.

    Nothing is fetched and nothing is waited for; an unknown revocation status counts as a refusal.
    """
    judgement = _judged(hs, request, None, defer=True)
    if isinstance(judgement.verdict, Refused) or judgement.verdict.accepts_unknown:
        return None
    return conclude(request, judgement)


def judge_if_due(hs: HandshakeContext, verified: Verified) -> Script[Verified]:
    """Verify the peer again if its verdict has expired or the evidence has changed since."""
    verdict = verified.peer.verdict
    if hs.clock.now() > verdict.valid_until or verified.generation != verified.request.generation:
        return (yield from judge(hs, verified.request))
    yield _JUDGING
    _tell(hs, verdict)
    return verified


def _nothing_fetched(request: PeerRequest) -> FetchedEvidence | None:
    """Return the evidence fetched so far: none; None where nothing may be fetched, or no status is checked."""
    return FetchedEvidence() if request.may_fetch and request.revocation is not None else None


def conclude(request: PeerRequest, judgement: Judgement) -> Verified:
    """Return the peer if the verdict trusts it; else blame the peer with every reason.

    The decoded certificate is not kept: it takes more memory than all else of an open connection.
    """
    verdict = judgement.verdict
    if isinstance(verdict, Refused):
        first = verdict.reasons[0]
        raise Blame(first.fault, first.facts, verdict.reasons, verdict.left_out)
    kept = request._replace(leaf=None) if isinstance(request, VerificationRequest) else request
    return Verified(Peer(verdict, request.proved_at), kept, judgement.generation)


def evidence_found(
    wanted: EvidenceWanted, answers: Sequence[EvidenceReply] | None, problem: str = "it could not be obtained"
) -> list[Found]:
    """Return what was found for each request. answers: None if all is missing because of `problem`."""
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
    hs: HandshakeContext, request: PeerRequest, fetched: FetchedEvidence | None
) -> Script[Judgement]:
    """Verify; where the caller runs the checks that take long, wait for them first."""
    for _ in range(CHECK_ROUNDS if hs.defers_checks else 0):
        judgement = _judged(hs, request, fetched, defer=True)
        if not judgement.verdict.checks:
            return judgement
        yield Wait(Step.JUDGING, ChecksWanted(judgement.verdict.checks))
    return _judged(hs, request, fetched)


def _judged(
    hs: HandshakeContext,
    request: PeerRequest,
    fetched: FetchedEvidence | None,
    *,
    defer: bool = False,
) -> Judgement:
    generation = request.generation
    return Judgement(request.verify(hs.clock.now(), fetched, defer=defer), generation)


def _wanted(
    hs: HandshakeContext, request: PeerRequest, requests: Sequence[EvidenceRequest], deadline: float
) -> EvidenceWanted:
    """Return the request for evidence; each OCSP request gets its own nonce (RFC 9654)."""
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
