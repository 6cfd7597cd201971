"""`bothways ca`: an authority of one's own in a directory. One module a command."""

from __future__ import annotations

import click

from bothways.cli.commands import Commands

COMMANDS = {
    "init": "Make a root and an authority under it that issues, or take one over.",
    "import": "Enter what an authority issued before it was taken over.",
    "issue": "Make a key and a certificate.",
    "sign": "Issue a certificate for a signing request.",
    "renew": "Issue a certificate in the place of one that is still good.",
    "revoke": "Take a certificate back.",
    "release": "Release a certificate that was held.",
    "crl": "Sign a new list of what is revoked.",
    "serve": "Answer over HTTP: OCSP, revocation lists, certificates.",
    "list": "List what was issued.",
    "root": "Write the root's certificate: what others take as their anchor.",
    "audit": "Verify the audit log and show it.",
}


@click.group("ca", cls=Commands, table=COMMANDS, package=__name__)
def command() -> None:
    """Issue certificates to both sides, and take them back.

    The keys are sealed with a passphrase: from $BOTHWAYS_CA_PASSPHRASE, --passphrase-file, or asked for.
    """
