"""Types of options whose wrong values click lets through: numbers of seconds, names of files."""

from __future__ import annotations

import math
from typing import Any

import click

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


class FileName(click.Path):
    """The name of a file; "" is none, as a variable of the shell leaves it that was not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a name; raises `click.BadParameter`."""
        if not value:
            self.fail("expected the name of a file, and it is empty", param, ctx)
        return super().convert(value, param, ctx)
