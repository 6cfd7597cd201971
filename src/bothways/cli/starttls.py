"""The option by which a command requests TLS in the protocol of the server first (STARTTLS)."""

from __future__ import annotations

from typing import Any

import click

from bothways.errors import UsageError
from bothways.starttls import PROTOCOLS, Protocol, protocol_named


class ProtocolType(click.ParamType[Protocol]):
    """The name of a protocol that changes to TLS on request."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Protocol:
        """Find a protocol by its name, or say which there are."""
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
