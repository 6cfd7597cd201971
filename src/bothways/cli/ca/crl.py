"""`bothways ca crl`: what is revoked, signed anew: as one list, as a delta, or as all the files of a web server."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.home import files as directory
from bothways.ca.register.values import Series
from bothways.ca_server.published_files import files
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import DURATION, directory_argument
from bothways.cli.terminal import counted, refuse, say
from bothways.trust import parsing
from bothways.trust.extensions import extension_of


@click.command("crl")
@directory_argument
@click.option("--out", metavar="FILE", help="Write to this file instead of standard output.")
@click.option("--delta", is_flag=True, help="A delta CRL: only what changed since the latest complete CRL.")
@click.option(
    "--tree",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Renew the CRLs that are due and write every CRL and CA certificate there, with the paths of --url.",
)
@click.option(
    "--lifetime", type=DURATION, help="The time until nextUpdate.  [default: 7d; for a delta CRL 1d]"
)
@key_access_options
def command(
    path: Path, out: str | None, delta: bool, tree: Path | None, lifetime: timedelta | None, key_access: KeyAccess
) -> None:  # fmt: skip
    """Sign a new certificate revocation list (CRL), and write it with the root's CRL as PEM.

    With --tree the files can be published by any web server: a CRL for each partition, as named in the certificates,
    and their delta CRLs, in DER.
    """
    if tree is not None:
        if out is not None or delta or lifetime is not None:
            refuse("--tree writes every list, each with its own length of life: it goes with no other option")
        _write_tree(path, tree, key_access)
        return
    if out is not None:
        directory.check_target(Path(out))
    with key_access.open(path) as issuer:
        if delta:
            text = issuer.crl(lifetime, Series(delta=True)).public_bytes(Encoding.PEM)
        else:
            text = issuer.crls_pem(lifetime)
    if out is None:
        sys.stdout.write(text.decode())
        return
    directory.write(Path(out), text, directory.PUBLIC)
    newest = parsing.crl(text)
    numbered = extension_of(newest, x509.CRLNumber)
    number = 0 if numbered is None else numbered.crl_number
    what = "change" if delta else "revoked certificate"
    say(f"wrote {out}: {'delta' if delta else 'list'} number {number} of {counted(len(newest), what)}")


def _write_tree(path: Path, tree: Path, key_access: KeyAccess) -> None:
    """Renew what is due, deltas after the lists that they amend, and write what changed."""
    with key_access.open(path) as issuer:
        made = issuer.publish_due() + issuer.publish_due()
        written = 0
        for name, content in files(issuer):
            place = tree / name
            if not place.is_file() or place.read_bytes() != content:
                place.parent.mkdir(parents=True, exist_ok=True)
                directory.write(place, content, directory.PUBLIC)
                written += 1
    say(f"signed {counted(len(made), 'list')}, wrote {counted(written, 'file')} to {tree}")
