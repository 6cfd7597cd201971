"""Types of options: whose wrong values click lets through, and of values that a function of another room makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import UnionType
from typing import Any, Generic, TypeVar

import click

from bothways.errors import ConfigError, UsageError

T = TypeVar("T")

WEEK = 7 * 24 * 3600.0  # seconds; clocks and sockets take no number that is much larger, and none without end


class Seconds(click.FloatRange):
    """A number of seconds, at most `most`; neither "inf" nor "nan", which click takes as numbers.

    least: the smallest.  above: it has to be above `least`.
    """

    def __init__(self, least: float = 0, most: float = WEEK, *, above: bool = False) -> None:
        super().__init__(min=least, max=most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; raises `click.BadParameter`."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!a} is no number of seconds", param, ctx)
        return seconds


class WithFormerName(click.Option):
    """An option that has another name than before: the former one is accepted still, and no help names it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line of the help, with the first name alone."""
        every, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


class Text(click.ParamType[str]):
    """A text that says something: "" would stand for "none", as where a variable of the shell was not set."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; raises `click.BadParameter`."""
        if not value:
            self.fail("it is empty; leave the option out if that is meant", param, ctx)
        return str(value)


class FileName(click.Path):
    """The name of a file; "" is none, as a variable of the shell leaves it that was not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a name; raises `click.BadParameter`."""
        if not value:
            self.fail("expected the name of a file, and it is empty", param, ctx)
        return super().convert(value, param, ctx)


FILE = FileName(dir_okay=False)


class NamesType(click.ParamType[tuple[str, ...]]):
    """Names separated by commas."""

    name = "NAME,NAME"

    def __init__(self, known: Iterable[str]) -> None:
        self._known = {each.lower(): each for each in known}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split the names, which may be in any case; the configuration checks them."""
        names = (
            value
            if isinstance(value, tuple)
            else tuple(self._spelled(each) for each in str(value).split(","))
        )
        if not all(names):
            self.fail(f"{value!a}: expected names separated by commas", param, ctx)
        return names

    def _spelled(self, name: str) -> str:
        return self._known.get(name.strip().lower(), name.strip())


class ParsedType(click.ParamType[T], Generic[T]):
    """What a function makes of the text of an option.

    name: stands for the value in messages.  kind: what a value is.  parse: makes one; raises ConfigError or UsageError.
    """

    def __init__(self, name: str, kind: type[T] | UnionType, parse: Callable[[str], T]) -> None:
        self.name = name
        self._kind = kind
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Parse a text; raises `click.BadParameter`."""
        if isinstance(value, self._kind):
            return value
        try:
            return self._parse(str(value))
        except (ConfigError, UsageError) as error:
            self.fail(str(error), param, ctx)
