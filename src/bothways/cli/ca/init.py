"""`bothways ca init`: a root, and an authority under it that issues."""

from __future__ import annotations

import re
from pathlib import Path

import click
from cryptography import x509

from bothways.ca.keys import KeyType
from bothways.ca.lists import PARTITION_SIZE
from bothways.ca.office import Office, Terms
from bothways.ca.profiles import Constraints
from bothways.cli.ca.options import constraints_options, directory_argument, key_option
from bothways.cli.ca.seal import Seal, actor, seal_options
from bothways.cli.terminal import refuse, say
from bothways.explain.escape import visible


@click.command("init")
@directory_argument
@click.option("--name", required=True, metavar="NAME", help="What the authority is called.")
@key_option("its keys")
@click.option(
    "--url", default="", metavar="URL", help="Where `ca serve` will answer; goes into certificates."
)
@click.option("--store", default="", metavar="URL", help="Another register than SQLite in DIR.")
@click.option("--no-intermediate", is_flag=True, help="Let the root itself issue.")
@click.option(
    "--path-length",
    type=click.IntRange(0, 8),
    default=0,
    show_default=True,
    metavar="N",
    help="How many authorities may stand below the one that issues.",
)
@click.option(
    "--partition",
    type=click.IntRange(1, 1_000_000),
    default=PARTITION_SIZE,
    show_default=True,
    metavar="N",
    help="With --url: how many certificates share one list, so that no file of it outgrows a limit.",
)
@constraints_options
@seal_options
def command(
    path: Path,
    name: str,
    key: str,
    url: str,
    store: str,
    no_intermediate: bool,
    path_length: int,
    partition: int,
    constraints: Constraints,
    seal: Seal,
) -> None:
    """Make a root and an authority under it that issues.

    The root signs nothing else: move root.key to a safe place. Its list of revoked authorities is signed
    already.
    """
    if url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        refuse(f"--url: {visible(url)} is no http:// address")
    terms = Terms(
        name,
        KeyType(key),
        store,
        url,
        intermediate=not no_intermediate,
        constraints=constraints,
        path_length=path_length,
        partition=partition,
    )
    office = Office.create(path, terms, seal.new(), actor=actor())
    office.close()
    root = office.authority.root
    say(f"made {_subject(root)}, valid until {root.not_valid_after_utc:%Y-%m-%d}")
    if not no_intermediate:
        issuing = office.authority.certificate
        say(f"made {_subject(issuing)}, which issues, valid until {issuing.not_valid_after_utc:%Y-%m-%d}")
        say(f"move {path / 'root.key'} to a safe place: it is not needed day to day")
    if seal.insecure_no_passphrase:
        say("the keys are not sealed: who reads them can issue")


def _subject(certificate: x509.Certificate) -> str:
    return visible(certificate.subject.rfc4514_string())
