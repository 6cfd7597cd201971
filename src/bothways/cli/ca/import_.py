"""`bothways ca import`: what an authority issued and revoked before it was taken over."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.office import Office
from bothways.ca.takeover import adopt, adopt_list, is_crl, read_earlier_list, read_issued
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
    """Enter certificates and revocation lists of before, PEM or DER, so that they can be looked up and revoked.

    Only what this authority's key signed is entered; a file goes in whole or not at all. What a list revokes stays
    revoked, and later lists have higher numbers.
    """
    with seal.open(path) as office:
        for file in files:
            say(f"{file}: {counted(_entered(office, file), 'new entry')}")


def _entered(office: Office, file: str) -> int:
    data = content(file)
    if is_crl(data):
        return adopt_list(office, read_earlier_list(data, file, office.authority))
    return adopt(office, list(read_issued(data, file, office.authority)))
