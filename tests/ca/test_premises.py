"""What is read of an authority where it stands, and what is refused there."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from bothways.ca.founding import Terms
from bothways.ca.office import Office
from bothways.ca.premises import identifier_of, register_of, root_pem, row_of
from bothways.errors import ConfigError
from ca.offices import Clock, client


def test_keys_are_private_and_open_with_the_passphrase_alone(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ca"
    Office.create(path, Terms("Test"), b"secret", now=clock).close()
    for name in ("root.key", "issuing.key"):
        assert (path / name).stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED" in (path / name).read_bytes()
    with pytest.raises(ConfigError, match=r"issuing\.key: does not open with this passphrase"):
        Office.open(path, b"wrong", now=clock)
    with pytest.raises(ConfigError, match="its passphrase is needed"):
        Office.open(path, None, now=clock)
    Office.open(path, b"secret", now=clock).close()


def test_the_roots_key_is_not_needed_day_to_day(office: Office, clock: Clock) -> None:
    (office.path / "root.key").unlink()
    office.close()
    again = Office.open(office.path, None, now=clock)
    assert client(again, "alice")
    again.close()


def test_another_authoritys_key_is_refused(office: Office, clock: Clock) -> None:
    (office.path / "issuing.key").write_bytes((office.path / "root.key").read_bytes())
    with pytest.raises(ConfigError, match=r"is not the key of issuing\.pem"):
        Office.open(office.path, None, now=clock)


def test_nothing_is_issued_without_the_register(office: Office, clock: Clock) -> None:
    office.close()
    (office.path / "register.db").unlink()
    with pytest.raises(ConfigError, match="nothing is issued without a register"):
        Office.open(office.path, None, now=clock)


def test_a_register_is_read_without_a_key(office: Office) -> None:
    client(office, "alice")
    (office.path / "issuing.key").unlink()
    with register_of(office.path) as register:
        assert [entry.name for entry in register.all()] == ["alice"]
    assert root_pem(office.path) == office.authority.root_pem


def test_an_authority_is_entered_under_the_digest_of_its_certificate(office: Office) -> None:
    certificate = office.authority.certificate
    assert identifier_of(certificate) == certificate.fingerprint(hashes.SHA256()).hex()
    assert row_of(certificate)[0] == "CN=Test Issuing CA"


@pytest.mark.parametrize("content", [b"", b"\xff\x00garbage", b"-----BEGIN CERTIFICATE-----\nMAA=\n"])
def test_a_damaged_file_is_named(office: Office, clock: Clock, content: bytes) -> None:
    """Whatever a disk or a person left of it; nothing is signed meanwhile."""
    (office.path / "root-crl.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"root-crl\.pem: is damaged"):
        office.crls_pem()
    assert not office.register.lists(clock()).newest
    (office.path / "root.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"root\.pem: is damaged"):
        root_pem(office.path)
    with pytest.raises(ConfigError, match=r"root\.pem: is damaged"):
        Office.open(office.path, None, now=clock)
    (office.path / "issuing.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"issuing\.pem: is damaged"):
        register_of(office.path)
