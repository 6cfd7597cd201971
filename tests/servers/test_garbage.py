"""What a pass of the garbage collector looks at in a process with many connections, and what it leaves."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import pytest

from bothways.servers.garbage import THRESHOLDS, GarbageCollection

OBJECTS = 300_000
AT_ONCE = 2 * prod(each + 1 for each in THRESHOLDS)


@contextmanager
def full_passes() -> Iterator[list[int]]:
    """How many objects each full pass has looked at."""
    looked_at: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == 2:
            looked_at.append(len(gc.get_objects()))

    gc.callbacks.append(note)
    try:
        yield looked_at
    finally:
        gc.callbacks.remove(note)


def test_a_full_pass_looks_at_what_is_new_however_much_is_there() -> None:
    async def serve() -> None:
        with GarbageCollection(int), full_passes() as looked_at:
            there = [[each] for each in range(OBJECTS)]
            assert len(there) == OBJECTS
            assert len(looked_at) > 2, "else nothing is ever freed that is in a cycle"
            assert max(looked_at) < AT_ONCE < OBJECTS / 2

    asyncio.run(serve())


class Cycle:
    def __init__(self) -> None:
        self.own = self
        self.more = [[] for _ in range(10)]  # type: ignore[var-annotated]


@pytest.mark.parametrize(("connections", "is_freed"), [(0, True), (1000, False)])
def test_a_frozen_cycle_is_freed_when_open_connections_do_not_explain_the_memory(
    connections: int, is_freed: bool
) -> None:
    async def serve() -> None:
        with GarbageCollection(lambda: connections, spare=10_000) as collection:
            held = [Cycle() for _ in range(1000)]
            gc.collect()
            last = weakref.ref(held[-1])
            del held
            gc.collect()
            assert last() is not None, "it is frozen"
            collection.check()
            assert last() is not None, "memory has not doubled"
            more = [object() for _ in range(sys.getallocatedblocks() + 20_000)]
            collection.check()
            assert more
            assert (last() is None) is is_freed

    asyncio.run(serve())


def test_what_is_stopped_leaves_the_collector_as_it_was() -> None:
    async def serve() -> None:
        before = gc.get_threshold(), len(gc.callbacks)
        with GarbageCollection(int):
            assert gc.get_threshold() == THRESHOLDS
            assert gc.get_freeze_count() > 0
        assert (gc.get_threshold(), len(gc.callbacks)) == before

    asyncio.run(serve())
