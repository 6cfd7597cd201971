"""The subcommands: listed from a table, and imported only when they run."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

COMMANDS = {
    "demo": "Show a mutual handshake step by step, then handshakes that are refused.",
    "serve": "Accept clients with a trusted certificate: echo, page or forward.",
    "gateway": "Connect verified clients to services, by routes and rules.",
    "connect": "Connect to a server with a certificate; explain a failure.",
    "tunnel": "Connect local programs without TLS to a server, with our certificate.",
    "get": "Send an HTTP request with a client certificate.",
    "run": "Serve an ASGI application to clients with a trusted certificate.",
    "show": "Describe certificates, keys, requests, CRLs and OCSP files.",
    "doctor": "Examine a server, or files, and report what is wrong.",
    "verify": "Verify a certificate as a handshake would, with every reason.",
    "ca": "Issue certificates, revoke them, publish CRLs and OCSP.",
}


# How many files and sockets a command has to be able to open: with fewer, event loops and servers in threads end or
# wait in ways that nobody can report.
SERVER_DESCRIPTORS, CLIENT_DESCRIPTORS = 24, 12
DESCRIPTORS = {
    "demo": SERVER_DESCRIPTORS,
    "serve": SERVER_DESCRIPTORS,
    "gateway": SERVER_DESCRIPTORS,
    "tunnel": SERVER_DESCRIPTORS,
    "run": SERVER_DESCRIPTORS,
    "connect": CLIENT_DESCRIPTORS,
    "get": CLIENT_DESCRIPTORS,
    "doctor": CLIENT_DESCRIPTORS,
    "verify": CLIENT_DESCRIPTORS,
}


class Commands(click.Group):
    """A group whose subcommands are modules of a package, each with its `command`.

    table: the names in order, with a line of help for each.  package: of the modules.  extra: the extra of bothways
    that installs the packages they need.  descriptors: how many files and sockets some have to be able to open.
    """

    def __init__(
        self,
        *words: Any,
        table: Mapping[str, str],
        package: str,
        extra: str,
        descriptors: Mapping[str, int],
        **settings: Any,
    ) -> None:
        super().__init__(*words, **settings)
        self._descriptors = descriptors
        self._table = table
        self._package = package
        self._extra = extra

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own shape
        """Return the names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command; `import_` for a name that is a keyword of Python.

        If packages are missing, the command ends with what to install; shell completion then sees no command.
        """
        if cmd_name not in self._table:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        try:
            command: click.Command = import_module(f"{self._package}.{module}").command
        except ModuleNotFoundError as missing:
            if ctx.resilient_parsing:
                return None
            from bothways.cli.output.terminal import refuse  # for --help only this module is imported

            said = f"{ctx.command_path} {cmd_name}".removeprefix("bothways ")
            needed = f"{said} requires the package {missing.name}, which is not installed"
            refuse(needed, f"pip install 'bothways[{self._extra}]'")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is to run, once it can open what it needs."""
        near = [] if args[0] in self._table else get_close_matches(args[0], self._table, 1)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        name, command, rest = super().resolve_command(ctx, args)
        count = self._descriptors.get(name or "", 0)
        if count and not ctx.resilient_parsing:
            from bothways.cli.output.terminal import refuse
            from bothways.servers.listening import require_descriptors

            try:
                require_descriptors(count)
            except OSError as error:
                hint = "raise the limit of open files: `ulimit -n 1024`, or LimitNOFILE= in a unit of systemd"
                refuse(f"{error.strerror}", hint)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._table.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the epilog with its line breaks."""
        formatter.write(self.epilog or "")


FIRST_STEPS = """
First steps:
  bothways demo                  a handshake, and how it fails
  bothways show FILE             what is in a certificate or key file
  bothways doctor HOST:PORT      why a server refuses you
  bothways get https://...       call an API with a certificate
"""


@click.group(
    cls=Commands,
    epilog=FIRST_STEPS,
    table=COMMANDS,
    package="bothways.cli",
    extra="cli",
    descriptors=DESCRIPTORS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="bothways", message="%(version)s")
def bothways() -> None:
    """Mutual TLS: both sides are verified, every check is shown, every failure is explained."""
