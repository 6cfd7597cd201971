"""A certificate is meant by a file, a serial number or a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_commands import ca, client, init, rows


def states() -> list[object]:
    return [row["state"] for row in rows("list", "ca")]


def test_of_several_certificates_of_one_name_the_serial_decides(folder: Path) -> None:
    init()
    client("alice", out="first")
    client("alice", out="second")
    serials = [str(row["serial"]) for row in rows("list", "ca")]
    reported = ca("revoke", "ca", "alice", error="alice has 2 valid certificates; give a serial number")
    assert all(serial in reported.stderr for serial in serials)
    ca("revoke", "ca", f"0x{serials[0]}")
    ca("revoke", "ca", "alice")
    assert states() == ["revoked", "revoked"]


def test_a_file_in_pem_or_der_is_looked_at_first(folder: Path) -> None:
    init()
    client("alice")
    client("bob")
    leaf = x509.load_pem_x509_certificate((folder / "alice.pem").read_bytes())
    (folder / "bob").write_bytes(leaf.public_bytes(Encoding.DER))
    ca("revoke", "ca", "bob")
    assert states() == ["revoked", "good"]
    ca("revoke", "ca", "bob.pem")
    assert states() == ["revoked", "revoked"]


def test_a_text_that_is_too_long_for_a_file_is_no_certificate(folder: Path) -> None:
    init()
    ca("revoke", "ca", "f" * 5000, error="neither a file nor a serial number or name")


def test_a_serial_is_read_with_colons_as_openssl_prints_it(folder: Path) -> None:
    init()
    client("alice")
    serial = f"{int(str(rows('list', 'ca')[0]['serial']), 16):032X}"
    ca("revoke", "ca", ":".join(serial[at : at + 2] for at in range(0, 32, 2)))
    assert states() == ["revoked"]


@pytest.mark.parametrize("name", ["a\udcff", "a\0b", "a\x1b[31m", "", "x'); DROP TABLE certificates;--"])
def test_an_impossible_name_finds_no_certificate(folder: Path, name: str) -> None:
    """Bytes of a command line that are no text among them."""
    init()
    client("alice")
    ca("revoke", "ca", name, error="neither a file nor a serial number or name of a certificate of this CA")
    assert states() == ["good"]
