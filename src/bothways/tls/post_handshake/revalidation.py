"""Whether the peer of an open connection still passes: when that has to be looked at, and judging it anew.

A peer is judged once in the handshake. Its certificate ends, evidence ages and revocations come later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bothways.faults import Fault
from bothways.tls.events import Caution, ChecksWanted, Event, EvidenceWanted, Warned
from bothways.tls.handshake.config import Terms
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.script import Script, Wait
from bothways.tls.handshake.verification import (
    Judgement,
    check_at_hand,
    conclude,
    evidence_found,
    reach_verdict,
)
from bothways.trust.evidence.asking import Answer, Found
from bothways.trust.evidence.renewal import ahead
from bothways.trust.verdict import Refused

# How long at most until the clock on the wall is looked at again: it may be set, or the machine may sleep.
LOOK_SECONDS = 3600.0
# A verdict with more time left than this is renewed ahead of its end, where evidence can be fetched for it.
AHEAD = timedelta(minutes=4)


class Standing:
    """How a peer that passed once stands now. `peer` has the verdict of the last time that it was judged.

    `request` is what a judgement waits for, evidence or checks, None while there is nothing. Data goes on meanwhile:
    nothing is known against the peer yet, and the wait is no longer than a handshake may take.
    """

    def __init__(self, hs: HandshakeContext, terms: Terms, verified: Verified) -> None:
        self._hs = hs
        self._terms = terms
        self._clock = terms.clock
        self._asked = verified.request
        self._generation = verified.generation
        self._script: Script[Judgement] | None = None
        self._answer_by = 0.0
        self._in_time = False
        self.peer = verified.peer
        self.request: EvidenceWanted | ChecksWanted | None = None
        self._look_at = self._next_time()

    @property
    def evidence_changed(self) -> bool:
        """Whether there is other evidence than the peer was judged by, where that is heeded."""
        return self._terms.judge_again == "change" and self._generation != self._asked.generation

    def next_look(self) -> float | None:
        """Return when to `look`, on the scale of the monotonic clock; None for never."""
        if self.request is not None:
            return self._answer_by
        if self._terms.judge_again == "never":
            return None
        left = (self._look_at - self._clock.now()).total_seconds()
        wait = 0.0 if self.evidence_changed else max(left, 0.0) + 1
        return self._clock.monotonic() + min(wait, LOOK_SECONDS)

    def look(self) -> list[Event]:
        """Judge where that is due; a judgement that waited long enough goes on with what it has."""
        if self.request is not None and self._clock.monotonic() >= self._answer_by:
            return self._go_on(self._missing(self.request))
        if self.evidence_changed:
            return self.judge()
        if self._terms.judge_again == "never" or self._clock.now() <= self._look_at:
            return []
        return self.judge(in_time=self._clock.now() <= self.peer.verdict.valid_until)

    def judge(self, *, in_time: bool = False) -> list[Event]:
        """Judge by the evidence and the clock of this moment, and blame the peer if it no longer passes.

        Returns what a user should know or has to provide. A judgement that waits goes on waiting, unless what
        is at hand by now is enough to refuse.  in_time: the verdict still holds, and is to be renewed in time;
        evidence that cannot be had then takes nothing away from it.
        """
        if self.request is not None:
            self._in_time = self._in_time and in_time
            self._generation = check_at_hand(self._hs, self._asked)
            return []
        self._in_time = in_time
        deadline = self._clock.monotonic() + self._terms.handshake_timeout
        self._script = reach_verdict(self._hs, self._asked, deadline)
        return self._go_on(None)

    def provide(self, answers: Sequence[Answer] | None) -> list[Event]:
        """Go on with what was found for `request`."""
        if self.request is None:
            return []
        if isinstance(self.request, ChecksWanted):
            return self._go_on(None)
        return self._go_on(evidence_found(self.request, answers))

    def _missing(self, request: EvidenceWanted | ChecksWanted) -> list[Found] | None:
        """Return what stands in for an answer that is late; checks that were not made are wanted again."""
        if isinstance(request, ChecksWanted):
            return None
        return evidence_found(request, None, f"no answer within {request.seconds:g} seconds")

    def _go_on(self, value: object) -> list[Event]:
        if self._script is None:
            raise TypeError("nothing is being judged")
        self.request = None
        try:
            wait = self._script.send(value)
        except StopIteration as done:
            return self._judged(done.value)
        request = wait.request if isinstance(wait, Wait) else None
        if not isinstance(request, EvidenceWanted | ChecksWanted):
            raise TypeError("a judgement waits for evidence and for checks alone")
        self.request = request
        seconds = request.seconds if isinstance(request, EvidenceWanted) else self._terms.handshake_timeout
        self._answer_by = self._clock.monotonic() + seconds
        return [request]

    def _judged(self, judgement: Judgement) -> list[Event]:
        """Keep the new verdict, and let go of what it was made from."""
        self._script = None
        self._generation = judgement.generation
        verdict = judgement.verdict
        faults = {each.fault for each in verdict.reasons} if isinstance(verdict, Refused) else set()
        nothing_known = self._holds_on and faults == {Fault.REVOCATION_UNKNOWN}
        peer = self.peer if nothing_known else conclude(self._asked, judgement).peer
        before = self.peer.verdict
        news = peer.verdict.accepts_unknown and not before.accepts_unknown
        if not (news and self._holds_on):
            self.peer = peer
        self._look_at = self._next_time()
        return [Warned(Caution.REVOCATION_UNKNOWN)] if self.peer is peer and news else []

    @property
    def _holds_on(self) -> bool:
        """Whether the verdict before this judgement holds as long as nothing is known against it."""
        return self._in_time and self._clock.now() <= self.peer.verdict.valid_until

    def _next_time(self) -> datetime:
        """Return when the verdict is looked at: at its end, or ahead of it where evidence can be fetched.

        Then many connections do not ask one responder at once, and a failure of it has time to pass.
        """
        now, until = self._clock.now(), self.peer.verdict.valid_until
        if self._terms.judge_again == "never" or not self._asked.may_fetch or until - now <= AHEAD:
            return until
        return ahead(now, until, self._hs.draws.random)
