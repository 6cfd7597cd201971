"""How much a peer may cost by frames of HTTP/2 that bring nothing, and by streams that end by an error."""

from __future__ import annotations

from collections.abc import Callable

from bothways.http2.violations import Rule, Violation

# What a peer may cost by frames that bring nothing: so much at once, and so much more each second, for each KiB of a
# body, and for each request. A reset costs more than another frame, since a request was begun for it; so does a stream
# error, which is a reset that the peer makes us send.
COST_AT_ONCE, COST_PER_SECOND, COST_OF_RESET = 2000.0, 200.0, 20.0
# What a part of a body gives back that we sent: gRPC replies to each by two WINDOW_UPDATE and a PING. Not for a part
# that a small window has cut: a peer could open its window by one byte each time.
ANSWERS_TO_PART = 3.0


class Budget:
    """How much a peer may still cost. clock: the time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = COST_AT_ONCE
        self._since = clock()

    def spend(self, cost: float) -> None:
        """Take something. Raises Violation."""
        now = self._clock()
        self.earn((now - self._since) * COST_PER_SECOND)
        self._since = now
        self._left -= cost
        if self._left < 0:
            raise Violation(Rule.FLOOD)

    def earn(self, credit: float) -> None:
        """Give something back, since the peer brought something."""
        self._left = min(self._left + credit, COST_AT_ONCE)
