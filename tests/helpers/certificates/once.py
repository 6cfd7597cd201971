"""What is made once for all tests of a process, also by several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LOCK = threading.RLock()  # one for all, since what is made is made of what else is


def once(make: Callable[P, T]) -> Callable[P, T]:
    """Call a function once for its arguments; all later calls get the same object."""
    kept = cache(make)

    @wraps(make)
    def made(*arguments: P.args, **options: P.kwargs) -> T:
        with _LOCK:
            return kept(*arguments, **options)

    return made
