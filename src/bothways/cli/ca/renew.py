"""`bothways ca renew`: certificates in the place of those that will soon end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from bothways.ca.authority import utc_now
from bothways.cli.ca.handout import Handout, renewed_files_options
from bothways.cli.ca.options import DURATION, directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.ca.which import known
from bothways.cli.terminal import refuse


@click.command("renew")
@directory_argument
@click.argument("which", required=False, metavar="[WHICH]")
@click.option("--expiring", type=DURATION, help="All that end within this time; --out is a directory.")
@click.option("--same-key", is_flag=True, help="Certify the old key again; writes no NAME.key.")
@renewed_files_options
@seal_options
def command(
    path: Path,
    which: str | None,
    expiring: timedelta | None,
    same_key: bool,
    handout: Handout,
    seal: Seal,
) -> None:
    """Issue a certificate in the place of one that is still good.

    WHICH is a file, a serial number or a name. What is at NAME.pem and NAME.key is replaced.
    """
    if (which is None) == (expiring is None):
        refuse("say which certificate to renew, or --expiring and a time")
    into = Path(handout.out) if which is None else Path(handout.out).parent
    if not into.is_dir():
        refuse(f"{into}: there is no such directory")
    with seal.open(path) as office:
        if which is not None:
            entry = known(office.register, which)
            handout.write(office.renew(entry.serial, same_key=same_key))
        else:
            now = utc_now()
            for entry in office.register.expiring(now + (expiring or timedelta()), now):
                issued = office.renew(entry.serial, same_key=same_key)
                handout.inside(entry.name, issued.serial).write(issued)
