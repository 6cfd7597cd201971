"""Answers the requests of a connection without blocking the event loop.

Signatures and evidence come from functions of the caller; checks that take long run in a few threads of this process.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from bothways.aio.turns import Turns
from bothways.no_op import do_nothing
from bothways.signers.waiting import held_signature
from bothways.tls.driver import Answers, Driver
from bothways.tls.events import ChecksWanted, EvidenceWanted, Request, SignatureWanted
from bothways.tls.handshake.settings import Settings
from bothways.trust.evidence.http_exchange import EvidenceReply

Signer = Callable[[SignatureWanted], bytes | Awaitable[bytes]]
Found = Sequence[EvidenceReply] | None
Finder = Callable[[EvidenceWanted], Found | Awaitable[Found]]

THREADS = 2

# By process id: a forked process has none of its parent's threads.
_executors: dict[int, ThreadPoolExecutor] = {}

Answerers = Answers[bytes | Awaitable[bytes], Found | Awaitable[Found]]


class Answering:
    """The tasks that answer the requests of one connection, which goes on with an answer when a turn has room for it.

    take: called with the requests that follow from an answer.
    """

    __slots__ = ("_answers", "_driver", "_take", "_tasks", "_turns")

    def __init__(
        self, answers: Answerers, driver: Driver, turns: Turns, take: Callable[[Iterable[Request]], None]
    ) -> None:
        self._answers = answers
        self._driver = driver
        self._turns = turns
        self._take = take
        self._tasks: dict[Request, asyncio.Task[None]] = {}

    def begin(self, requests: Iterable[Request]) -> None:
        """Answer these, and none of the earlier ones whose answers are no longer needed."""
        for request in requests:
            self._tasks[request] = asyncio.get_running_loop().create_task(self._answer(request))
        for request, task in tuple(self._tasks.items()):
            if not self._driver.is_awaited(request):
                del self._tasks[request]
                if task is not asyncio.current_task():
                    task.cancel()

    def cancel(self) -> None:
        """Answer nothing more, and keep nobody who would take what follows."""
        self._take, self._answers = do_nothing, Answers(None, None)
        for task in self._tasks.values():
            task.cancel()

    async def _answer(self, request: Request) -> None:
        try:
            answer = await answer_to(self._answers, request)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            cancelled = RuntimeError("what was to answer was cancelled")
            self._turns.do(partial(self._continue_without, request, cancelled))
        except Exception as error:  # noqa: BLE001 - our own side's signer may raise anything: who waits is told
            self._turns.do(partial(self._continue_without, request, error))
        else:
            self._turns.do(partial(self._provide, request, answer))

    def _provide(self, request: Request, answer: bytes | Found) -> None:
        if not self._driver.is_awaited(request):
            return
        try:
            requests = self._driver.provide(request, answer)
        except Exception as error:  # noqa: BLE001 - an answer that does not fit is none
            self._continue_without(request, error)
        else:
            self._take(requests)

    def _continue_without(self, request: Request, error: Exception) -> None:
        if self._driver.is_awaited(request):
            self._take(self._driver.continue_without_answer(request, error))


async def answer_to(answers: Answerers, request: Request) -> bytes | Found:
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
