"""The files that are handed out: their modes, and what they never overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from bothways.ca.authority import Authority
from bothways.ca.errors import FileUnusable
from bothways.ca.profiles import Profile
from bothways.cli.ca.output_files import OutputFiles
from ca_commands import ca, client, init, rows


def test_written_files_are_private_and_complete(folder: Path) -> None:
    init()
    result = client("alice", "--p12")
    assert (folder / "alice.key").stat().st_mode & 0o777 == 0o600
    assert (folder / "alice.p12").stat().st_mode & 0o777 == 0o600
    assert len(x509.load_pem_x509_certificates((folder / "alice.pem").read_bytes())) == 2
    password = (folder / "alice.p12-password").read_bytes().strip()
    assert password.decode() not in result.output
    assert pkcs12.load_pkcs12((folder / "alice.p12").read_bytes(), password).key is not None


def test_nothing_is_overwritten_unless_forced(folder: Path) -> None:
    init()
    (folder / "alice.key").write_text("precious")
    ca(
        "issue", "ca", "--profile", "client", "--name", "alice", "--out", "alice",
        error="alice.key exists already",
    )  # fmt: skip
    assert (folder / "alice.key").read_text() == "precious"
    assert rows("list", "ca") == []
    client("alice", "--force")
    assert b"PRIVATE KEY" in (folder / "alice.key").read_bytes()


def test_a_key_that_another_process_writes_meanwhile_is_not_overwritten(folder: Path) -> None:
    output = OutputFiles("alice").prepared(".pem", ".key")
    (folder / "alice.key").write_text("precious")
    with pytest.raises(FileUnusable, match="alice.key: File exists.* was not written: revoke it"):
        output.write(Authority.create("X").issue(Profile.CLIENT, "alice"))
    assert (folder / "alice.key").read_text() == "precious"
    assert not (folder / "alice.pem").exists()


def test_a_holders_name_does_not_lead_out_of_the_directory(folder: Path) -> None:
    init()
    client("../../etc/cron.d/x", out="a")
    (folder / "renewed").mkdir()
    ca("renew", "ca", "--expiring", "91d", "--out", "renewed")
    assert sorted(path.suffix for path in (folder / "renewed").iterdir()) == [".key", ".pem"]


@pytest.mark.parametrize("out", ["", "/", ".", "..", ".pem", "folder/", "folder/..", "folder/.pem"])
def test_an_invalid_file_name_is_refused_before_anything_is_issued(folder: Path, out: str) -> None:
    """Else files are made that hide, .pem and .key."""
    init()
    (folder / "folder").mkdir()
    ca(
        "issue",
        "ca",
        "--profile",
        "client",
        "--name",
        "alice",
        "--out",
        out,
        error=f"{out!a} is not a file name",
    )
    assert rows("list", "ca") == []


def test_a_link_in_the_place_of_a_file_is_refused_before_anything_is_issued(folder: Path) -> None:
    """A dangling one too, and with --force: who put it there chose where a key goes."""
    init()
    client("alice", out="old")
    (folder / "alice.key").symlink_to("elsewhere")
    (folder / "alice.pem").symlink_to("old.pem")
    words = ("--profile", "client", "--name", "bob", "--out", "alice", "--force")
    ca("issue", "ca", *words, error=": is a symbolic link")
    ca("renew", "ca", "alice", "--out", "alice", error=": is a symbolic link")
    ca("crl", "ca", "--out", "alice.pem", error=": is a symbolic link")
    assert [row["name"] for row in rows("list", "ca")] == ["alice"]
    assert not (folder / "elsewhere").exists()
