"""`bothways ca audit`: who did what, and whether the log of it is whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bothways.ca.office import register_of
from bothways.ca.register import AuditEntry
from bothways.cli.ca.options import directory_argument, json_option
from bothways.cli.terminal import DONE, FAILED, complain, counted, say
from bothways.errors import ConfigError
from bothways.explain.escape import visible


@click.command("audit")
@directory_argument
@json_option
def command(path: Path, as_json: bool) -> int:
    """Verify the audit log and show it; the exit status is 1 if it was altered."""
    with register_of(path) as register:
        try:
            entries = register.audit()
        except ConfigError as error:
            complain(str(error))
            return FAILED
    if as_json:
        sys.stdout.write(json.dumps([_facts(entry) for entry in entries]) + "\n")
        return DONE
    for entry in entries:
        sys.stdout.write(_line(entry) + "\n")
    say(f"the log is whole: {counted(len(entries), 'entry')}")
    return DONE


def _line(entry: AuditEntry) -> str:
    at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return f"{entry.number:6}  {at}  {visible(entry.actor)}  {entry.action:7}  {visible(entry.subject)}"


def _facts(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": dict(entry.details),
    }
