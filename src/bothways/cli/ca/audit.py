"""`bothways ca audit`: verifies the audit log and prints it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bothways.audit_chain import Head
from bothways.ca.errors import AuditFailed, AuthorityError
from bothways.ca.home import files
from bothways.ca.home.layout import register_of, root_register_of
from bothways.ca.register.audit_log import AuditEntry
from bothways.cli.ca.options import directory_argument, json_option
from bothways.cli.options.audit_head import head_option
from bothways.cli.output.terminal import say
from bothways.counts import counted
from bothways.describe.escape import visible


@click.command("audit")
@directory_argument
@head_option
@json_option
def command(path: Path, noted: Head | None, as_json: bool) -> None:
    """Verify the audit log and print it. The exit status is 1 if anything was altered.

    The log's hashes are verified, and the certificates and CRLs are compared with it. Somebody who
    can write to the store could replace the whole log: note the last entry, printed at the end, elsewhere, and pass
    it with --head.
    """
    files.read_settings(path)  # a directory without a CA is wrong use, not an altered log
    show = _Array() if as_json else _Lines()
    try:
        with root_register_of(path) as root:
            root.check_audit()
        with register_of(path) as register:
            head = register.check_audit(show.entry, noted)
    except AuditFailed:
        raise
    except AuthorityError as error:  # what cannot be read was altered too
        raise AuditFailed(str(error)) from None
    finally:
        show.end()
    say(
        f"the audit log is intact: {counted(head.number, 'entry')}"
        + (f", head {head}" if head.number else "")
    )


class _Lines:
    """Entries as lines."""

    def entry(self, entry: AuditEntry) -> None:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        line = f"{entry.number:6}  {at}  {visible(entry.actor)}  {entry.action:7}  {visible(entry.subject)}"
        sys.stdout.write(line + "\n")

    def end(self) -> None:
        """Lines need no end."""


class _Array:
    """Entries as one JSON array, which is not kept in memory."""

    def __init__(self) -> None:
        self._before = "["

    def entry(self, entry: AuditEntry) -> None:
        sys.stdout.write(self._before + json.dumps(_facts(entry)))
        self._before = ",\n "

    def end(self) -> None:
        sys.stdout.write("[]\n" if self._before == "[" else "]\n")


def _facts(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": dict(entry.details),
    }
