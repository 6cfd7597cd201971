"""Whether the peer of an open connection still passes: when that has to be looked at, and judging it anew.

A peer is judged once in the handshake. Its certificate ends, evidence ages and revocations come later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bothways.faults import Fault
from bothways.tls.clock import Clock
from bothways.tls.events import Caution, Event, Peer, Warned
from bothways.tls.handshake.access import admit
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.script import Script
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.verification import check_at_hand, conclude, reach_verdict
from bothways.tls.runner import ScriptRunner
from bothways.trust.evidence.jitter import renewal_time
from bothways.trust.verdict import Refused, Verdict

# How long at most until the clock on the wall is looked at again: it may be set, or the machine may sleep.
LOOK_SECONDS = 3600.0
# A verdict with more time left than this is renewed ahead of its end, where evidence can be fetched for it.
AHEAD = timedelta(minutes=4)


class Revalidation:
    """How a peer that passed once stands now. `peer` has the verdict of the last time that it was judged.

    `runner` has the judgement that is under way, None while there is none. Data goes on meanwhile: nothing is known
    against the peer yet, and the wait is no longer than a handshake may take. `deadline` says when to `look`, on the
    scale of the monotonic clock; None for never.
    """

    def __init__(self, hs: HandshakeContext, settings: Settings, verified: Verified) -> None:
        self._hs = hs
        self._timeout = settings.limits.handshake_timeout
        self._judge_again = "never" if settings.trust is None else settings.trust.judge_again
        self._decide = None if settings.trust is None else settings.trust.decide
        self._clock = settings.clock
        self._verified = verified
        self._in_time = False
        self._look_at = self._next_time()
        self.runner: ScriptRunner[Verified] | None = None
        self.deadline = self._next_look()

    @property
    def peer(self) -> Peer:
        """The peer as it was judged last."""
        return self._verified.peer

    @property
    def evidence_changed(self) -> bool:
        """Whether there is other evidence than the peer was judged by, where that is heeded."""
        verified = self._verified
        return self._judge_again == "change" and verified.generation != verified.request.generation

    def look(self) -> Sequence[Event]:
        """Judge where that is due."""
        if self.evidence_changed:
            return self.judge()
        if self._judge_again == "never" or self._clock.now() <= self._look_at:
            self.deadline = self._next_look()
            return ()
        return self.judge(in_time=self._clock.now() <= self.peer.verdict.valid_until)

    def judge(self, *, in_time: bool = False) -> Sequence[Event]:
        """Judge by the evidence and the clock of this moment, and blame the peer if it no longer passes.

        Returns what a user should know or has to provide. A judgement that waits goes on waiting, unless what
        is at hand by now is enough to refuse.  in_time: the verdict still holds, and is to be renewed in time;
        evidence that cannot be had then takes nothing away from it.
        """
        if self.runner is not None:
            self._in_time = self._in_time and in_time
            self._seen(check_at_hand(self._hs, self._verified.request))
            return ()
        self._in_time = in_time
        self._seen(self._verified.request.generation)
        patience = self._timeout
        script = self._judged_anew(self._clock.monotonic() + patience)
        self.runner = ScriptRunner(script, self._clock, self._keep, patience=patience)
        self.deadline = None
        return self.runner.resume()

    def _judged_anew(self, deadline: float) -> Script[Verified]:
        """Judge, and hold on to the verdict of before where it holds and nothing is known against it; ask who may."""
        request = self._verified.request
        judgement = yield from reach_verdict(self._hs, request, deadline)
        verified = self._verified._replace(generation=judgement.generation)
        if not (self._holds_on and _is_unknown(judgement.verdict)):
            anew = conclude(request, judgement)
            verified = verified if self._holds_on and self._is_news(anew) else anew
        admit(self._decide, verified.peer)
        return verified

    def _keep(self, verified: Verified) -> Sequence[Event]:
        """Keep the new verdict; what it was made from goes with its script."""
        self.runner = None
        news = self._is_news(verified)
        self._verified = verified
        self._look_at = self._next_time()
        self.deadline = self._next_look()
        return (Warned(Caution.REVOCATION_UNKNOWN),) if news else ()

    def _seen(self, generation: int) -> None:
        """Count evidence up to this generation as looked at."""
        self._verified = self._verified._replace(generation=generation)

    def _is_news(self, verified: Verified) -> bool:
        """Whether the status has become unknown that was known before."""
        return verified.peer.verdict.accepts_unknown and not self.peer.verdict.accepts_unknown

    @property
    def _holds_on(self) -> bool:
        """Whether the verdict before this judgement holds as long as nothing is known against it."""
        return self._in_time and self._clock.now() <= self.peer.verdict.valid_until

    def _next_look(self) -> float | None:
        if self._judge_again == "never":
            return None
        left = (self._look_at - self._clock.now()).total_seconds()
        wait = 0.0 if self.evidence_changed else max(left, 0.0) + 1
        return self._clock.monotonic() + min(wait, LOOK_SECONDS)

    def _next_time(self) -> datetime:
        """Return when the verdict is looked at: at its end, or ahead of it where evidence can be fetched.

        Then many connections do not ask one responder at once, and a failure of it has time to pass.
        """
        now, until = self._clock.now(), self.peer.verdict.valid_until
        never = self._judge_again == "never"
        if never or not self._verified.request.may_fetch or until - now <= AHEAD:
            return until
        return renewal_time(now, until, self._hs.randomness.random)


class AnonymousRevalidation:
    """A client without a certificate that was let in: nothing of it lapses, but who decides is asked about it again.

    The rest is as for `Revalidation`.
    """

    peer: Peer | None = None
    runner: ScriptRunner[Verified] | None = None

    def __init__(self, trust: PeerTrust, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._generation = trust.generation
        self.deadline = self._next_look()

    @property
    def evidence_changed(self) -> bool:
        """Whether anchors or evidence have changed since it was asked about, where that is heeded."""
        return self._trust.judge_again == "change" and self._trust.generation != self._generation

    def look(self) -> Sequence[Event]:
        """Ask where that is due."""
        if self.evidence_changed:
            return self.judge()
        self.deadline = self._next_look()
        return ()

    def judge(self) -> Sequence[Event]:
        """Ask again, and blame the client if it may not stay."""
        self._generation = self._trust.generation
        self.deadline = self._next_look()
        admit(self._trust.decide, None)
        return ()

    def _next_look(self) -> float | None:
        return None if self._trust.judge_again != "change" else self._clock.monotonic() + LOOK_SECONDS


def revalidation_of(
    hs: HandshakeContext, settings: Settings, verified: Verified | None
) -> Revalidation | AnonymousRevalidation | None:
    """Return what has the peer of an open connection judged again; None where nobody is judged or decided about."""
    if verified is not None:
        return Revalidation(hs, settings, verified)
    trust = settings.trust
    if trust is None or trust.decide is None:
        return None
    return AnonymousRevalidation(trust, settings.clock)


def _is_unknown(verdict: Verdict) -> bool:
    """Whether an unknown status is all that there is against a path."""
    return isinstance(verdict, Refused) and {each.fault for each in verdict.reasons} == {
        Fault.REVOCATION_UNKNOWN
    }
