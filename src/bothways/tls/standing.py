"""Whether the peer of an open connection still passes: when that has to be looked at, and judging it anew.

A peer is judged once in the handshake. Its certificate ends, evidence ages and revocations come later.
"""

from __future__ import annotations

from collections.abc import Sequence

from bothways.tls.events import Caution, Event, EvidenceWanted, Peer, Warned
from bothways.tls.handshake.config import Terms
from bothways.tls.handshake.script import (
    Handshake,
    Question,
    Script,
    check_at_hand,
    evidence_found,
    judge_with_fetching,
)
from bothways.trust.evidence.asking import Answer
from bothways.trust.evidence.gathered import Gathered

# How long at most until the clock on the wall is looked at again: it may be set, or the machine may sleep.
LOOK_SECONDS = 3600.0


class Standing:
    """How a peer that passed once stands now. `peer` has the verdict of the last time that it was judged.

    `request` is the evidence that a judgement waits for, None while it waits for none. Data goes on meanwhile:
    nothing is known against the peer yet, and the wait is no longer than a handshake may take.
    """

    def __init__(self, hs: Handshake, terms: Terms, peer: Peer, question: Question) -> None:
        self._hs = hs
        self._terms = terms
        self._clock = terms.clock
        self._may_fetch = question.gathered is not None
        self._question = question._replace(gathered=None)  # what was fetched for the handshake is let go
        self._script: Script[Peer] | None = None
        self._answer_by = 0.0
        self.peer = peer
        self.request: EvidenceWanted | None = None

    @property
    def evidence_changed(self) -> bool:
        """Whether there is other evidence than the peer was judged by, where that is heeded."""
        return self._terms.judge_again == "change" and self._hs.evidence_seen != self._hs.evidence_generation

    def next_look(self) -> float | None:
        """Return when to `look`, on the scale of the monotonic clock; None for never."""
        if self.request is not None:
            return self._answer_by
        if self._terms.judge_again == "never":
            return None
        wait = 0.0 if self.evidence_changed else max(self._left(), 0.0) + 1
        return self._clock.monotonic() + min(wait, LOOK_SECONDS)

    def look(self) -> list[Event]:
        """Judge where that is due; a judgement that waited long enough goes on with what it has."""
        if self.request is not None and self._clock.monotonic() >= self._answer_by:
            late = f"no answer within {self.request.seconds:g} seconds"
            return self._go_on(evidence_found(self.request, None, late))
        is_due = self.evidence_changed or (self._terms.judge_again != "never" and self._left() < 0)
        return self.judge() if is_due else []

    def judge(self) -> list[Event]:
        """Judge by the evidence and the clock of this moment, and blame the peer if it no longer passes.

        Returns what a user should know or has to provide. A judgement that waits goes on waiting, unless what
        is at hand by now is enough to refuse.
        """
        if self.request is not None:
            check_at_hand(self._hs, self._question)
            return []
        self._question = self._question._replace(gathered=Gathered() if self._may_fetch else None)
        self._hs.deadline = self._clock.monotonic() + self._terms.handshake_timeout
        self._script = judge_with_fetching(self._hs, self._question)
        return self._go_on(None)

    def provide(self, answers: Sequence[Answer] | None) -> list[Event]:
        """Go on with what was found for `request`."""
        return [] if self.request is None else self._go_on(evidence_found(self.request, answers))

    def _go_on(self, value: object) -> list[Event]:
        if self._script is None:
            raise TypeError("nothing is being judged")
        self.request = None
        try:
            wait = self._script.send(value)
        except StopIteration as done:
            return self._judged(done.value)
        request = getattr(wait, "request", None)
        if not isinstance(request, EvidenceWanted):
            raise TypeError("a judgement waits for evidence and nothing else")
        self.request = request
        self._answer_by = self._clock.monotonic() + request.seconds
        return [request]

    def _judged(self, peer: Peer) -> list[Event]:
        """Keep the new verdict, and let go of what it was made from."""
        self._script = None
        self._question = self._question._replace(gathered=None)
        before, self.peer = self.peer.verdict, peer
        news = peer.verdict.accepts_unknown and not before.accepts_unknown
        return [Warned(Caution.REVOCATION_UNKNOWN)] if news else []

    def _left(self) -> float:
        """Return for how many seconds the verdict holds; below zero where it has lapsed."""
        return (self.peer.verdict.valid_until - self._clock.now()).total_seconds()
