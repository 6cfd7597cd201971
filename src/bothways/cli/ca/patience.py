"""How long a client of the service may take, and whose place others get when all are taken.

uvicorn waits without end for a request that has begun, and for whoever does not read its answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class Patience(H11Protocol):
    """One client's connection, which ends when a request does not come, or its answer is not read, in time.

    When all places are taken, who has waited longest without a request gives theirs to who comes now: clients
    that only hold connections open keep nobody out, be they of one address or of many.
    """

    request_time = 10.0  # seconds for the next request to come, counted from the answer before
    answer_time = 120.0  # seconds until an answer must be read

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self._since = self.loop.time()
        self._last: RequestResponseCycle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a place, from another if need be."""
        super().connection_made(transport)
        self._wait(self.request_time)
        while self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            idle = [each for each in self.connections if isinstance(each, Patience) and each.is_idle()]
            longest = min((each for each in idle if each is not self), key=Patience.since, default=None)
            if longest is None:
                return
            longest.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Act on what was read; a request that is whole is given the time of its answer."""
        super().handle_events()
        if self.cycle is not self._last:
            self._last = self.cycle
            if not self.is_idle():
                self._wait(self.answer_time)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait(self.request_time)
        super().on_response_complete()

    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self._last is None or self._last.response_complete

    def since(self) -> float:
        """When it began to wait."""
        return self._since

    def end(self) -> None:
        """End at once, whatever is still to be sent."""
        self.connections.discard(self)
        self.transport.abort()

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self._overdue)

    def _overdue(self) -> None:
        """End, unless a long answer is on its way still, which has more time."""
        left = self._since + self.answer_time - self.loop.time()
        if self.is_idle() and self.transport.get_write_buffer_size() and left > 0:
            self._timer = self.loop.call_later(left, self.end)
        else:
            self.end()
