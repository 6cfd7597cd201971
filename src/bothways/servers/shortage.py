"""When a server has no descriptors left: event loops stop to accept for a moment, and it is reported now and then."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

REPORT_SECONDS = 60.0
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def report_shortages(loop: asyncio.AbstractEventLoop, report: Callable[[str], None]) -> None:
    """Report in one line, once a minute at most, that connections cannot be accepted.

    All else goes to the handler that the loop had.
    """
    reported_at: float | None = None
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal reported_at
        error = context.get("exception")
        if isinstance(error, ValueError) and "_start_serving" in context.get("message", ""):
            return  # asyncio would accept again, a second after a shortage, on a socket that is closed meanwhile
        if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
            if before is None:
                loop.default_exception_handler(context)
            else:
                before(loop, context)
        elif reported_at is None or loop.time() >= reported_at + REPORT_SECONDS:
            reported_at = loop.time()
            report(f"connections cannot be accepted for now: {error.strerror}")

    loop.set_exception_handler(handle)
