"""`bothways ca list`."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from ca_commands import ca, init, rows


def test_the_list_as_json_says_who_and_what(folder: Path) -> None:
    init("--no-intermediate")
    ca("issue", "ca", "--profile", "peer", "--dns", "a.example", "--out", "a", "--lifetime", "12h")
    (row,) = rows("list", "ca")
    leaf = x509.load_pem_x509_certificate((folder / "a.pem").read_bytes())
    assert row["serial"] == f"{leaf.serial_number:x}"
    assert (row["profile"], row["name"], row["state"]) == ("peer", "a.example", "good")
    assert row["not_after"] == leaf.not_valid_after_utc.isoformat()
    ca("revoke", "ca", str(row["serial"]), "--reason", "superseded")
    (row,) = rows("list", "ca")
    assert (row["state"], row["reason"]) == ("revoked", "superseded")
