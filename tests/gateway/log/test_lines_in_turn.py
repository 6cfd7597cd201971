"""Lines about what has ended together: so many in a turn, none lost, each with its own time."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

from aio_talk import TurnClock
from bothways.aio.turns import TURN_SECONDS, turns_of
from bothways.gateway.log import lines_in_turn
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.lines_in_turn import LinesInTurn
from bothways.gateway.log.log import ConnectionEntry, Log, RequestEntry

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FEW, MANY = 4, 50  # that fill a turn; that end together


def ended(number: int) -> ConnectionEntry:
    ending = Ending.of(Code.CLOSED, "both sides closed")
    return ConnectionEntry("tcp", f"192.0.2.1:{number}", "192.0.2.1", 0.0, verdict="allowed", ending=ending)


class Told:
    """Lines, each as the port of its client and the second of its time; every look at the time takes a second.

    clock: that of the turns; a line takes a part of one.
    """

    def __init__(self, clock: TurnClock) -> None:
        self.lines: list[tuple[int, int]] = []
        self._clock, ticks = clock, count()
        self.lines_of = LinesInTurn(
            Log(self._write, "json", now=lambda: NOON + timedelta(seconds=next(ticks)))
        )

    def _write(self, line: str) -> None:
        self._clock.now += TURN_SECONDS / (FEW - 0.5)
        told = json.loads(line)
        at = datetime.fromisoformat(told["time"])
        self.lines.append((int(told["client"].rpartition(":")[2]), int((at - NOON).total_seconds())))


def test_lines_are_written_at_once_while_there_is_room_and_the_others_in_the_next_turns() -> None:
    """In order, also where others end meanwhile, and never more of them in one turn."""

    async def talk() -> None:
        clock = TurnClock()
        told = Told(clock)
        with clock.running():
            for number in range(MANY):
                told.lines_of.connection(ended(number), 0.0)
                assert len(told.lines) == min(number + 1, FEW)
            for turn in range(2, MANY):
                await asyncio.sleep(0)
                assert len(told.lines) <= FEW * turn
                if turn == 3:
                    told.lines_of.request(ended(MANY), RequestEntry("GET", "a", "/", 0.0))
            assert told.lines == [(each, each) for each in range(MANY + 1)]

    asyncio.run(talk())


def test_no_more_lines_wait_than_a_limit(monkeypatch) -> None:
    """Where more end than can be told, in order still."""
    monkeypatch.setattr(lines_in_turn, "MOST_UNTOLD", 10)

    async def talk() -> None:
        clock = TurnClock()
        told = Told(clock)
        with clock.running():
            for number in range(MANY):
                told.lines_of.connection(ended(number), 0.0)
            assert len(told.lines) == MANY - 10
            told.lines_of.write_all()
            assert told.lines == [(each, each) for each in range(MANY)]

    asyncio.run(talk())


def test_work_of_other_connections_is_not_kept_waiting() -> None:
    async def talk() -> None:
        clock, done = TurnClock(), []
        told = Told(clock)
        with clock.running():
            for number in range(MANY):
                told.lines_of.connection(ended(number), 0.0)
            turns_of(asyncio.get_running_loop()).do_soon(lambda: done.append(len(told.lines)))
            for _ in range(MANY):
                await asyncio.sleep(0)
            assert done[0] <= 3 * FEW and len(told.lines) == MANY

    asyncio.run(talk())


def test_while_clients_are_verified_again_one_line_is_written_in_a_turn() -> None:
    """They end first; then the others follow."""

    async def talk() -> None:
        clock = TurnClock()
        told, seen = Told(clock), []
        turns = turns_of(asyncio.get_running_loop())

        def verify(number: int) -> None:
            told.lines_of.connection(ended(number), 0.0)
            clock.now += TURN_SECONDS / 2
            seen.append(len(told.lines))

        with clock.running():
            for number in range(MANY):
                turns.verify_soon(partial(verify, number))
            while turns.verifies:
                await asyncio.sleep(0)
            assert seen[-1] <= MANY / 2 + 1 and len(seen) == MANY
            for _ in range(MANY):
                await asyncio.sleep(0)
            assert [number for number, _ in told.lines] == list(range(MANY))

    asyncio.run(talk())


def test_what_is_not_told_yet_is_told_at_the_end() -> None:
    async def talk() -> None:
        clock = TurnClock()
        told = Told(clock)
        with clock.running():
            for number in range(MANY):
                told.lines_of.connection(ended(number), 0.0)
            told.lines_of.write_all()
            for _ in range(MANY):
                await asyncio.sleep(0)
            assert [number for number, _ in told.lines] == list(range(MANY))

    asyncio.run(talk())
