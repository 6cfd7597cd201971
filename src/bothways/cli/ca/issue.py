"""`bothways ca issue`: creates a key and issues a certificate for it."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.keys import KeyType
from bothways.ca.profiles import Holder
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import (
    CertificateOptions,
    certificate_options,
    directory_argument,
    key_option,
    names_options,
)
from bothways.cli.ca.output_files import OutputFiles, new_files_options


@click.command("issue")
@directory_argument
@certificate_options
@names_options
@key_option("the holder's key")
@new_files_options
@key_access_options
def command(
    path: Path,
    options: CertificateOptions,
    holder: Holder,
    key: str,
    output: OutputFiles,
    key_access: KeyAccess,
) -> None:
    """Create a key and issue a certificate: NAME.pem (with the chain) and NAME.key."""
    profile = options.checked_profile()
    output = output.prepared(".key", ".pem", key_type=KeyType(key))
    with key_access.open(path) as issuer:
        issued = issuer.issue(
            profile,
            holder,
            key_type=KeyType(key),
            lifetime=options.lifetime,
            delegation=options.delegation,
        )
    output.write(issued)
