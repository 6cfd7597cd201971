"""The directory of a CA that was made by an earlier version, with its keys, register, audit log and CRLs."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.ca.errors import AlreadyRevoked
from bothways.ca.home import files
from bothways.ca.issuer import Issuer
from ca.issuers import Clock, client

# Made by the commit before the packages of the CA were renamed: `ca init`, `issue` twice, `revoke`, `crl`.
EARLIER = Path(__file__).with_name("version2")
PASSPHRASE = b"correct horse"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the directory, whose register is made from its statements."""
    path = tmp_path / "ca"
    shutil.copytree(EARLIER, path, ignore=shutil.ignore_patterns("register.sql"))
    database = sqlite3.connect(path / "register.db")
    database.executescript((EARLIER / "register.sql").read_text(encoding="ascii"))
    database.close()
    return path


def test_a_ca_of_an_earlier_version_issues_revokes_and_publishes(directory: Path) -> None:
    clock = Clock(datetime(2026, 12, 1, tzinfo=UTC))
    with Issuer.open(directory, PASSPHRASE, now=clock) as issuer:
        known = {entry.name: entry for entry in issuer.register.all()}
        assert {name: entry.reason for name, entry in known.items()} == {"alice": None, "bob": "unspecified"}
        assert [entry.action for entry in issuer.audit()] == ["issue", "issue", "revoke", "crl"]
        with pytest.raises(AlreadyRevoked):
            issuer.revoke(known["bob"].serial)
        issuer.revoke(known["alice"].serial)
        carol = client(issuer, "carol")
        revoked = {each.serial_number for each in issuer.crl()}
        assert revoked == {known["alice"].serial, known["bob"].serial} and carol not in revoked
        assert issuer.register.crl_numbers() == [1, 2]
        assert issuer.register.check_audit().number == 7


def test_what_a_later_version_writes_has_the_names_of_the_earlier_one(directory: Path) -> None:
    before = (directory / "authority.json").read_bytes()
    files.write_settings(directory, files.read_settings(directory))
    assert (directory / "authority.json").read_bytes() == before
