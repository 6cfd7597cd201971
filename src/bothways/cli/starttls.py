"""The options --starttls: TLS is requested in the protocol of the server, of a server or of us."""

from __future__ import annotations

from typing import Any

import click

from bothways.errors import UsageError
from bothways.starttls import ACCEPTED, PROTOCOLS, Accepted, Protocol, accepted_named, protocol_named


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


class AcceptedType(click.ParamType[Accepted]):
    """The name of a protocol in which clients can request TLS of us."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Accepted:
        """Return the protocol; raises `click.BadParameter`."""
        if isinstance(value, Accepted):
            return value
        try:
            return accepted_named(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


accepted_option = click.option(
    "--starttls",
    type=AcceptedType(),
    metavar="NAME",
    help=f"Have clients request TLS in this protocol first (STARTTLS), with --forward: {', '.join(ACCEPTED)}.",
)
starttls_option = click.option(
    "--starttls",
    type=ProtocolType(),
    metavar="NAME",
    help=f"Request TLS in this protocol first (STARTTLS): {', '.join(PROTOCOLS)}.",
)
