"""`bothways ca init`: a root, and an authority under it that issues."""

from __future__ import annotations

import re
from pathlib import Path

import click
from cryptography import x509

from bothways.ca.keys import KeyType
from bothways.ca.office import Office, Terms
from bothways.ca.profiles import Constraints
from bothways.cli.ca.options import directory_argument, key_option
from bothways.cli.ca.seal import Seal, actor, seal_options
from bothways.cli.options import gathered
from bothways.cli.terminal import refuse, say
from bothways.explain.escape import visible


def _constraints(permit: tuple[str, ...], exclude: tuple[str, ...]) -> Constraints:
    values: dict[str, tuple[str, ...]] = {}
    for word, given in (("permitted", permit), ("excluded", exclude)):
        for each in given:
            kind, colon, name = each.partition(":")
            if not colon or kind not in ("dns", "ip", "uri", "email") or not name:
                refuse(
                    f"{visible(each)} is no constraint; write dns:example.com, ip:10.0.0.0/8, uri: or email:"
                )
            values[f"{word}_{kind}"] = (*values.get(f"{word}_{kind}", ()), name)
    return Constraints(**values)


constraints_options = gathered(
    "constraints",
    _constraints,
    click.option(
        "--permit", multiple=True, metavar="KIND:NAME", help="Vouch only for these; dns, ip, uri, email."
    ),
    click.option("--exclude", multiple=True, metavar="KIND:NAME", help="Never vouch for these."),
)


@click.command("init")
@directory_argument
@click.option("--name", required=True, metavar="NAME", help="What the authority is called.")
@key_option("its keys")
@click.option(
    "--url", default="", metavar="URL", help="Where `ca serve` will answer; goes into certificates."
)
@click.option("--store", default="", metavar="URL", help="Another register than SQLite in DIR.")
@click.option("--no-intermediate", is_flag=True, help="Let the root itself issue.")
@constraints_options
@seal_options
def command(
    path: Path,
    name: str,
    key: str,
    url: str,
    store: str,
    no_intermediate: bool,
    constraints: Constraints,
    seal: Seal,
) -> None:
    """Make a root and an authority under it that issues.

    The root signs nothing else: move root.key to a safe place. Its list of revoked authorities is signed
    already.
    """
    if url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        refuse(f"--url: {visible(url)} is no http:// address")
    terms = Terms(name, KeyType(key), store, url, not no_intermediate, constraints)
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
