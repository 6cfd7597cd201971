"""`bothways ca sign`: a certificate for a key that its holder made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from bothways.ca import directory
from bothways.ca.profiles import Holder, Profile
from bothways.cli.ca.handout import Handout, certificate_options
from bothways.cli.ca.options import directory_argument, lifetime_option, names_options, profile_option
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.options import FILE


@click.command("sign")
@directory_argument
@click.argument("request", type=FILE, metavar="REQUEST")
@profile_option
@names_options
@lifetime_option
@certificate_options
@seal_options
def command(
    path: Path,
    request: str,
    profile: str,
    holder: Holder,
    lifetime: timedelta | None,
    handout: Handout,
    seal: Seal,
) -> None:
    """Issue a certificate for a signing REQUEST: NAME.pem.

    Of what it asks for, the names are taken, or those that are given here in their place.
    """
    handout.check_free(".pem")
    data = directory.read(Path(request))
    with seal.open(path) as office:
        issued = office.sign(
            data,
            Profile(profile),
            holder=None if holder == Holder() else holder,
            lifetime=lifetime,
            source=request,
        )
    handout.write(issued)
