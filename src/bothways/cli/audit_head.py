"""The head of an audit log as an option, for logs of a CA and of a gateway."""

from __future__ import annotations

from typing import Any

import click

from bothways.audit_chain import Head
from bothways.errors import ConfigError


class HeadType(click.ParamType[Head]):
    """The head of an audit log, as it was printed before."""

    name = "HEAD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Read NUMBER:HASH; raises `click.BadParameter`."""
        if isinstance(value, Head):
            return value
        try:
            return Head.parse(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


head_option = click.option(
    "--head",
    "noted",
    type=HeadType(),
    metavar="NUMBER:HASH",
    help="The newest entry as noted earlier; it must still be in the log.",
)
