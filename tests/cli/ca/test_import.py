"""`bothways ca import` where its files are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.ca.authority import Authority
from bothways.ca.profiles import Profile
from bothways.trust import files
from ca_commands import ca, client, init, rows


def test_a_file_with_a_certificate_of_another_ca_is_refused_whole(folder: Path) -> None:
    init("--no-intermediate")
    client("alice")
    stranger = Authority.create("Example").issue(Profile.CLIENT, "mallory")
    (folder / "all.pem").write_bytes((folder / "alice.pem").read_bytes() + stranger.chain_pem)
    ca("import", "ca", "all.pem", error="all.pem: certificate 2: was not issued by this CA")
    assert [row["name"] for row in rows("list", "ca")] == ["alice"]
    assert "alice.pem: 0 new entries" in ca("import", "ca", "alice.pem").stderr
    ca("import", "ca", "nowhere.pem", error="nowhere.pem")
    ca("import", "ca", "alice.key", error="alice.key: contains neither a certificate nor a CRL")
    ca("import", "ca", error="Missing argument")
    assert len(rows("audit", "ca")) == 2


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero here")
def test_a_file_without_an_end_is_left_at_its_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whichever command reads what others sent."""
    monkeypatch.setattr(files, "MAX_FILE", 1000)
    init()
    (folder / "long").write_bytes(bytes(1001))
    ca("import", "ca", "/dev/zero", error="/dev/zero: larger than 1000 bytes")
    ca("revoke", "ca", "long", error="long: larger than 1000 bytes")
    words = ("--from", "ca/root.pem", "--from-key", "ca/root.key", "--crl", "/dev/zero")
    ca("init", "new", "--insecure-no-passphrase", *words, error="/dev/zero: larger than 1000 bytes")
