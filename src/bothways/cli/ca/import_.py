"""`bothways ca import`: what an authority issued and revoked before it was taken over."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.import_existing import adopt, adopt_list, is_crl, read_earlier_list, read_issued
from bothways.ca.issuer import Issuer
from bothways.cli.ca.options import directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.options import FILE
from bothways.cli.terminal import counted, say
from bothways.trust.files import content


@click.command("import")
@directory_argument
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@seal_options
def command(path: Path, files: tuple[str, ...], seal: Seal) -> None:
    """Record certificates and CRLs of an imported CA, PEM or DER, so that they can be found and revoked.

    Only what this CA's key signed is recorded. A file is recorded completely or not at all. What a CRL revokes stays
    revoked, and later CRLs have higher numbers.
    """
    with seal.open(path) as issuer:
        for file in files:
            say(f"{file}: {counted(_entered(issuer, file), 'new entry')}")


def _entered(issuer: Issuer, file: str) -> int:
    data = content(file)
    if is_crl(data):
        return adopt_list(issuer, read_earlier_list(data, file, issuer.authority))
    return adopt(issuer, list(read_issued(data, file, issuer.authority)))
