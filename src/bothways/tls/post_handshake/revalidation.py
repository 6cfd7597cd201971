"""Repeated verification of the peer of an open connection: when it is due, and the verification itself.

A peer is verified once in the handshake. Later its certificate may expire or be revoked, and evidence gets outdated.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bothways.faults import Fault, blame
from bothways.tls.clock import Clock
from bothways.tls.events import Caution, Event, Peer, Warned
from bothways.tls.handshake.access import admit
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.script import Script
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.verification import (
    blame_if_revoked_like_another,
    check_at_hand,
    conclude,
    judged_by,
    reach_verdict,
)
from bothways.tls.runner import ScriptRunner
from bothways.trust.evidence.jitter import renewal_time
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Refused, Verdict

# The longest wait between two looks at the wall clock, which may be set, or stop while the machine sleeps.
LOOK_SECONDS = 3600.0
# A verdict that is valid for longer than this is renewed before its end, if evidence can be fetched.
AHEAD = timedelta(minutes=4)


class Revalidation:
    """Verifies the peer of an open connection again. `peer` has the latest verdict.

    runner: the verification that is running, None without one; meanwhile data is still sent and received.  deadline:
    when to call `judge_if_due`, on the monotonic clock; None for never.
    """

    def __init__(self, hs: HandshakeContext, settings: Settings, verified: Verified) -> None:
        self._hs = hs
        self._timeout = settings.limits.handshake_timeout
        self._clock = settings.clock
        self._verified = verified
        self._in_time = False
        self._is_due = False
        self._use_trust(settings.trust_when_open)
        self._look_at = self._next_time()
        self.runner: ScriptRunner[Verified] | None = None
        self.deadline = self._next_judging()

    @property
    def peer(self) -> Peer:
        """The peer, with the latest verdict."""
        return self._verified.peer

    @property
    def evidence_changed(self) -> bool:
        """Whether the evidence has changed since the peer was verified, and `judge_again` reacts to that."""
        verified = self._verified
        has_changed = self._judge_again == "change" and verified.generation != verified.request.generation
        return self._is_due or has_changed

    def is_due(self, now: float) -> bool:
        """Whether `judge_if_due` is to be called. now: on the monotonic clock; the other one may have been set."""
        if self.deadline is None:
            return False
        return now >= self.deadline or (self._judge_again != "never" and self._clock.now() > self._look_at)

    def judge_by(self, settings: Settings) -> None:
        """Verify the peer soon with other settings, even while a verification with the old ones is running."""
        trust = settings.trust_when_open
        if trust is None:
            raise TypeError("settings that verify nobody")
        if self.runner is not None:
            self.runner.close()
            self.runner = None
        request = judged_by(self._verified.request, trust)
        self._verified = self._verified._replace(request=request)
        self._use_trust(trust)
        self._is_due = True
        self.deadline = self._next_judging()

    def judge_if_due(self) -> Sequence[Event]:
        """Verify again, if that is due."""
        if self.evidence_changed:
            return self.judge()
        if self._judge_again == "never" or self._clock.now() <= self._look_at:
            self.deadline = self._next_judging()
            return ()
        return self.judge(in_time=self._clock.now() <= self.peer.verdict.valid_until)

    def judge(self, *, in_time: bool = False) -> Sequence[Event]:
        """Verify with the current evidence and time, and blame the peer if it is no longer accepted.

        Returns the events that follow. If a verification is already waiting for evidence, it continues to wait, unless
        the evidence at hand is enough to refuse the peer.  in_time: the verdict is still valid and is only renewed
        before its end; it then stays valid if no evidence can be fetched.
        """
        if self.runner is not None:
            self._in_time = self._in_time and in_time
            self._seen(check_at_hand(self._hs, self._verified.request))
            return ()
        self._in_time = in_time
        self._is_due = False
        self._seen(self._verified.request.generation)
        patience = self._timeout
        script = self._judged_again(self._clock.monotonic() + patience)
        self.runner = ScriptRunner(script, self._clock, self._keep, patience=patience)
        self.deadline = None
        return self.runner.resume()

    def _use_trust(self, trust: PeerTrust | None) -> None:
        self._judge_again = "never" if trust is None else trust.judge_again
        self._decide = None if trust is None else trust.decide
        self._trust = trust

    def _judged_again(self, deadline: float) -> Script[Verified]:
        """Verify; keep a verdict that is still valid if nothing speaks against it; check authorization again."""
        request, began, trust = self._verified.request, self._clock.now(), self._trust
        if trust is not None:
            blame_if_revoked_like_another(self._hs, trust, request, self.peer.verdict)
        judgement = yield from reach_verdict(self._hs, request, deadline)
        if trust is not None and isinstance(request, VerificationRequest):
            trust.together.note(request, judgement.verdict, judgement.generation, began)
        verified = self._verified._replace(generation=judgement.generation)
        if not (self._is_still_valid and _is_unknown(judgement.verdict)):
            anew = conclude(request, judgement)
            verified = verified if self._is_still_valid and self._became_unknown(anew) else anew
        admit(self._decide, verified.peer)
        return verified

    def _keep(self, verified: Verified) -> Sequence[Event]:
        """Store the new verdict."""
        self.runner = None
        news = self._became_unknown(verified)
        self._verified = verified
        self._look_at = self._next_time()
        self.deadline = self._next_judging()
        return (Warned(Caution.REVOCATION_UNKNOWN),) if news else ()

    def _seen(self, generation: int) -> None:
        """Record that the evidence up to this generation was used."""
        self._verified = self._verified._replace(generation=generation)

    def _became_unknown(self, verified: Verified) -> bool:
        """Whether the revocation status was known before and is unknown now."""
        return verified.peer.verdict.accepts_unknown and not self.peer.verdict.accepts_unknown

    @property
    def _is_still_valid(self) -> bool:
        """Whether the earlier verdict is still valid, so that it may be kept."""
        return self._in_time and self._clock.now() <= self.peer.verdict.valid_until

    def _next_judging(self) -> float | None:
        if self._judge_again == "never" and not self._is_due:
            return None
        left = (self._look_at - self._clock.now()).total_seconds()
        wait = 0.0 if self.evidence_changed else max(left, 0.0) + 1
        return self._clock.monotonic() + min(wait, LOOK_SECONDS)

    def _next_time(self) -> datetime:
        """Return when the verdict is to be renewed: at its end, or earlier if evidence can be fetched.

        The time is random, so that many connections do not query one responder at once, and early, so that a failed
        query can be repeated.
        """
        until = self.peer.verdict.valid_until
        if self._judge_again == "never" or not self._verified.request.may_fetch:
            return until
        now = self._clock.now()
        return until if until - now <= AHEAD else renewal_time(now, until, self._hs.randomness.random)


class AnonymousRevalidation:
    """An open connection with an anonymous client: there is no verdict to expire, but authorization is checked again.

    The interface is that of `Revalidation`.
    """

    peer: Peer | None = None
    runner: ScriptRunner[Verified] | None = None

    def __init__(self, trust: PeerTrust, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._generation = trust.generation
        self._is_due = False
        self.deadline = self._next_judging()

    @property
    def evidence_changed(self) -> bool:
        """Whether anchors or evidence have changed since the last check, and `judge_again` reacts to that."""
        has_changed = self._trust.judge_again == "change" and self._trust.generation != self._generation
        return self._is_due or has_changed

    def is_due(self, now: float) -> bool:
        """Whether `judge_if_due` is to be called. now: on the monotonic clock."""
        return self.deadline is not None and now >= self.deadline

    def judge_by(self, settings: Settings) -> None:
        """Check authorization soon with other settings."""
        if settings.trust is None:
            raise TypeError("settings that verify nobody")
        self._trust = settings.trust
        self._is_due = True
        self.deadline = self._clock.monotonic()

    def judge_if_due(self) -> Sequence[Event]:
        """Check authorization again, if that is due."""
        if self.evidence_changed:
            return self.judge()
        self.deadline = self._next_judging()
        return ()

    def judge(self) -> Sequence[Event]:
        """Check authorization again, and blame the client if it is no longer allowed."""
        self._is_due = False
        self._generation = self._trust.generation
        self.deadline = self._next_judging()
        if self._trust.requires_certificate:
            blame(Fault.NO_CERTIFICATE)
        admit(self._trust.decide, None)
        return ()

    def _next_judging(self) -> float | None:
        return None if self._trust.judge_again != "change" else self._clock.monotonic() + LOOK_SECONDS


def revalidation_of(
    hs: HandshakeContext, settings: Settings, verified: Verified | None
) -> Revalidation | AnonymousRevalidation | None:
    """Return the repeated verification for an open connection; None if it has neither a verdict nor authorization."""
    if verified is not None:
        return Revalidation(hs, settings, verified)
    trust = settings.trust
    if trust is None or trust.decide is None:
        return None
    return AnonymousRevalidation(trust, settings.clock)


def _is_unknown(verdict: Verdict) -> bool:
    """Whether the only reason against a path is an unknown revocation status."""
    return isinstance(verdict, Refused) and {each.fault for each in verdict.reasons} == {
        Fault.REVOCATION_UNKNOWN
    }
