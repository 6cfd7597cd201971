"""Waits for the answer to a request of a connection: in a thread, or in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from bothways.errors import TimedOut
from bothways.tls.events import Request, SignatureWanted

T = TypeVar("T")


def wait_for_answer(answer: Callable[[Request], T | Future[bytes]], request: Request) -> T | bytes:
    """Return the answer to a request, in this thread. Raises `TimedOut` for a signature that does not come in time."""
    answered = answer(request)
    if not isinstance(answered, Future):
        return answered
    seconds = _seconds(request)
    try:
        return answered.result(seconds)
    except TimeoutError:
        if answered.done():
            raise
        answered.cancel()
    raise _late(seconds)


async def held_signature(answered: Future[bytes], request: Request) -> bytes:
    """Return the signature to come, without holding the event loop. Raises `TimedOut`."""
    seconds = _seconds(request)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(answered), seconds)
    except TimeoutError:
        if answered.done() and not answered.cancelled():
            raise
    raise _late(seconds)


def _seconds(request: Request) -> float | None:
    holder = request.holder if isinstance(request, SignatureWanted) else None
    return None if holder is None else holder.seconds


def _late(seconds: float | None) -> TimedOut:
    return TimedOut(f"the key that is held elsewhere gave no signature within {seconds:g} s")
