"""`bothways ca`: a CA in a directory. One module for each command."""

from __future__ import annotations

import click

from bothways.cli.commands import SERVER_DESCRIPTORS, Commands

COMMANDS = {
    "init": "Create a root CA and an issuing CA below it, or import a CA.",
    "import": "Record what a CA issued before it was imported.",
    "issue": "Create a key and issue a certificate.",
    "sign": "Issue a certificate for a certificate signing request (CSR).",
    "renew": "Issue a new certificate in place of a valid one.",
    "revoke": "Revoke a certificate.",
    "release": "Release a certificate from certificateHold.",
    "crl": "Sign a new certificate revocation list (CRL).",
    "serve": "Serve OCSP responses, CRLs and CA certificates over HTTP.",
    "list": "List the issued certificates.",
    "root": "Write the root certificate: the trust anchor for others.",
    "audit": "Verify the audit log and show it.",
}


@click.group(
    "ca",
    cls=Commands,
    table=COMMANDS,
    package=__name__,
    extra="ca",
    descriptors={"serve": SERVER_DESCRIPTORS},
)
def command() -> None:
    """Issue certificates, revoke them, publish CRLs and OCSP responses: a CA in a directory.

    The keys are encrypted with a passphrase: from $BOTHWAYS_CA_PASSPHRASE, --password-file, or a prompt.
    """
