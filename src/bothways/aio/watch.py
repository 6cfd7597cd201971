"""The open connections of one configuration, verified again when evidence changes: a few of them per loop iteration.

The evidence is checked once a second for all. A CRL that many verdicts depend on becomes invalid for all at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bothways.tls.clock import Clock
from bothways.tls.handshake.settings import Settings

LOOK_SECONDS = 1.0
PER_TURN = 8

Look = Callable[[], None]


class Watch:
    """Calls a function for each open connection when its peer has to be verified again, a few in each turn of the loop.

    every: how often the evidence is checked, in seconds.
    heeds_news: verify when the evidence changes, and not only when a verdict expires.
    """

    def __init__(self, settings: Settings, every: float = LOOK_SECONDS) -> None:
        self.clock: Clock = settings.clock
        self._every = every
        trust = settings.trust
        self._trust = trust if trust is not None and trust.judge_again == "change" else None
        self._seen = 0 if self._trust is None else self._trust.generation
        self.heeds_news = self._trust is not None
        self._members: set[Look] = set()
        self._due: dict[Look, None] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._turning = False

    def join(self, look: Look) -> None:
        """Call `look` from here on when the evidence has changed."""
        self._members.add(look)
        if self._looking is None and self._trust is not None:
            self._look_later()

    def leave(self, look: Look) -> None:
        """Stop calling `look`."""
        self._members.discard(look)
        self._due.pop(look, None)
        if self._looking is not None and not self._members:
            self._looking.cancel()
            self._looking = None

    def call_soon(self, look: Look) -> None:
        """Call `look` in one of the next turns of the loop, in the order of the calls."""
        self._due[look] = None
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(self._every, self._look)

    def _look(self) -> None:
        if self._trust is not None and self._trust.generation != self._seen:
            self._seen = self._trust.generation
            for look in self._members:
                self.call_soon(look)
        self._look_later()

    def _turn(self) -> None:
        for look in list(self._due)[:PER_TURN]:
            if look in self._due:  # it may have been removed meanwhile
                del self._due[look]
                look()
        self._turning = bool(self._due)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
