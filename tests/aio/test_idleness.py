"""Nothing said for long enough, as the loop's clock has it."""

from __future__ import annotations

from aio_talk import Clock, run
from bothways.aio.idleness import Idleness


@run
async def test_an_idle_connection_is_ended_once():
    """As many seconds after the last word as it was given."""
    calls: list[int] = []
    clock, idleness = Clock(), Idleness(10, lambda: calls.append(1))
    idleness.start()
    await clock.advance(6)
    idleness.note_activity()
    await clock.advance(6)
    assert calls == []
    await clock.advance(5)
    assert calls == [1]
    await clock.advance(30)
    assert calls == [1]


@run
async def test_a_stopped_or_unlimited_idle_timer_never_fires():
    """The end of a connection, and no limit."""
    calls: list[int] = []
    clock = Clock()
    for seconds, stops in ((None, False), (1, True)):
        idleness = Idleness(seconds, lambda: calls.append(1))
        idleness.start()
        if stops:
            idleness.stop()
    await clock.advance(30)
    assert calls == []
