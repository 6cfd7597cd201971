"""`bothways ca init`: creates a root CA and an issuing CA below it, or imports an existing CA."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509

from bothways.addresses import without_user
from bothways.ca.crl_schedule import PARTITION_SIZE
from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer, local_actor
from bothways.ca.keys import KeyType
from bothways.ca.profiles import UNCONSTRAINED, Constraints
from bothways.ca.register.database import has_password
from bothways.cli.ca.import_source import ImportSource, import_source_options
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import constraints_options, directory_argument, key_option
from bothways.cli.options.types import Text
from bothways.cli.output.terminal import refuse, say
from bothways.describe.escape import visible
from bothways.trust.certificate.parsed import subject_of
from bothways.trust.evidence.locations import read_location


@click.command("init")
@directory_argument
@click.option("--name", metavar="NAME", help="The CA's name: the common name of its certificates.")
@key_option("its keys")
@click.option(
    "--url",
    type=Text(),
    metavar="URL",
    help="The URL where `ca serve` will be reached; it is written into certificates.",
)
@click.option(
    "--store",
    "database_url",
    type=Text(),
    metavar="URL",
    help="The database of the register; by default SQLite in DIR.",
)
@click.option(
    "--no-intermediate", is_flag=True, help="Issue with the root itself, without an intermediate CA."
)
@click.option(
    "--path-length",
    type=click.IntRange(0, 8),
    default=0,
    show_default=True,
    metavar="N",
    help="The path length constraint of the issuing CA: how many CAs may be below it.",
)
@click.option(
    "--partition",
    type=click.IntRange(1, 1_000_000),
    default=PARTITION_SIZE,
    show_default=True,
    metavar="N",
    help="With --url: the number of certificates for each CRL partition; it bounds the size of a CRL.",
)
@click.option(
    "--key-uri",
    type=Text(),
    metavar="URI",
    help="Keep the issuing key in a token (PKCS#11): pkcs11:token=...;object=...",
)
@import_source_options
@constraints_options
@key_access_options
def command(
    path: Path,
    name: str | None,
    key: str,
    url: str | None,
    database_url: str | None,
    no_intermediate: bool,
    path_length: int,
    partition: int,
    key_uri: str | None,
    source: ImportSource | None,
    constraints: Constraints,
    key_access: KeyAccess,
) -> None:
    """Create a root CA and an issuing CA below it in DIR; with --from import an existing CA.

    The root signs nothing else: move root.key to a safe place. The root's CRL is signed now. With --key-uri the
    issuing key is created in a token, or the existing one is used; module-path= in the URI or $PKCS11_MODULE names the
    token's driver.
    """
    if url:
        _check_url(url)
    options = InitOptions(
        name or "",
        KeyType(key),
        database_url or "",
        url or "",
        intermediate=not no_intermediate,
        constraints=constraints,
        path_length=path_length,
        partition=partition,
        key_uri=key_uri or "",
    )
    if source is not None:
        _import(path, options, source, key_access)
    elif name is None:
        refuse("the CA needs a name", "give --name, or --from to import an existing CA")
    else:
        _create(path, options, key_access)
    if database_url and has_password(database_url):
        say(
            "authority.json contains the database password, so only its owner can read it; use ~/.pgpass to keep it out"
        )
    if key_access.insecure_no_passphrase and not (key_uri and (source or no_intermediate)):
        say("the keys are not encrypted: whoever can read the files can issue certificates")


def _create(path: Path, options: InitOptions, key_access: KeyAccess) -> None:
    in_files = options.intermediate or not options.key_uri
    issuer = Issuer.create(
        path,
        options,
        key_access.new_passphrase() if in_files else None,
        pin=key_access.pin(),
        actor=local_actor(),
    )
    issuer.close()
    root = issuer.authority.root
    say(f"created {_subject(root)}, valid until {root.not_valid_after_utc:%Y-%m-%d}")
    if options.intermediate:
        issuing = issuer.authority.certificate
        say(
            f"created {_subject(issuing)}, the issuing CA, valid until {issuing.not_valid_after_utc:%Y-%m-%d}"
        )
        say(f"move {path / 'root.key'} to a safe place: it is not needed to issue certificates")


def _import(path: Path, options: InitOptions, source: ImportSource, key_access: KeyAccess) -> None:
    if options.constraints != UNCONSTRAINED or not options.intermediate or options.path_length:
        refuse(
            "an imported CA keeps its certificate: --permit, --exclude, --path-length and --no-intermediate "
            "cannot be used with --from"
        )
    with source.import_ca(path, options, key_access) as issuer:
        own = issuer.authority.certificate
        say(f"imported {_subject(own)}, the issuing CA, valid until {own.not_valid_after_utc:%Y-%m-%d}")
        say(f"record what it issued before: bothways ca import {path} FILE...")


def _subject(certificate: x509.Certificate) -> str:
    return visible(subject_of(certificate))


def _check_url(url: str) -> None:
    try:
        read_location(url, https=True)
    except ValueError as error:
        hint = "write internationalized names as xn--... and %XX"
        refuse(f"--url: {visible(without_user(url))} is not an http:// URL: {error}", hint)
