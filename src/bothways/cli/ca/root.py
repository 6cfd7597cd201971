"""`bothways ca root`: what others take as their anchor."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bothways.ca.home.layout import root_pem
from bothways.cli.ca.options import directory_argument


@click.command("root")
@directory_argument
def command(path: Path) -> None:
    """Write the root's certificate to standard output: what others take as their anchor."""
    sys.stdout.write(root_pem(path).decode())
