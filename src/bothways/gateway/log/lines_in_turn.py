"""The lines about connections and requests that have ended, which are written within the turns of the event loop.

To explain an end may take a millisecond, and many end together: when a CRL lists thousands of clients, or a service is
lost. While clients wait to be verified again, one line is written in a turn: who is revoked ends first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from bothways.aio.turns import turns_of
from bothways.gateway.log.log import ConnectionEntry, Log, RequestEntry

MOST_UNTOLD = 10_000  # lines that wait; for each further one the oldest is written at once


class LinesInTurn:
    """Writes lines at once, or in one of the next turns: in order, each with the time of what it tells of."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._untold: deque[Callable[[], None]] = deque()

    def connection(self, entry: ConnectionEntry, seconds: float) -> None:
        """Tell of a connection that has ended. seconds: how long it was."""
        self._tell(partial(self._log.connection, entry, seconds, self._log.now()))

    def request(self, entry: ConnectionEntry, request: RequestEntry) -> None:
        """Tell of a request that has ended. entry: of its connection."""
        self._tell(partial(self._log.request, entry, request, self._log.now()))

    def write_all(self) -> None:
        """Write the lines that wait, since nothing comes after them."""
        while self._untold:
            self._untold.popleft()()

    def _tell(self, line: Callable[[], None]) -> None:
        turns = turns_of(asyncio.get_running_loop())
        if not self._untold and turns.has_room and not turns.verifies:
            turns.run(line)
            return
        self._untold.append(line)
        turns.do_soon(self._write_some)
        if len(self._untold) > MOST_UNTOLD:
            turns.run(self._untold.popleft())

    def _write_some(self) -> None:
        """Write as many lines as this turn has room for; the others follow in the next ones."""
        turns = turns_of(asyncio.get_running_loop())
        while self._untold:
            self._untold.popleft()()
            if turns.verifies or not turns.has_room:
                break
        if self._untold:
            turns.do_soon(self._write_some)
