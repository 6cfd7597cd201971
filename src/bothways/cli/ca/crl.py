"""`bothways ca crl`: a new list of what is revoked."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click
from cryptography import x509

from bothways.ca import directory
from bothways.cli.ca.options import DURATION, directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.terminal import counted, say


@click.command("crl")
@directory_argument
@click.option("--out", metavar="FILE", help="Write there instead of standard output.")
@click.option("--lifetime", type=DURATION, default="7d", show_default=True, help="Until when it may be used.")
@seal_options
def command(path: Path, out: str | None, lifetime: timedelta, seal: Seal) -> None:
    """Sign a new list of what is revoked; the root's own list goes with it, in one PEM."""
    with seal.open(path) as office:
        text = office.crls_pem(lifetime)
    if out is None:
        sys.stdout.write(text.decode())
        return
    directory.write(Path(out), text, directory.PUBLIC)
    newest = x509.load_pem_x509_crl(text)
    number = newest.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    say(f"wrote {out}: list number {number} of {counted(len(newest), 'revoked certificate')}")
