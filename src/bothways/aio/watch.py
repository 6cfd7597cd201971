"""The open connections of one configuration, verified again when evidence changes: a few in each turn of the loop.

The evidence is checked once a second for all. A CRL that many verdicts depend on becomes invalid for all at once. So is
the clock: where it was set, or the machine has slept, verdicts may have ended whose timers have not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bothways.aio.turns import turns_of
from bothways.tls.clock import Clock
from bothways.tls.handshake.settings import Settings

LOOK_SECONDS = 1.0
CLOCK_SECONDS = 2.0  # by which the clock and the monotonic one may differ from before

Member = Callable[[], None]


class Watch:
    """Calls a function for each open connection when its peer has to be verified again, a few in each turn of the loop.

    every: how often the evidence and the clock are checked, in seconds; by default `LOOK_SECONDS`.
    follows_evidence: verify when the evidence changes, and not only when a verdict expires.
    """

    def __init__(self, settings: Settings, every: float | None = None) -> None:
        self.clock: Clock = settings.clock
        self._every = LOOK_SECONDS if every is None else every
        trust = settings.trust_when_open
        self._trust = trust if trust is not None and trust.judge_again == "change" else None
        self._seen = 0 if self._trust is None else self._trust.generation
        self.follows_evidence = self._trust is not None
        self._looks = trust is not None and trust.judge_again != "never"
        self._ahead = self._clock_is_ahead()
        self._members: set[Member] = set()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, judge_if_due: Member) -> None:
        """Call `judge_if_due` from here on when the evidence has changed."""
        self._members.add(judge_if_due)
        if self._timer is None and self._looks:
            self._check_later()

    def leave(self, judge_if_due: Member) -> None:
        """Stop calling `judge_if_due`."""
        self._members.discard(judge_if_due)
        turns_of(asyncio.get_running_loop()).drop(judge_if_due)
        if self._timer is not None and not self._members:
            self._timer.cancel()
            self._timer = None

    def call_soon(self, judge_if_due: Member) -> None:
        """Call `judge_if_due` in one of the next turns of the loop, in the order of the calls."""
        turns_of(asyncio.get_running_loop()).verify_soon(judge_if_due)

    def _check_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._check)

    def _check(self) -> None:
        if self._evidence_changed() | self._clock_was_set():
            for judge_if_due in self._members:
                self.call_soon(judge_if_due)
        self._check_later()

    def _evidence_changed(self) -> bool:
        """Whether there is other evidence than at the last call."""
        before = self._seen
        self._seen = 0 if self._trust is None else self._trust.generation
        return self._seen != before

    def _clock_was_set(self) -> bool:
        """Whether the clock has another time than the seconds that have passed since say."""
        ahead = self._clock_is_ahead()
        if abs(ahead - self._ahead) <= CLOCK_SECONDS:
            return False
        self._ahead = ahead
        return True

    def _clock_is_ahead(self) -> float:
        return self.clock.now().timestamp() - self.clock.monotonic()
