"""`bothways ca sign`: a certificate for a key that its holder made."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.home import files as directory
from bothways.ca.profiles import Holder
from bothways.ca.requests import SIZE_LIMIT
from bothways.cli.ca.handout import Handout, certificate_options
from bothways.cli.ca.options import Wanted, directory_argument, names_options, wanted_options
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.options import FILE


@click.command("sign")
@directory_argument
@click.argument("request", type=FILE, metavar="REQUEST")
@wanted_options
@names_options
@certificate_options
@seal_options
def command(path: Path, request: str, wanted: Wanted, holder: Holder, handout: Handout, seal: Seal) -> None:
    """Issue a certificate for a certificate signing REQUEST (CSR): NAME.pem.

    Only the names are taken from the request; names given as options replace them.
    """
    profile = wanted.checked()
    handout = handout.ready(".pem")
    data = directory.read(Path(request), SIZE_LIMIT + 1)
    with seal.open(path) as issuer:
        names = None if holder == Holder() else holder
        issued = issuer.sign(
            data,
            profile,
            holder=names,
            lifetime=wanted.lifetime,
            delegation=wanted.delegation,
            source=request,
        )
    handout.write(issued)
