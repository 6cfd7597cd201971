"""Fetching for programs without an event loop: one loop, in a thread of its own, serves all their threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from bothways.fetch.fetcher import check, fetcher
from bothways.fetch.stapling import Tell, fetch_due, logger, renew
from bothways.tls.clock import Clock
from bothways.tls.defaults import CLOCK
from bothways.tls.events import EvidenceWanted
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.fetched import ROUNDS, FetchedEvidence
from bothways.trust.evidence.http_exchange import Found, with_nonces
from bothways.trust.evidence.stapling import Stapling
from bothways.trust.verdict import EvidenceRequest, Verdict

LOOP_LOCK = threading.Lock()  # held while the loop is started
_running: asyncio.AbstractEventLoop | None = None


def finder(policy: Fetch) -> Callable[[EvidenceWanted], list[Found]]:
    """Return a function that fetches what handshakes want. Raises ConfigError where the policy cannot be used."""
    check(policy)
    return find


def find(wanted: EvidenceWanted) -> list[Found]:
    """Fetch the evidence that a handshake wants, and wait for it. wanted: the event of the handshake."""
    return fetch(wanted.policy, wanted.wants, wanted.at, wanted.seconds)


def judged(judge: Callable[[FetchedEvidence], Verdict], policy: Fetch, at: datetime) -> Verdict:
    """Return the verdict of `judge`, which is called again with fetched evidence while its verdict wants more.

    For verifications outside a handshake. policy: what may be fetched.  at: the time of the verification. Raises
    ConfigError where the policy's directory cannot be used.
    """
    fetched = FetchedEvidence()
    verdict = judge(fetched)
    for _ in range(ROUNDS):
        if not verdict.wants:
            break
        requests = verdict.wants if policy.nonce == "none" else with_nonces(verdict.wants, os.urandom)
        fetched.take(requests, fetch(policy, requests, at, policy.seconds))
        verdict = judge(fetched)
    return verdict


def fetch(policy: Fetch, requests: Sequence[EvidenceRequest], at: datetime, seconds: float) -> list[Found]:
    """Fetch evidence for several requests at once, each within so many seconds; the results are in the same order.

    Raises ConfigError where the policy's directory cannot be used, OSError where no more descriptors may be opened, and
    nothing for failures of the network.
    """

    async def fetched() -> list[Found]:
        return await fetcher(policy).fetch_all(requests, at, seconds)

    loop = _loop()
    running = asyncio.run_coroutine_threadsafe(fetched(), loop)
    try:
        return running.result()
    except BaseException:
        running.cancel()
        raise


@contextlib.contextmanager
def renewing(stapling: Stapling, clock: Clock = CLOCK, tell: Tell = logger.info) -> Iterator[None]:
    """Renew our staples while the body of `with` runs.

    stapling, clock: as for `stapling.renewing`.  tell: as there, but called in a thread. Raises ConfigError.
    """
    check(stapling.policy)
    loop = _loop()
    asyncio.run_coroutine_threadsafe(fetch_due(stapling, clock, tell), loop).result()
    renewal = asyncio.run_coroutine_threadsafe(renew(stapling, clock, tell), loop)
    try:
        yield
    finally:
        renewal.cancel()


def _loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process; the first call starts it."""
    global _running
    with LOOP_LOCK:
        if _running is None:
            _running = asyncio.new_event_loop()
            threading.Thread(target=_running.run_forever, name="bothways-fetch", daemon=True).start()
        return _running


def _reset_after_fork() -> None:
    """Make a new lock in a forked process, where neither the loop's thread nor the lock's holder exists."""
    global LOOP_LOCK, _running
    LOOP_LOCK, _running = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
