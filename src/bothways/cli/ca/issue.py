"""`bothways ca issue`: a key and a certificate for it."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.keys import KeyType
from bothways.ca.profiles import Holder
from bothways.cli.ca.handout import Handout, new_files_options
from bothways.cli.ca.options import Wanted, directory_argument, key_option, names_options, wanted_options
from bothways.cli.ca.seal import Seal, seal_options


@click.command("issue")
@directory_argument
@wanted_options
@names_options
@key_option("the holder's key")
@new_files_options
@seal_options
def command(path: Path, wanted: Wanted, holder: Holder, key: str, handout: Handout, seal: Seal) -> None:
    """Create a key and issue a certificate: NAME.pem (with the chain) and NAME.key."""
    profile = wanted.checked()
    handout = handout.ready(".key", ".pem", key_type=KeyType(key))
    with seal.open(path) as issuer:
        issued = issuer.issue(
            profile,
            holder,
            key_type=KeyType(key),
            lifetime=wanted.lifetime,
            delegation=wanted.delegation,
        )
    handout.write(issued)
