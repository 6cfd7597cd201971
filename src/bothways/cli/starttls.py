"""The option by which a command asks a server for TLS in the words of its protocol."""

from __future__ import annotations

from typing import Any

import click

from bothways.errors import UsageError
from bothways.starttls import PROTOCOLS, Protocol, protocol_named


class ProtocolType(click.ParamType[Protocol]):
    """The name of a protocol that turns to TLS when asked."""

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
    help=f"Ask for TLS in the words of this protocol first: {', '.join(PROTOCOLS)}.",
)
