"""One queue for each event loop: so much work in a turn, in order, whoever it is for."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from aio_talk import TurnClock, run
from bothways.aio.turns import TURN_SECONDS, UNLIMITED_SECONDS, Turns, turns_of

FEW = 4  # of them fill a turn


class Loop:
    """The turns of the running loop, and which work was done in which of them."""

    def __init__(self) -> None:
        self.turns = turns_of(asyncio.get_running_loop())
        self.clock = TurnClock()
        self.done: list[list[str]] = [[]]

    def work(self, name: str, seconds: float = TURN_SECONDS / (FEW - 0.5)) -> Callable[[], None]:
        """Return work that takes so long."""

        def work() -> None:
            self.clock.now += seconds
            self.done[-1].append(name)

        return work

    async def pass_turns(self, count: int) -> list[list[str]]:
        """Let turns pass, and return what was done in each since the last call."""
        for _ in range(count):
            await asyncio.sleep(0)
            self.done.append([])
        done, self.done = self.done[:-1], [[]]
        return done


def in_loop(test: Callable[[Loop], object]):
    """Let a test have the turns of a loop, by a clock of its own."""

    async def talk() -> None:
        loop = Loop()
        with loop.clock.running():
            await test(loop)  # type: ignore[misc]

    talk.__name__, talk.__doc__ = test.__name__, test.__doc__
    return run(talk)


@in_loop
async def test_a_turn_has_room_for_so_much_work_and_the_rest_waits_in_order(loop):
    """However many there are, and whatever each does."""
    for name in "abcdefghi":
        loop.turns.do_soon(loop.work(name))
    assert await loop.pass_turns(5) == [[*"abcd"], [*"efgh"], ["i"], [], []]


@in_loop
async def test_each_turn_does_at_least_one(loop):
    """Even if one takes longer than a turn has room for."""
    for name in "abc":
        loop.turns.do_soon(loop.work(name, 2 * TURN_SECONDS))
    assert await loop.pass_turns(3) == [["a"], ["b"], ["c"]]


@in_loop
async def test_what_is_added_again_is_done_once_and_keeps_its_place(loop):
    """A connection has more data, and more again."""
    works = [loop.work(name) for name in "ab"]
    for each in (*works, *works):
        loop.turns.do_soon(each)
    assert await loop.pass_turns(2) == [[*"ab"], []]


@in_loop
async def test_work_that_goes_on_goes_on_in_the_next_turn_behind_the_others(loop):
    """None has more than one share of a turn, also if there is time."""
    left = 3

    def go_on() -> None:
        nonlocal left
        loop.work("again", 0)()
        left -= 1
        if left:
            loop.turns.do_soon(go_on)

    loop.turns.do_soon(go_on)
    for name in "abcdef":
        loop.turns.do_soon(loop.work(name))
    assert await loop.pass_turns(4) == [["again", *"abcd"], [*"ef", "again"], ["again"], []]


@in_loop
async def test_verifications_and_data_are_done_by_turns(loop):
    """So that thousands of peers that are due hold up no data, and no data holds up a verification."""
    for number in range(6):
        loop.turns.verify_soon(loop.work(f"verified {number}"))
    for name in "ab":
        loop.turns.do_soon(loop.work(name))
    first, second = (await loop.pass_turns(3))[:2]
    assert first == ["a", "verified 0", "b", "verified 1"]
    assert second == [f"verified {number}" for number in range(2, 6)]
    for kind in ("data", "verified"):
        add = loop.turns.do_soon if kind == "data" else loop.turns.verify_soon
        for number in range(3):
            add(loop.work(f"{kind} {number}", TURN_SECONDS))
    names = [name for turn in await loop.pass_turns(7) for name in turn]
    assert len(names) == 6
    assert all(one.split()[0] != other.split()[0] for one, other in pairwise(names))


@in_loop
async def test_what_is_dropped_is_not_done(loop):
    """A connection has ended; so it is if it ends while another has its share."""
    works = [loop.work(name) for name in "abc"]
    loop.turns.do_soon(partial(loop.turns.drop, works[1]))
    for each in works:
        loop.turns.do_soon(each)
    loop.turns.verify_soon(works[1])
    loop.turns.drop(works[0], loop.work("never added"))
    assert await loop.pass_turns(2) == [["c"], []]


@in_loop
async def test_work_is_done_at_once_until_the_turn_is_full(loop):
    """Then it waits behind what waits already; the next turn has room again."""
    for name in "abcdef":
        loop.turns.do(loop.work(name))
    assert loop.done == [[*"abcd"]] and not loop.turns.has_room
    assert await loop.pass_turns(2) == [[*"abcdef"], []]
    assert loop.turns.has_room


@in_loop
async def test_a_queue_that_fills_the_turn_leaves_no_room_for_what_comes_in_it(loop):
    """What comes later waits behind it."""
    for name in "abcdef":
        loop.turns.do_soon(loop.work(name))
    await asyncio.sleep(0)
    assert not loop.turns.has_room
    loop.turns.do(loop.work("g"))
    assert loop.done == [[*"abcd"]]
    assert await loop.pass_turns(2) == [[*"abcdefg"], []]


@in_loop
async def test_little_work_needs_no_callback(loop):
    """An ordinary turn costs two looks at the clock for each work, and nothing afterwards."""
    called: list[object] = []
    own = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "call_soon", lambda *given, **_: called.append(given))
        loop.turns.do(loop.work("a", UNLIMITED_SECONDS / 4))
        loop.turns.do(loop.work("b", UNLIMITED_SECONDS / 4))
        assert not called
        loop.turns.do(loop.work("c", UNLIMITED_SECONDS))
        assert len(called) == 1


@in_loop
async def test_work_within_work_is_counted_once(loop):
    """TLS within TLS."""
    seconds = UNLIMITED_SECONDS * 0.4

    def outer() -> None:
        loop.turns.run(loop.work("inner", seconds))
        loop.clock.now += seconds

    called: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_soon", lambda *given, **_: called.append(given))
        loop.turns.run(outer)
    assert loop.done == [["inner"]] and not called


@in_loop
async def test_a_defect_in_one_of_them_keeps_no_other_from_its_turn(loop):
    """It is reported by the loop."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["exception"])
    )

    def fail() -> None:
        raise RuntimeError("a defect")

    for work in (loop.work("a"), fail, loop.work("b")):
        loop.turns.do_soon(work)
    assert await loop.pass_turns(3) == [["a"], ["b"], []]
    assert len(reported) == 1
    with pytest.raises(RuntimeError):
        loop.turns.do(fail)
    assert loop.turns.has_room


def test_each_loop_has_its_own_and_none_is_kept():
    """Threads have loops of their own, and so has a process that runs one after the other."""
    found: list[Turns] = []

    async def note() -> None:
        turns = turns_of(asyncio.get_running_loop())
        assert turns_of(asyncio.get_running_loop()) is turns
        turns.do_soon(list)  # it waits when the loop ends
        found.append(turns)

    def runs() -> None:
        asyncio.run(note())

    runs()
    thread = threading.Thread(target=runs)
    thread.start()
    thread.join()
    assert len(set(map(id, found))) == 2
    loop = asyncio.new_event_loop()
    loop.run_until_complete(note())
    loop.close()
    kept = weakref.ref(loop)
    del loop
    gc.collect()
    assert kept() is None


def test_what_waits_when_a_loop_stops_is_done_when_it_goes_on():
    """As other callbacks are."""
    loop, done = asyncio.new_event_loop(), []
    turns = turns_of(loop)

    async def begin() -> None:
        turns.do_soon(partial(done.append, "a"))

    loop.run_until_complete(begin())
    turns.do_soon(partial(done.append, "b"))
    loop.run_until_complete(asyncio.sleep(0))
    assert done == ["a", "b"]
    loop.close()
