"""What is called where nobody listens, or listens no more."""

from __future__ import annotations

from collections.abc import Callable

from bothways.no_op import do_nothing


def test_one_function_stands_for_every_listener() -> None:
    listeners: list[Callable[[], None] | Callable[[int, str], None]] = [do_nothing, do_nothing]
    assert listeners[0] is listeners[1]
    do_nothing()
    do_nothing(1, "file", OSError())
