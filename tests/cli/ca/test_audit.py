"""`bothways ca audit`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from bothways.ca.errors import AuditFailed, FileUnusable
from bothways.cli.ca import command
from bothways.cli.output.terminal import status_of
from ca.databases import execute
from ca_commands import ca, client, init, rows


def test_the_log_as_json_says_what_was_done(folder: Path) -> None:
    init("--no-intermediate")
    client("alice")
    assert [entry["action"] for entry in rows("audit", "ca")] == ["crl", "issue"]


def test_an_altered_audit_log_is_reported(folder: Path) -> None:
    init("--no-intermediate")
    database = (folder / "ca" / "register.db").read_bytes()
    assert database.count(b'{"entries": 0,') == 1
    (folder / "ca" / "register.db").write_bytes(database.replace(b'{"entries": 0,', b'{"entries": 9,'))
    result = CliRunner().invoke(command, ["audit", "ca"], standalone_mode=False)
    assert isinstance(result.exception, AuditFailed)
    assert status_of(result.exception) == 1
    assert "broken at entry 1: it was altered" in str(result.exception)
    array = CliRunner().invoke(command, ["audit", "ca", "--json"], standalone_mode=False)
    assert (array.stdout, type(array.exception)) == ("[]\n", AuditFailed)


def test_the_log_is_shown_with_its_head_which_must_stand_later(folder: Path) -> None:
    init()
    client("alice")
    reported = ca("audit", "ca")
    assert [line.split()[-2:][0] for line in reported.stdout.splitlines()] == ["issue"]
    head = reported.stderr.split("head ")[1].strip()
    assert reported.stderr == f"the audit log is intact: 1 entry, head {head}\n"
    client("bob")
    assert "2 entries" in ca("audit", "ca", "--head", head).stderr
    other = "1:" + "a" * 64
    result = CliRunner().invoke(command, ["audit", "ca", "--head", other], standalone_mode=False)
    assert isinstance(result.exception, AuditFailed)
    assert f"was replaced: entry 1 had the hash {'a' * 64}" in str(result.exception)
    ca("audit", "ca", "--head", "1", error="is not the head of an audit log; write NUMBER:HASH")


def test_an_alteration_of_the_root_is_reported_too(folder: Path) -> None:
    init()
    execute(f"sqlite:///{folder / 'ca' / 'register.db'}", "UPDATE audit SET actor = 'x' WHERE action = 'crl'")
    result = CliRunner().invoke(command, ["audit", "ca"], standalone_mode=False)
    assert isinstance(result.exception, AuditFailed)
    assert "broken at entry 2" in str(result.exception)


def test_a_directory_without_an_authority_is_wrong_use_and_no_altered_log(folder: Path) -> None:
    """Whoever watches the exit status is not alarmed by a wrong path."""
    (folder / "empty").mkdir()
    result = CliRunner().invoke(command, ["audit", "empty", "--json"], standalone_mode=False)
    assert (type(result.exception), result.stdout) == (FileUnusable, "")
