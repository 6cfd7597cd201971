"""The option --starttls: requests TLS in the protocol of the server."""

from __future__ import annotations

from typing import Any

import click

from bothways.errors import UsageError
from bothways.starttls import PROTOCOLS, Protocol, protocol_named


class ProtocolType(click.ParamType[Protocol]):
    """The name of a protocol with STARTTLS."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Protocol:
        """Return the protocol; raises `click.BadParameter`."""
        if isinstance(value, Protocol):
            return value
        try:
            return protocol_named(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


starttls_option = click.option(
    "--starttls",
    type=ProtocolType(),
    metavar="NAME",
    help=f"Request TLS in this protocol first (STARTTLS): {', '.join(PROTOCOLS)}.",
)
