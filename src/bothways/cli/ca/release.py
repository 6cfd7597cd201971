"""`bothways ca release`: releases a certificate from certificateHold."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.cli.ca.find_certificate import find_certificate
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import directory_argument
from bothways.cli.output.terminal import say
from bothways.describe.escape import visible


@click.command("release")
@directory_argument
@click.argument("which", metavar="WHICH")
@key_access_options
def command(path: Path, which: str, key_access: KeyAccess) -> None:
    """Release a certificate that was revoked with the reason certificateHold."""
    with key_access.open(path) as issuer:
        entry = find_certificate(issuer.register, which, held=True)
        issuer.release(entry.serial)
    say(f"released {visible(entry.name)}, serial {entry.serial:x}")
