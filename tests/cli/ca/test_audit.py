"""`bothways ca audit`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from bothways.cli.ca import command
from ca_commands import client, init, rows


def test_the_log_as_json_says_what_was_done(folder: Path) -> None:
    init("--no-intermediate")
    client("alice")
    assert [entry["action"] for entry in rows("audit", "ca")] == ["crl", "issue"]


def test_an_altered_audit_log_is_told(folder: Path) -> None:
    init("--no-intermediate")
    database = (folder / "ca" / "register.db").read_bytes()
    assert database.count(b'{"entries": 0,') == 1
    (folder / "ca" / "register.db").write_bytes(database.replace(b'{"entries": 0,', b'{"entries": 9,'))
    result = CliRunner().invoke(command, ["audit", "ca"], standalone_mode=False)
    assert result.return_value == 1
    assert "broken at entry 1: it was altered" in result.stderr
