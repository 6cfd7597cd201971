"""The head of an audit log as an option, for logs of a CA and of a gateway."""

from __future__ import annotations

import click

from bothways.audit_chain import Head
from bothways.cli.options.types import ParsedType

head_option = click.option(
    "--head",
    "noted",
    type=ParsedType("HEAD", Head, Head.parse),
    metavar="NUMBER:HASH",
    help="The newest entry as noted earlier; it must still be in the log.",
)
