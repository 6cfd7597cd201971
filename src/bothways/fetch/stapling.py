"""Renews our staples: follows a schedule (`trust.evidence.stapling`) as a task of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from bothways.fetch.fetcher import Fetcher, check, fetcher
from bothways.tls.clock import Clock
from bothways.tls.defaults import CLOCK
from bothways.trust.evidence.stapling import Stapling

Tell = Callable[[str], None]

logger = logging.getLogger("bothways")

# The longest wait before the system clock is read again, and the shortest one.
LONGEST_SECONDS, SHORTEST_SECONDS = 3600.0, 1.0


@contextlib.asynccontextmanager
async def renewing(stapling: Stapling, clock: Clock = CLOCK, tell: Tell = logger.info) -> AsyncIterator[None]:
    """Fetch the staples that are due, then renew them while the body of `async with` runs.

    The first fetch takes at most the `seconds` of the policy.  stapling: the schedule.  clock: the source of time.
    tell: called with a sentence about each result. Raises ConfigError if the policy of the schedule allows no fetching.
    """
    check(stapling.policy)
    await fetch_due(stapling, clock, tell)
    task = asyncio.get_running_loop().create_task(renew(stapling, clock, tell))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def renew(stapling: Stapling, clock: Clock, tell: Tell, by: Fetcher | None = None) -> None:
    """Wait for the next staple that is due and fetch it, until cancelled. Arguments as for `fetch_due`."""
    while True:
        remaining = (stapling.next_due() - clock.now()).total_seconds()
        longest = SHORTEST_SECONDS if stapling.may_change else LONGEST_SECONDS
        await asyncio.sleep(max(min(remaining, longest), SHORTEST_SECONDS))
        await fetch_due(stapling, clock, tell, by)


async def fetch_due(stapling: Stapling, clock: Clock, tell: Tell, by: Fetcher | None = None) -> None:
    """Fetch what is due now, and give the results to the schedule.

    stapling, clock, tell: as for `renewing`.  by: fetches; by default the fetcher of the schedule's policy.
    """
    requests = stapling.due(clock.now())
    if not requests:
        return
    by = fetcher(stapling.policy) if by is None else by
    found = await by.fetch_all(requests, clock.now(), stapling.policy.seconds)
    for request, each in zip(requests, found, strict=True):
        tell(stapling.handle_result(request, each, clock.now()))
