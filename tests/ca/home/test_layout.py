"""How a CA is read from its directory, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from bothways.ca.errors import FileUnusable
from bothways.ca.home.init import InitOptions
from bothways.ca.home.layout import identifier_of, register_of, register_row, root_pem
from bothways.ca.issuer import Issuer
from bothways.trust.decoding.parsing import PassphraseNeeded, WrongPassphrase
from ca.issuers import Clock, client


def test_key_files_are_private_and_need_the_passphrase(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ca"
    Issuer.create(path, InitOptions("Test"), b"secret", now=clock).close()
    for name in ("root.key", "issuing.key"):
        assert (path / name).stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED" in (path / name).read_bytes()
    with pytest.raises(WrongPassphrase, match=r"issuing\.key: cannot be decrypted with this passphrase"):
        Issuer.open(path, b"wrong", now=clock)
    with pytest.raises(PassphraseNeeded, match="its passphrase is needed"):
        Issuer.open(path, None, now=clock)
    Issuer.open(path, b"secret", now=clock).close()


def test_the_roots_key_is_not_needed_to_issue(issuer: Issuer, clock: Clock) -> None:
    (issuer.path / "root.key").unlink()
    issuer.close()
    again = Issuer.open(issuer.path, None, now=clock)
    assert client(again, "alice")
    again.close()


def test_another_authoritys_key_is_refused(issuer: Issuer, clock: Clock) -> None:
    (issuer.path / "issuing.key").write_bytes((issuer.path / "root.key").read_bytes())
    with pytest.raises(FileUnusable, match=r"is not the key of issuing\.pem"):
        Issuer.open(issuer.path, None, now=clock)


def test_nothing_is_issued_without_the_register(issuer: Issuer, clock: Clock) -> None:
    issuer.close()
    (issuer.path / "register.db").unlink()
    with pytest.raises(FileUnusable, match="without the register no certificate can be issued"):
        Issuer.open(issuer.path, None, now=clock)


def test_a_register_is_read_without_a_key(issuer: Issuer) -> None:
    client(issuer, "alice")
    (issuer.path / "issuing.key").unlink()
    with register_of(issuer.path) as register:
        assert [entry.name for entry in register.all()] == ["alice"]
    assert root_pem(issuer.path) == issuer.authority.root_pem


def test_a_ca_is_identified_by_the_digest_of_its_certificate(issuer: Issuer) -> None:
    certificate = issuer.authority.certificate
    assert identifier_of(certificate) == certificate.fingerprint(hashes.SHA256()).hex()
    assert register_row(certificate)[0] == "CN=Test Issuing CA"


@pytest.mark.parametrize("content", [b"", b"\xff\x00garbage", b"-----BEGIN CERTIFICATE-----\nMAA=\n"])
def test_a_damaged_file_is_named(issuer: Issuer, clock: Clock, content: bytes) -> None:
    """Whatever a disk or a person left of it; nothing is signed meanwhile."""
    (issuer.path / "root-crl.pem").write_bytes(content)
    with pytest.raises(FileUnusable, match=r"root-crl\.pem: is damaged"):
        issuer.crls_pem()
    assert not issuer.register.crl_state(clock()).newest
    (issuer.path / "root.pem").write_bytes(content)
    with pytest.raises(FileUnusable, match=r"root\.pem: is damaged"):
        root_pem(issuer.path)
    with pytest.raises(FileUnusable, match=r"root\.pem: is damaged"):
        Issuer.open(issuer.path, None, now=clock)
    (issuer.path / "issuing.pem").write_bytes(content)
    with pytest.raises(FileUnusable, match=r"issuing\.pem: is damaged"):
        register_of(issuer.path)
