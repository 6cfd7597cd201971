"""`bothways ca import`: records what a CA issued and revoked before it was imported."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.import_existing import (
    import_certificates,
    import_crl,
    is_crl,
    read_earlier_crl,
    read_issued,
)
from bothways.ca.issuer import Issuer
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import directory_argument
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import refuse, say
from bothways.counts import counted
from bothways.trust.files import content


@click.command("import")
@directory_argument
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@key_access_options
def command(path: Path, files: tuple[str, ...], key_access: KeyAccess) -> None:
    """Record certificates and CRLs of an imported CA, PEM or DER, so that they can be found and revoked.

    Only what this CA's key signed is recorded. A file is recorded completely or not at all. What a CRL revokes stays
    revoked, and later CRLs have higher numbers.
    """
    with key_access.open(path) as issuer:
        for file in files:
            say(f"{file}: {counted(_import_file(issuer, file), 'new entry')}")


def _import_file(issuer: Issuer, file: str) -> int:
    data = content(file)
    if is_crl(data):
        return import_crl(issuer, read_earlier_crl(data, file, issuer.authority))
    issued = list(read_issued(data, file, issuer.authority))
    if not issued:
        refuse(f"{file}: contains neither a certificate nor a CRL")
    return import_certificates(issuer, issued)
