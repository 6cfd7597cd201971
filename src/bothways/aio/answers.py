"""Answers the requests of a connection without blocking the event loop.

Signatures and evidence come from functions of the caller; checks that take long run in a few threads of this process.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from bothways.signers.waiting import held_signature
from bothways.tls.driver import Answers
from bothways.tls.events import ChecksWanted, EvidenceWanted, Request, SignatureWanted
from bothways.tls.handshake.settings import Settings
from bothways.trust.evidence.http_exchange import EvidenceReply

Signer = Callable[[SignatureWanted], bytes | Awaitable[bytes]]
Found = Sequence[EvidenceReply] | None
Finder = Callable[[EvidenceWanted], Found | Awaitable[Found]]

THREADS = 2

# By process id: a forked process has none of its parent's threads.
_executors: dict[int, ThreadPoolExecutor] = {}


async def answer_to(
    answers: Answers[bytes | Awaitable[bytes], Found | Awaitable[Found]], request: Request
) -> bytes | Found:
    """Return the answer to a request; exceptions of the function that answers are passed on."""
    if isinstance(request, ChecksWanted):
        await asyncio.get_running_loop().run_in_executor(_executor(), request.run)
        return None
    answer = answers.answer(request)
    if isinstance(answer, Future):
        return await held_signature(answer, request)
    return await answer if inspect.isawaitable(answer) else answer


def own_finder(settings: Settings) -> Finder | None:
    """Return the fetcher for what a configuration allows; `ConfigError` if it cannot fetch."""
    policy = settings.fetch
    if policy is None:
        return None
    from bothways.fetch import fetcher  # the HTTP client is imported only if something may be fetched

    return fetcher.finder(policy)


def _executor() -> ThreadPoolExecutor:
    process = os.getpid()
    executor = _executors.get(process)
    if executor is None:
        _executors.clear()
        executor = _executors[process] = ThreadPoolExecutor(THREADS, thread_name_prefix="bothways-checks")
    return executor
