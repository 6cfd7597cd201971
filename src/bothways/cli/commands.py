"""The subcommands by name: listed from a table, and imported only when they run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

COMMANDS = {
    "demo": "Run a mutual handshake and show every step, then seven that are refused.",
    "serve": "Let in only clients that are trusted: echo, greet or forward.",
    "connect": "Connect as a client with an identity, and be told what is wrong.",
    "get": "Ask an API over HTTP, with an identity; or print the Python that does.",
    "show": "Say in words what is in certificates, keys, CRLs, PKCS#12 ...",
    "doctor": "Examine a server, and whether it would let us in; or files alone.",
    "verify": "Judge a certificate as a handshake would, with every reason.",
    "ca": "Issue certificates to both sides, and take them back.",
}


class Commands(click.Group):
    """A group whose subcommands are modules of a package, each with its `command`.

    table: the names in their order, with a line for each. package: where the modules are.
    """

    def __init__(self, *words: Any, table: Mapping[str, str], package: str, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self._table = table
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own shape
        """Return the names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of one command; one whose name is a word of Python's own ends with a line below."""
        if cmd_name not in self._table:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"{self._package}.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._table.items()))


@click.group(
    cls=Commands,
    table=COMMANDS,
    package="bothways.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="bothways", message="%(version)s")
def bothways() -> None:
    """Mutual TLS that shows its work."""
