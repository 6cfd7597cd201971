"""`bothways ca init --from`: an authority from elsewhere, by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority, pem
from bothways.ca.crl import RevokedEntry, build_crl
from bothways.ca.keys import private_pem
from bothways.ca.profiles import Profile
from bothways.cli.ca import import_source
from ca_commands import ca, client, rows

TAKE = ("init", "ca", "--from", "old.pem", "--from-key", "old.key", "--insecure-no-passphrase")


@pytest.fixture
def old(folder: Path) -> Authority:
    made = Authority.create("Old Root").intermediate("Old Issuing CA")
    (folder / "old.pem").write_bytes(pem((made.certificate, *made.parents)))
    (folder / "old.key").write_bytes(private_pem(made.key, b"sesame"))  # type: ignore[arg-type]
    (folder / "password").write_text("sesame\n")
    return made


def test_a_ca_is_imported_with_what_it_issued(folder: Path, old: Authority) -> None:
    alice, bob = (old.issue(Profile.CLIENT, name) for name in ("alice", "bob"))
    now = old.now()
    (folder / "alice.pem").write_bytes(
        alice.chain_pem.split(b"-----END CERTIFICATE-----")[0] + b"-----END CERTIFICATE-----\n"
    )
    made = build_crl(
        old,
        [RevokedEntry(bob.serial, now, "superseded")],
        17,
        now,
        now + (alice.certificate.not_valid_after_utc - now),
    )
    (folder / "old.crl").write_bytes(made.public_bytes(Encoding.DER))
    reported = ca(*TAKE, "--from-password-file", "password", "--crl", "old.crl").stderr
    assert "old.crl: imported 1 revocation; CRL numbers continue after 17" in reported
    assert "imported CN=Old Issuing CA, the issuing CA" in reported
    assert "alice.pem: 1 new entry" in ca("import", "ca", "alice.pem", "old.crl").stderr
    client("carol")
    ca("revoke", "ca", "alice.pem")
    ca("crl", "ca", "--out", "crl.pem")
    listed = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    assert {each.serial_number for each in listed} == {alice.serial, bob.serial}
    assert listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 18
    assert {row["name"]: row["state"] for row in rows("list", "ca")} == {
        "": "revoked", "alice": "revoked", "carol": "good",
    }  # fmt: skip
    assert ca("root", "ca").stdout.encode() == old.root_pem
    ca("audit", "ca")


def test_a_password_is_asked_for_where_one_is_needed(
    folder: Path, old: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_source, "passphrase", lambda file, what: None)
    ca(*TAKE, error="old.key: it is encrypted, and no password was given")
    assert not (folder / "ca").exists()
    monkeypatch.setattr(import_source, "passphrase", lambda file, what: {"old.key": "sesame"}[what])
    assert "CRL numbers start at 1" in ca(*TAKE).stderr


def test_the_number_of_the_last_crl_may_be_given_alone(folder: Path, old: Authority) -> None:
    ca(*TAKE, "--from-password-file", "password", "--crl-number", "41")
    ca("crl", "ca", "--out", "crl.pem")
    listed = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    assert listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 42


def test_options_that_exclude_each_other_are_reported(folder: Path, old: Authority) -> None:
    reported = ("--from-password-file", "password")
    ca(*TAKE, *reported, "--permit", "dns:example.com", error="keeps its certificate: --permit")
    ca(*TAKE, *reported, "--no-intermediate", error="cannot be used with --from")
    ca("init", "ca", "--name", "x", "--crl", "old.pem", error="for a CA that is imported with --from")
    ca("init", "ca", "--insecure-no-passphrase", error="the CA needs a name")
    ca("init", "ca", "--from", "password", error="neither PEM nor DER")
    ca(*TAKE, *reported, "--crl", "old.pem", error="old.pem: is not a CRL, or malformed")
    assert not (folder / "ca").exists()
