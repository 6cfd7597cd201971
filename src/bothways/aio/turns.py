"""What the connections of an event loop do in one turn of it: work for a few milliseconds; the rest waits, in order.

A turn is one round of callbacks. The work of one connection in a turn is bounded by its amount (`sending`, `driver`);
here the sum over all connections of the loop is bounded, by a clock. Verifications of peers wait in a queue of their
own, so that thousands of them delay no data: the queues take turns.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic
from typing import TypeVarTuple

TURN_SECONDS = 0.004  # after which no further work is begun in this turn
# Below this nothing is limited, so that no callback is necessary at the end of an ordinary turn.
UNLIMITED_SECONDS = 0.001

Work = Callable[[], object]
A = TypeVarTuple("A")

_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = weakref.WeakKeyDictionary()


def turns_of(loop: asyncio.AbstractEventLoop) -> Turns:
    """Return the turns of this loop, the same for all of its connections."""
    turns = _of_loops.get(loop)
    if turns is None:
        turns = _of_loops[loop] = Turns(loop)
    return turns


class Turns:
    """Does work now, or in one of the next turns: each at most once in a turn, in the order in which they were added.

    Work that is added again while it waits keeps its place, and is done once.
    """

    __slots__ = (
        "_data",
        "_end",
        "_is_limited",
        "_is_scheduled",
        "_loop",
        "_number",
        "_queues",
        "_spent",
        "_verifying",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)  # by which this object is kept
        self._number = 0
        # The number is that of the turn in which the work was added.
        self._data: OrderedDict[Work, int] = OrderedDict()
        self._verifying: OrderedDict[Work, int] = OrderedDict()
        self._queues = deque((self._data, self._verifying))  # the next one first
        self._spent = 0.0  # seconds of work since the last turn that began here
        self._is_limited = self._is_scheduled = False
        self._end = 0.0  # of the time for this turn, if it is limited

    @property
    def has_room(self) -> bool:
        """Whether further work may be begun in this turn."""
        return not self._is_limited or monotonic() < self._end

    @property
    def verifies(self) -> bool:
        """Whether peers wait to be verified."""
        return bool(self._verifying)

    def takes(self, seconds: float) -> bool:
        """Whether further work may be begun in this turn, which then takes about so long."""
        if self._is_limited:
            return monotonic() < self._end
        self._spent += seconds
        if self._spent >= UNLIMITED_SECONDS:
            self._limit(monotonic() - self._spent)
        return True

    def run(self, work: Callable[[*A], object], *args: *A) -> None:
        """Do work now, and count its time. The caller has asked whether there is room."""
        if self._is_limited:
            work(*args)
            return
        began = monotonic() - self._spent
        try:
            work(*args)
        finally:
            self._spent = monotonic() - began
            if self._spent >= UNLIMITED_SECONDS and not self._is_limited:
                self._limit(began)

    def do(self, work: Work) -> None:
        """Do work now if this turn has room for it, else in one of the next."""
        if self.has_room:
            self.run(work)
        else:
            self.do_soon(work)

    def do_soon(self, work: Work) -> None:
        """Do work in one of the next turns."""
        self._data.setdefault(work, self._number)
        self._schedule()

    def verify_soon(self, verify: Work) -> None:
        """Verify a peer in one of the next turns."""
        self._verifying.setdefault(verify, self._number)
        self._schedule()

    def drop(self, *works: Work) -> None:
        """Do these no more, those of them that wait."""
        for queue in self._queues:
            if queue:
                for work in works:
                    queue.pop(work, None)

    def _limit(self, began: float) -> None:
        self._is_limited = True
        self._end = began + TURN_SECONDS
        self._schedule()

    def _schedule(self) -> None:
        loop = None if self._is_scheduled else self._loop()
        if loop is not None:
            loop.call_soon(self._begin_turn)
            self._is_scheduled = True

    def _begin_turn(self) -> None:
        """Do what waits, as far as there is time for it; a defect in one of them delays the others to the next turn."""
        self._number += 1
        self._spent = 0.0
        self._is_scheduled = self._is_limited = False
        if not self._data and not self._verifying:
            return
        self._limit(monotonic())
        while (work := self._next()) is not None:
            work()
            if monotonic() >= self._end:
                return

    def _next(self) -> Work | None:
        """Take the next work that was added before this turn."""
        for queue in tuple(self._queues):
            self._queues.rotate()
            if queue and next(iter(queue.values())) != self._number:
                return queue.popitem(last=False)[0]
        return None
