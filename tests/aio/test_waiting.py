"""Tasks that wait for something to happen to a connection."""

from __future__ import annotations

import asyncio

from aio_talk import run
from bothways.aio.waiting import Waiting


@run
async def test_waiting_task_continues_when_its_condition_holds_and_not_before():
    """Checked at each `wake`; two tasks with different conditions."""
    waiting, came, gone = Waiting(), list[int](), list[int]()

    async def wait_for(size: int) -> None:
        await waiting.until(lambda: len(came) >= size)
        gone.append(size)

    tasks = [asyncio.create_task(wait_for(size)) for size in (1, 2)]
    for expected in ([], [1], [1, 2]):
        waiting.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert gone == expected
        came.append(1)
    await asyncio.gather(*tasks)


@run
async def test_the_condition_of_a_cancelled_task_is_not_checked_any_more():
    """A time limit of one task does not disturb another."""
    waiting, asked = Waiting(), list[int]()
    tasks = [asyncio.create_task(waiting.until(lambda each=each: asked.append(each))) for each in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    for _ in range(2):
        waiting.wake()
        await asyncio.sleep(0)
    assert asked == [1, 2, 2, 2]
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
