"""`bothways ca` where a script does not reach: JSON, files and their modes, passphrases."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import NameOID

from bothways.ca.authority import Authority
from bothways.ca.profiles import Profile
from bothways.cli.ca import command
from bothways.errors import ConfigError
from interop import peers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOTHWAYS_CA_PASSPHRASE", raising=False)
    return tmp_path


def ca(*words: str, error: str = "") -> Result:
    """Run `bothways ca`; what it refuses must say `error`."""
    result = CliRunner().invoke(command, words)
    if error:
        told = str(result.exception) if isinstance(result.exception, ConfigError) else result.stderr
        assert error in told
        assert result.exit_code != 0
    else:
        assert result.exception is None, result.exception
    return result


def rows(*words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ca(*words, "--json").stdout)
    return found


def test_the_passphrase_comes_from_the_environment_or_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTHWAYS_CA_PASSPHRASE", "open sesame")
    (folder / "passphrase").write_text("open sesame\n")
    (folder / "wrong").write_text("abracadabra\n")
    ca("init", "ca", "--name", "Example")
    issue = ("issue", "ca", "--profile", "client", "--name", "alice", "--out")
    ca(*issue, "alice")
    ca(*issue, "again", "--passphrase-file", "passphrase")
    ca(*issue, "never", "--passphrase-file", "wrong", error="does not open with this passphrase")
    ca(*issue, "never", "--insecure-no-passphrase", error="its passphrase is needed")
    monkeypatch.delenv("BOTHWAYS_CA_PASSPHRASE")
    ca(*issue, "never", error="its passphrase is needed")
    assert not (folder / "never.pem").exists()
    assert len(rows("list", "ca")) == 2


def test_the_list_as_json_says_who_and_what(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase", "--no-intermediate")
    ca("issue", "ca", "--profile", "peer", "--dns", "a.example", "--out", "a", "--lifetime", "12h")
    (row,) = rows("list", "ca")
    leaf = x509.load_pem_x509_certificate((folder / "a.pem").read_bytes())
    assert row["serial"] == f"{leaf.serial_number:x}"
    assert (row["profile"], row["name"], row["state"]) == ("peer", "a.example", "good")
    assert row["not_after"] == leaf.not_valid_after_utc.isoformat()
    ca("revoke", "ca", str(row["serial"]), "--reason", "superseded")
    (row,) = rows("list", "ca")
    assert (row["state"], row["reason"]) == ("revoked", "superseded")
    assert [entry["action"] for entry in rows("audit", "ca")] == ["crl", "issue", "revoke"]


def test_what_is_handed_out_is_private_and_complete(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    result = ca("issue", "ca", "--profile", "client", "--name", "alice", "--out", "alice", "--p12")
    assert (folder / "alice.key").stat().st_mode & 0o777 == 0o600
    assert (folder / "alice.p12").stat().st_mode & 0o777 == 0o600
    assert len(x509.load_pem_x509_certificates((folder / "alice.pem").read_bytes())) == 2
    password = (folder / "alice.p12-password").read_bytes().strip()
    assert password.decode() not in result.output
    assert pkcs12.load_pkcs12((folder / "alice.p12").read_bytes(), password).key is not None


def test_nothing_is_overwritten_unless_forced(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    (folder / "alice.key").write_text("precious")
    issue = ("issue", "ca", "--profile", "client", "--name", "alice", "--out", "alice")
    ca(*issue, error="alice.key is there already")
    assert (folder / "alice.key").read_text() == "precious"
    assert rows("list", "ca") == []
    ca(*issue, "--force")
    assert b"PRIVATE KEY" in (folder / "alice.key").read_bytes()


def test_a_request_is_signed(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    (folder / "bob.csr").write_bytes(request.public_bytes(Encoding.PEM))
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    ca("sign", "ca", "bob.csr", "--profile", "client", "--out", "bob")
    leaf = x509.load_pem_x509_certificate((folder / "bob.pem").read_bytes())
    assert leaf.public_key() == key.public_key()
    assert not (folder / "bob.key").exists()


def test_of_several_certificates_of_one_name_the_serial_decides(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    for out in ("first", "second"):
        ca("issue", "ca", "--profile", "client", "--name", "alice", "--out", out)
    serials = [str(row["serial"]) for row in rows("list", "ca")]
    told = ca("revoke", "ca", "alice", error="alice has 2 certificates; say which serial number")
    assert all(serial in told.stderr for serial in serials)
    ca("revoke", "ca", f"0x{serials[0]}")
    ca("revoke", "ca", "alice")
    assert {row["state"] for row in rows("list", "ca")} == {"revoked"}


def test_a_holders_name_does_not_lead_out_of_the_directory(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    ca("issue", "ca", "--profile", "client", "--name", "../../etc/cron.d/x", "--out", "a")
    (folder / "renewed").mkdir()
    ca("renew", "ca", "--expiring", "91d", "--out", "renewed")
    assert sorted(path.suffix for path in (folder / "renewed").iterdir()) == [".key", ".pem"]
    ca("renew", "ca", "--expiring", "91d", "--out", "nowhere", error="nowhere: there is no such directory")


def test_an_altered_audit_log_is_told(folder: Path) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase", "--no-intermediate")
    database = (folder / "ca" / "register.db").read_bytes()
    assert database.count(b'{"entries": 0}') == 1
    (folder / "ca" / "register.db").write_bytes(database.replace(b'{"entries": 0}', b'{"entries": 9}'))
    result = CliRunner().invoke(command, ["audit", "ca"], standalone_mode=False)
    assert result.return_value == 1
    assert "broken at entry 1: it was altered" in result.stderr


SERVER = ("--profile", "server", "--out", "web")
REFUSED = [
    (("list", "nowhere"), "nowhere: holds no authority; `bothways ca init nowhere` makes one"),
    (("init", "new", "--name", "Example"), "the authority's keys need a passphrase"),
    (("init", "new", "--name", "X", "--permit", "dns"), "dns is no constraint; write dns:example.com"),
    (
        ("init", "new", "--name", "X", "--permit", "ip:10.0.0.1/8", "--insecure-no-passphrase"),
        "is no network",
    ),
    (("init", "new", "--name", "X", "--url", "gopher://x"), "--url: gopher://x is no http:// address"),
    (("init", "new", "--name", "", "--insecure-no-passphrase"), "an authority's name has 1 to 64"),
    (("init", "ca", "--name", "X", "--insecure-no-passphrase"), "ca: is there already and not empty"),
    (("issue", "ca", *SERVER, "--name", "www"), "needs a DNS name, an IP address or a URI"),
    (("issue", "ca", *SERVER, "--dns", "a.example.org"), "nothing was issued, since nobody would accept it"),
    (("issue", "ca", *SERVER, "--dns", "a.example.com", "--lifetime", "soon"), "'soon' is no length of time"),
    (("issue", "ca", *SERVER, "--dns", "a_*.example.com"), "is no DNS name"),
    (
        ("issue", "ca", "--profile", "client", "--name", "a", "--out", "nowhere/a"),
        "there is no such directory",
    ),
    (
        ("sign", "ca", "garbage", "--profile", "client", "--out", "b"),
        "garbage: is no request that can be read",
    ),
    (("sign", "ca", "absent", "--profile", "client", "--out", "b"), "absent: there is no such file"),
    (("revoke", "ca", "stranger.pem"), "stranger.pem: this certificate was not issued here"),
    (("revoke", "ca", "garbage"), "garbage: holds no certificate"),
    (("revoke", "ca", "nobody"), "nobody: no file, serial number or name of what was issued here"),
    (("revoke", "ca", "ff"), "ff: no file, serial number or name"),
    (("revoke", "ca", "nobody", "--reason", "boredom"), "'boredom' is not one of"),
    (("renew", "ca", "--out", "x"), "say which certificate to renew"),
    (("release", "ca", "nobody"), "nobody: no file, serial number or name"),
]


@pytest.fixture
def constrained(folder: Path) -> Path:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase", "--permit", "dns:example.com")
    stranger = Authority.create("Other").issue(Profile.CLIENT, "stranger")
    (folder / "stranger.pem").write_bytes(stranger.chain_pem)
    (folder / "garbage").write_text("this is nothing")
    return folder


def test_what_cannot_be_done_is_told_and_changes_nothing(constrained: Path) -> None:
    before = sorted(constrained.iterdir())
    for words, problem in REFUSED:
        ca(*words, error=problem)
        assert sorted(constrained.iterdir()) == before
        assert rows("list", "ca") == []


@pytest.mark.interop
def test_openssl_reads_every_file(folder: Path) -> None:
    openssl = peers.find("openssl")
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase")
    ca("issue", "ca", "--profile", "server", "--dns", "localhost", "--out", "web", "--p12")
    ca("crl", "ca", "--out", "crl.pem")
    (folder / "root.pem").write_text(ca("root", "ca").stdout)
    for words in (
        "verify -x509_strict -crl_check_all -CRLfile crl.pem -CAfile root.pem -untrusted web.pem web.pem",
        "pkey -in web.key -noout -check",
        "pkcs12 -in web.p12 -passin file:web.p12-password -noout",
    ):
        run = subprocess.run([openssl, *words.split()], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
