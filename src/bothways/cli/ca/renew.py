"""`bothways ca renew`: issues new certificates in place of those that expire soon."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from bothways.ca.authority import utc_now
from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Profile
from bothways.cli.ca.find_certificate import find_certificate
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import DURATION, directory_argument
from bothways.cli.ca.output_files import OutputFiles, renewed_files_options
from bothways.cli.output.terminal import DONE, FAILED, refuse, report_error, say
from bothways.describe.escape import visible
from bothways.errors import UsageError


@click.command("renew")
@directory_argument
@click.argument("which", required=False, metavar="[WHICH]")
@click.option(
    "--expiring",
    type=DURATION,
    help="Renew all certificates that expire within this time; --out is a directory.",
)
@click.option("--same-key", is_flag=True, help="Keep the old key; writes no NAME.key.")
@renewed_files_options
@key_access_options
def command(
    path: Path,
    which: str | None,
    expiring: timedelta | None,
    same_key: bool,
    output: OutputFiles,
    key_access: KeyAccess,
) -> int:
    """Issue a new certificate in place of one that is still valid.

    WHICH is a file, a serial number or a name. NAME.pem and NAME.key are replaced. With --expiring all are renewed
    except OCSP responders' certificates, which `ca serve` renews.
    """
    if (which is None) == (expiring is None):
        refuse("give the certificate to renew, or --expiring with a duration")
    if which is None and not Path(output.out).is_dir():
        refuse(f"{output.out}: there is no such directory")
    output = output.prepared(*_suffixes(same_key) if which is not None else ())
    with key_access.open(path) as issuer:
        if expiring is not None:
            return _renew_all(issuer, expiring, same_key, output)
        entry = find_certificate(issuer.register, which or "")
        output.write(issuer.renew(entry.serial, same_key=same_key))
        return DONE


def _suffixes(same_key: bool) -> tuple[str, ...]:
    return (".pem",) if same_key else (".pem", ".key")


def _renew_all(issuer: Issuer, expiring: timedelta, same_key: bool, output: OutputFiles) -> int:
    """Renew what expires soon; failures are reported, and the other certificates renewed."""
    now, status = utc_now(), DONE
    # `ca serve` renews the certificates of its OCSP responders; their keys are only in its memory
    due = [
        each for each in issuer.register.expiring(now + expiring, now) if each.profile != Profile.OCSP.value
    ]
    if not due:
        say(f"nothing to renew: none expires before {now + expiring:%Y-%m-%d %H:%M} UTC")
    for entry in due:
        try:
            issued = issuer.renew(entry.serial, same_key=same_key)
            output.in_directory(entry.name, issued.serial).write(issued)
        except (AuthorityError, UsageError) as error:
            report_error(f"{visible(entry.name)}, serial {entry.serial:x}: {error}")
            status = FAILED
    return status
