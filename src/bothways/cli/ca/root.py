"""`bothways ca root`: writes the trust anchor."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bothways.ca.home.layout import root_pem
from bothways.cli.ca.options import directory_argument


@click.command("root")
@directory_argument
def command(path: Path) -> None:
    """Write the root certificate to standard output: the trust anchor for others."""
    sys.stdout.write(root_pem(path).decode())
