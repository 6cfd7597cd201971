"""Options that belong together arrive at a command as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def gathered(
    into: str, make: Callable[..., object], *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Add options to a command; the command gets the result of `make` as the argument `into`.

    make: has a parameter for each option, with its name. A result may be used in another `gathered`.
    """
    names = tuple(inspect.signature(make).parameters)

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def gathering(**given: Any) -> Any:
            own = {name: given.pop(name) for name in names}
            return command(**given, **{into: make(**own)})

        added: Command = gathering
        for option in reversed(options):
            added = option(added)
        return added

    return add
