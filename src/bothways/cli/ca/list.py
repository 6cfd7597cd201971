"""`bothways ca list`: lists the issued certificates with their status."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from bothways.ca.authority import utc_now
from bothways.ca.home.layout import register_of
from bothways.ca.register.values import RegisterEntry
from bothways.cli.ca.find_certificate import status_of
from bothways.cli.ca.options import directory_argument, json_option
from bothways.describe.escape import visible


@click.command("list")
@directory_argument
@json_option
def command(path: Path, as_json: bool) -> None:
    """List the issued certificates by name, the oldest of each name first."""
    with register_of(path) as register:
        now = utc_now()
        if as_json:
            sys.stdout.write(json.dumps([_facts(entry, now) for entry in register.all()]) + "\n")
        else:
            for entry in register.all():
                sys.stdout.write(_line(entry, now) + "\n")


def _line(entry: RegisterEntry, now: datetime) -> str:
    status = status_of(entry, now)
    if entry.reason and status == "revoked":
        status = f"revoked for {entry.reason}"
    end = f"{entry.not_after:%Y-%m-%d %H:%M}"
    return f"{entry.serial:032x}  {entry.profile:7}  {end}  {status:9}  {visible(entry.name)}"


def _facts(entry: RegisterEntry, now: datetime) -> dict[str, object]:
    return {
        "serial": f"{entry.serial:x}",
        "profile": entry.profile,
        "name": entry.name,
        "names": dict(entry.names),
        "not_before": entry.not_before.isoformat(),
        "not_after": entry.not_after.isoformat(),
        "state": status_of(entry, now),
        "reason": entry.reason,
        "revoked_at": None if entry.revoked_at is None else entry.revoked_at.isoformat(),
        "replaced_by": None if entry.replaced_by is None else f"{entry.replaced_by:x}",
    }
