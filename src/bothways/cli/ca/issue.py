"""`bothways ca issue`: a key and a certificate for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from bothways.ca.keys import KeyType
from bothways.ca.profiles import Holder, Profile
from bothways.cli.ca.handout import Handout, new_files_options
from bothways.cli.ca.options import (
    directory_argument,
    key_option,
    lifetime_option,
    names_options,
    profile_option,
)
from bothways.cli.ca.seal import Seal, seal_options


@click.command("issue")
@directory_argument
@profile_option
@names_options
@key_option("the holder's key")
@lifetime_option
@new_files_options
@seal_options
def command(
    path: Path,
    profile: str,
    holder: Holder,
    key: str,
    lifetime: timedelta | None,
    handout: Handout,
    seal: Seal,
) -> None:
    """Make a key and a certificate: NAME.pem (with the chain) and NAME.key."""
    handout.check_free(".key", ".pem")
    with seal.open(path) as office:
        issued = office.issue(Profile(profile), holder, key_type=KeyType(key), lifetime=lifetime)
    handout.write(issued)
