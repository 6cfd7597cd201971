"""`bothways ca renew`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from cryptography import x509

from bothways.cli.ca import command
from ca_commands import ca, client, init, rows


def test_in_bulk_each_gets_files_of_its_own(folder: Path) -> None:
    init()
    for name, lifetime in (("alice", "3d"), ("bob", "3d"), ("carol", "90d")):
        client(name, "--lifetime", lifetime)
    (folder / "renewed").mkdir()
    ca("renew", "ca", "--expiring", "14d", "--out", "renewed")
    names = {path.name.partition("-")[0] for path in (folder / "renewed").glob("*.pem")}
    assert names == {"alice", "bob"}
    assert len(rows("list", "ca")) == 5
    assert "nothing to renew" in ca("renew", "ca", "--expiring", "1d", "--out", "renewed").stderr
    ca("renew", "ca", "--expiring", "14d", "--out", "nowhere", error="nowhere: there is no such directory")


def test_the_key_stays_where_it_is_asked_to(folder: Path) -> None:
    init()
    client("alice")
    key = (folder / "alice.key").read_bytes()
    before = x509.load_pem_x509_certificate((folder / "alice.pem").read_bytes())
    ca("renew", "ca", "alice.pem", "--same-key", "--out", "alice")
    after = x509.load_pem_x509_certificate((folder / "alice.pem").read_bytes())
    assert (folder / "alice.key").read_bytes() == key
    assert after.public_key() == before.public_key()
    assert after.serial_number != before.serial_number


def test_in_bulk_the_signers_of_ocsp_are_left_to_the_service(folder: Path) -> None:
    init()
    ca("issue", "ca", "--profile", "ocsp", "--name", "OCSP", "--out", "ocsp")
    client("alice", "--lifetime", "3d")
    ca("renew", "ca", "--expiring", "14d", "--out", ".")
    assert sorted(str(row["profile"]) for row in rows("list", "ca")) == ["client", "client", "ocsp"]


def test_one_that_cannot_be_renewed_keeps_no_other_from_it(folder: Path) -> None:
    init()
    client("alice", "--key", "mldsa65", "--lifetime", "3d")
    client("bob", "--lifetime", "3d")
    result = CliRunner().invoke(
        command, ["renew", "ca", "--expiring", "14d", "--out", ".", "--p12"], standalone_mode=False
    )
    assert result.return_value == 1
    assert "alice, serial" in result.stderr
    assert "no program reads an ML-DSA key from PKCS#12 yet" in result.stderr
    assert len(list(folder.glob("bob-*.p12"))) == 1
