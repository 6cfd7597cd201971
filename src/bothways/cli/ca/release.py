"""`bothways ca release`: a certificate that was held is good again."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.cli.ca.options import directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.ca.which import known
from bothways.cli.terminal import say
from bothways.describe.escape import visible


@click.command("release")
@directory_argument
@click.argument("which", metavar="WHICH")
@seal_options
def command(path: Path, which: str, seal: Seal) -> None:
    """Release a certificate that was revoked with the reason certificateHold."""
    with seal.open(path) as issuer:
        entry = known(issuer.register, which, held=True)
        issuer.release(entry.serial)
    say(f"released {visible(entry.name)}, serial {entry.serial:x}")
