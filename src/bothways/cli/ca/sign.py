"""`bothways ca sign`: issues a certificate for a certificate signing request (CSR)."""

from __future__ import annotations

from pathlib import Path

import click

from bothways.ca.home import files
from bothways.ca.profiles import Holder
from bothways.ca.requests import SIZE_LIMIT, omitted_names
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import (
    CertificateOptions,
    certificate_options,
    directory_argument,
    names_options,
)
from bothways.cli.ca.output_files import OutputFiles, certificate_file_options
from bothways.cli.options.file_kinds import Wanted, refuse_others
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import say
from bothways.describe.escape import visible
from bothways.trust.files import content


@click.command("sign")
@directory_argument
@click.argument("request", type=FILE, metavar="REQUEST")
@certificate_options
@names_options
@certificate_file_options
@key_access_options
def command(
    path: Path,
    request: str,
    options: CertificateOptions,
    holder: Holder,
    output: OutputFiles,
    key_access: KeyAccess,
) -> None:
    """Issue a certificate for a certificate signing REQUEST (CSR): NAME.pem.

    Only the key and the names are taken from the request; names given as options replace those of the request.
    """
    profile = options.checked_profile()
    output = output.prepared(".pem")
    named = Path(request)
    data = content(named) if named.is_fifo() else files.read(named, SIZE_LIMIT + 1)
    refuse_others(request, data, Wanted.SIGNING_REQUEST)
    with key_access.open(path) as issuer:
        names = None if holder == Holder() else holder
        issued = issuer.sign(
            data,
            profile,
            holder=names,
            lifetime=options.lifetime,
            delegation=options.delegation,
            source=request,
        )
    output.write(issued)
    omitted = omitted_names(data) if names is None else ""
    if omitted:
        say(
            f"warning: the certificate does not have {visible(omitted, 200)}: of the subject of a request only the "
            "common name is taken"
        )
