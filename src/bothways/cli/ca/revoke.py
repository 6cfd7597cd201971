"""`bothways ca revoke`: revokes a certificate."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from bothways.ca.crl import REASONS
from bothways.cli.ca.find_certificate import find_certificate
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import directory_argument
from bothways.cli.output.terminal import say
from bothways.describe.escape import visible


@click.command("revoke")
@directory_argument
@click.argument("which", metavar="WHICH")
@click.option(
    "--reason",
    default="unspecified",
    show_default=True,
    type=click.Choice(list(REASONS), case_sensitive=False),
    help="The reason (RFC 5280 5.3.1).",
)
@key_access_options
def command(path: Path, which: str, reason: str, key_access: KeyAccess) -> None:
    """Revoke a certificate. WHICH is a file, a serial number or a name.

    With the reason certificateHold it can be released later, otherwise the revocation is final. Others learn of it from
    the next CRL (`bothways ca crl`) or from OCSP.
    """
    with key_access.open(path) as issuer:
        entry = find_certificate(issuer.register, which)
        issuer.revoke(entry.serial, reason)
    say(f"revoked {visible(entry.name)}, serial {entry.serial:x}, for {reason}")
    say(f"publish a new CRL: bothways ca crl {shlex.quote(visible(str(path), 1000))} --out FILE")
