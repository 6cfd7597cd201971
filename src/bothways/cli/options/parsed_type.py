"""The type of an option whose value is parsed by a function of another room."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Generic, TypeVar

import click

from bothways.errors import ConfigError, UsageError

T = TypeVar("T")


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
