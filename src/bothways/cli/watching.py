"""What a server looks after beside its work, such as files that change: one thread that looks now and then."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from bothways.cli.terminal import complain, described, say

LOOK_SECONDS = 0.5

Look = Callable[[], list[str]]


@contextlib.contextmanager
def looking_after(looks: list[Look]) -> Iterator[None]:
    """Look again and again while the body runs, and say what there is to know; what fails once is tried again."""
    over = threading.Event()

    def look_on() -> None:
        while not over.wait(LOOK_SECONDS):
            for look in looks:
                _look(look)

    if looks:
        threading.Thread(target=look_on, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(look: Look) -> None:
    try:
        for line in look():
            say(line)
    except Exception as error:  # noqa: BLE001 - a look that fails must not end those to come
        complain(described(error))
