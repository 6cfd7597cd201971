"""`bothways ca import` where its files are not what they should be."""

from __future__ import annotations

from pathlib import Path

from bothways.ca.authority import Authority
from bothways.ca.profiles import Profile
from ca_commands import ca, client, init, rows


def test_what_was_not_issued_here_is_refused_whole(folder: Path) -> None:
    init("--no-intermediate")
    client("alice")
    stranger = Authority.create("Example").issue(Profile.CLIENT, "mallory")
    (folder / "all.pem").write_bytes((folder / "alice.pem").read_bytes() + stranger.chain_pem)
    ca("import", "ca", "all.pem", error="all.pem: certificate 2: was not issued by this authority")
    assert [row["name"] for row in rows("list", "ca")] == ["alice"]
    assert "alice.pem: 0 new entries" in ca("import", "ca", "alice.pem").stderr
    ca("import", "ca", "nowhere.pem", error="nowhere.pem")
    ca("import", "ca", error="Missing argument")
    assert len(rows("audit", "ca")) == 2
