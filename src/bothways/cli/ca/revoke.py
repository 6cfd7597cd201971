"""`bothways ca revoke`: take a certificate back."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.crl import REASONS
from bothways.cli.ca.options import directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.ca.which import known
from bothways.cli.terminal import say
from bothways.describe.escape import visible


@click.command("revoke")
@directory_argument
@click.argument("which", metavar="WHICH")
@click.option(
    "--reason",
    default="unspecified",
    show_default=True,
    type=click.Choice(list(REASONS), case_sensitive=False),
    help="Why.",
)
@seal_options
def command(path: Path, which: str, reason: str, seal: Seal) -> None:
    """Revoke a certificate. WHICH is a file, a serial number or a name.

    With the reason certificateHold it can be released later, otherwise the revocation is final. Others learn of it from
    the next CRL (`bothways ca crl`) or from OCSP.
    """
    with seal.open(path) as issuer:
        entry = known(issuer.register, which)
        issuer.revoke(entry.serial, reason)
    say(f"revoked {visible(entry.name)}, serial {entry.serial:x}, for {reason}")
    say(f"publish a new list: bothways ca crl {path} --out crl.pem")
