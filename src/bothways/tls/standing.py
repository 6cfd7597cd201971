"""Whether the peer of an open connection still passes: when that has to be looked at, and judging it anew.

A peer is judged once in the handshake. Its certificate ends, evidence ages and revocations come later.
"""

from __future__ import annotations

from bothways.tls.events import Caution, Peer
from bothways.tls.handshake.config import Terms
from bothways.tls.handshake.script import Handshake, Question, judge_now

# How long at most until the clock on the wall is looked at again: it may be set, or the machine may sleep.
LOOK_SECONDS = 3600.0


class Standing:
    """How a peer that passed once stands now. `peer` has the verdict of the last time that it was judged."""

    def __init__(self, hs: Handshake, terms: Terms, peer: Peer, question: Question) -> None:
        self._hs = hs
        self._terms = terms
        self._question = question
        self.peer = peer

    @property
    def evidence_changed(self) -> bool:
        """Whether there is other evidence than the peer was judged by, where that is heeded."""
        return self._terms.judge_again == "change" and self._hs.evidence_seen != self._hs.evidence_generation

    @property
    def is_due(self) -> bool:
        """Whether the peer has to be judged now."""
        return self.evidence_changed or (self._terms.judge_again != "never" and self._left() < 0)

    def next_look(self) -> float | None:
        """Return when to ask whether it is due, on the scale of the monotonic clock; None for never."""
        if self._terms.judge_again == "never":
            return None
        wait = 0.0 if self.evidence_changed else max(self._left(), 0.0) + 1
        return self._terms.clock.monotonic() + min(wait, LOOK_SECONDS)

    def judge(self) -> list[Caution]:
        """Judge by the evidence and the clock of this moment, or blame the peer; returns what a user should know."""
        before = self.peer.verdict
        self.peer = judge_now(self._hs, self._question)
        news = self.peer.verdict.accepts_unknown and not before.accepts_unknown
        return [Caution.REVOCATION_UNKNOWN] if news else []

    def _left(self) -> float:
        """Return for how many seconds the verdict holds; below zero where it has lapsed."""
        return (self.peer.verdict.valid_until - self._terms.clock.now()).total_seconds()
