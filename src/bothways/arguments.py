"""What callers pass: of the kind that is expected, or a ConfigError that names the argument.

Only the kind is shown of what is refused: it may be a secret that was given in the wrong place.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from bothways.errors import ConfigError

F = TypeVar("F")
T = TypeVar("T")


def several(what: str, given: Iterable[T], expected: str, kind: type[T] | None = None) -> tuple[T, ...]:
    """Return what was given as a tuple. Raises ConfigError.

    what: the name of the argument.  expected: what its elements are, in the plural.  kind: their type, unless it is
    checked elsewhere.
    """
    if isinstance(given, str | bytes | bytearray):
        raise ConfigError(f"{what}: expected several {expected}, not a single {_kind(given)}")
    try:
        found = tuple(given)
    except TypeError:
        raise ConfigError(f"{what}: expected several {expected}, not {_kind(given)}") from None
    wrong = () if kind is None else [each for each in found if not isinstance(each, kind)]
    if wrong:
        raise ConfigError(f"{what}: expected {expected}, not {_kind(wrong[0])}")
    return found


def instance(what: str, given: object, *kinds: type) -> None:
    """Raise ConfigError for what is of none of these kinds."""
    if not isinstance(given, kinds):
        names = " or ".join(each.__name__ for each in kinds)
        raise ConfigError(f"{what}: expected {names}, not {_kind(given)}")


def text(what: str, given: object) -> str:
    """Return a text. Raises ConfigError."""
    if not isinstance(given, str):
        raise ConfigError(f"{what}: expected a text, not {_kind(given)}")
    return given


def whole(what: str, given: object) -> int:
    """Return a whole number, also one of another library, as an int. Raises ConfigError."""
    found = integer(given)
    if found is None:
        raise ConfigError(f"{what}: expected a whole number, not {_kind(given)}")
    return found


def integer(given: object) -> int | None:
    """Return what has `__index__`, such as an integer of numpy, as an int; None for anything else, and for a bool."""
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None


def number(what: str, given: object) -> float:
    """Return a number. Raises ConfigError."""
    found = given if isinstance(given, float) else integer(given)
    if found is None:
        raise ConfigError(f"{what}: expected a number, not {_kind(given)}")
    return found


def duration(what: str, given: object) -> timedelta:
    """Return a duration. Raises ConfigError."""
    if not isinstance(given, timedelta):
        raise ConfigError(f"{what}: expected a timedelta, not {_kind(given)}")
    return given


def function(what: str, given: F) -> F:
    """Return something that can be called, or None. Raises ConfigError."""
    if given is not None and not callable(given):
        raise ConfigError(f"{what}: expected a function, not {_kind(given)}")
    return given


def methods(what: str, given: Any, *names: str) -> None:
    """Raise ConfigError for something that lacks one of these methods."""
    lacks = [each for each in names if not callable(getattr(given, each, None))]
    if lacks:
        raise ConfigError(f"{what}: expected something with the method {lacks[0]}, not {_kind(given)}")


def check_flags(given: Any) -> None:
    """Raise ConfigError for a field of a configuration that is True or False by default, and is neither now.

    Any text is true, "no" as well: what it weakens would be weakened.
    """
    for each in fields(given):
        if isinstance(each.default, bool) and not isinstance(getattr(given, each.name), bool):
            raise ConfigError(f"{each.name}: expected True or False, not {_kind(getattr(given, each.name))}")


def _kind(given: object) -> str:
    return "None" if given is None else type(given).__name__
