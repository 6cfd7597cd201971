"""Nothing said for long enough, as the loop's clock has it."""

from __future__ import annotations

import asyncio

from aio_talk import run
from bothways.aio.idleness import Idleness


@run
async def test_who_says_nothing_is_over_once():
    """As many seconds after the last word as it was given."""
    calls: list[float] = []
    loop = asyncio.get_running_loop()
    idleness = Idleness(0.05, lambda: calls.append(loop.time()))
    began = loop.time()
    idleness.start()
    await asyncio.sleep(0.03)
    idleness.note_activity()
    spoke = loop.time()
    await asyncio.sleep(0.15)
    assert len(calls) == 1 and calls[0] - began >= 0.07 and calls[0] - spoke >= 0.05


@run
async def test_a_stopped_or_unlimited_idle_timer_never_fires():
    """The end of a connection, and no limit."""
    calls: list[int] = []
    for seconds, stops in ((None, False), (0.01, True)):
        idleness = Idleness(seconds, lambda: calls.append(1))
        idleness.start()
        if stops:
            idleness.stop()
    await asyncio.sleep(0.05)
    assert calls == []
