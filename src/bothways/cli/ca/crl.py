"""`bothways ca crl`: signs a new CRL or delta CRL, or all CRLs that are due as files for a web server."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.home import files
from bothways.ca.register.values import Series
from bothways.ca_server.published_files import published_files
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import DURATION, directory_argument
from bothways.cli.options.types import FILE, FileName
from bothways.cli.output.terminal import refuse, say
from bothways.counts import counted
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extensions import extension_of


@click.command("crl")
@directory_argument
@click.option("--out", type=FILE, metavar="FILE", help="Write to this file instead of standard output.")
@click.option("--delta", is_flag=True, help="A delta CRL: only what changed since the latest complete CRL.")
@click.option(
    "--tree",
    type=FileName(file_okay=False, path_type=Path),
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
            refuse(
                "--tree writes all CRLs, each with its own lifetime: it excludes --out, --delta and --lifetime"
            )
        _write_tree(path, tree, key_access)
        return
    if out == "-":  # as for `bothways get`
        out = None
    if out is not None:
        files.check_target(Path(out))
        files.check_writable(Path(out).parent)
    with key_access.open(path) as issuer:
        if delta:
            text = issuer.crl(lifetime, Series(delta=True)).public_bytes(Encoding.PEM)
        else:
            text = issuer.crls_pem(lifetime)
    if out is None:
        sys.stdout.write(text.decode())
        return
    files.write(Path(out), text, files.PUBLIC)
    newest = parsing.crl(text)
    numbered = extension_of(newest, x509.CRLNumber)
    number = 0 if numbered is None else numbered.crl_number
    what = "change" if delta else "revoked certificate"
    say(f"wrote {out}: {'delta CRL' if delta else 'CRL'} number {number}, {counted(len(newest), what)}")


def _write_tree(path: Path, tree: Path, key_access: KeyAccess) -> None:
    """Sign the CRLs that are due, delta CRLs after their base CRLs, and write the files that changed."""
    with files.file_errors(tree, ""):
        tree.mkdir(parents=True, exist_ok=True)
    files.check_writable(tree)
    with key_access.open(path) as issuer:
        signed = issuer.publish_due() + issuer.publish_due()
        written = 0
        for name, content in published_files(issuer):
            file = tree / name
            if not file.is_file() or files.read(file) != content:
                with files.file_errors(file.parent, ""):
                    file.parent.mkdir(parents=True, exist_ok=True)
                files.write(file, content, files.PUBLIC)
                written += 1
    say(f"signed {counted(len(signed), 'CRL')}, wrote {counted(written, 'file')} to {tree}")
