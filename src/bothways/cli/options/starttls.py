"""The options --starttls: TLS is requested in the protocol of the server, of a server or of us."""

from __future__ import annotations

import click

from bothways.cli.options.types import ParsedType
from bothways.starttls import ACCEPTED, PROTOCOLS, Accepted, Protocol, accepted_named, protocol_named

PROTOCOL = ParsedType("NAME", Protocol, protocol_named)
accepted_option = click.option(
    "--starttls",
    type=ParsedType("NAME", Accepted, accepted_named),
    metavar="NAME",
    help=f"Have clients request TLS in this protocol first (STARTTLS), with --forward: {', '.join(ACCEPTED)}.",
)
starttls_option = click.option(
    "--starttls",
    type=PROTOCOL,
    metavar="NAME",
    help=f"Request TLS in this protocol first (STARTTLS): {', '.join(PROTOCOLS)}.",
)
