"""When a server has no descriptors left: event loops stop to accept for a moment, and it is told now and then."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

TOLD_SECONDS = 60.0
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def heed_shortages(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None]) -> None:
    """Tell in one line, once a minute at most, that connections cannot be accepted; other defects as before."""
    told_at: float | None = None

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_at
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
            loop.default_exception_handler(context)
        elif told_at is None or loop.time() >= told_at + TOLD_SECONDS:
            told_at = loop.time()
            tell(f"connections cannot be accepted for now: {error.strerror}")

    loop.set_exception_handler(handle)
