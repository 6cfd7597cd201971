"""How long a closing connection waits for a peer that takes its last data slowly, or not at all."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from aio_talk import run
from bothways.aio.lingering import Lingering


def taking(*left: int) -> Callable[[], int]:
    """What is left at each look."""
    looks = itertools.chain(left, itertools.repeat(left[-1]))
    return lambda: next(looks)


@pytest.mark.parametrize(
    ("left", "least"),
    [
        ((0,), 1),  # all is sent: only the peer's end is awaited
        ((9,), 5),  # nothing is taken, for the whole time
        ((9, 9, 9, 5, 5), 7),  # something is taken in between: the time begins anew
        ((9, 9, 9, 0, 0), 3),  # all is taken in the end
    ],
)
def test_a_peer_has_as_long_as_it_is_given_since_it_took_something(left: tuple[int, ...], least: int):
    """0.05 s without progress while data is left, and 0.01 s for its end."""

    async def waits() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        began = loop.time()
        Lingering(taking(*left), over.set).start(0.01, 0.05)
        await asyncio.wait_for(over.wait(), 10)
        assert loop.time() - began >= least * 0.01 - 0.001

    asyncio.run(waits())


@run
async def test_a_connection_that_is_gone_is_not_reset():
    over = asyncio.Event()
    lingering = Lingering(taking(0), over.set)
    lingering.start(0.01, 0.01)
    lingering.stop()
    await asyncio.sleep(0.05)
    assert not over.is_set()
