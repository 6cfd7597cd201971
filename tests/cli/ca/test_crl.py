"""`bothways ca crl`: one list, a delta, and the files of a web server."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca_commands import ca, client, init
from interop import peers


def numbers(crls: list[x509.CertificateRevocationList]) -> list[int]:
    return [crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in crls]


def lists(path: Path) -> list[x509.CertificateRevocationList]:
    ends = path.read_bytes().split(b"-----END X509 CRL-----\n")[:-1]
    return [x509.load_pem_x509_crl(each + b"-----END X509 CRL-----\n") for each in ends]


def test_one_file_has_the_crl_of_the_issuer_and_of_the_root(folder: Path) -> None:
    init()
    client("alice")
    ca("revoke", "ca", "alice")
    ca("crl", "ca", "--out", "nowhere/crl.pem", error="nowhere: no file can be created in it")
    ca("crl", "ca", "--out", "", error="expected the name of a file, and it is empty")
    assert "CRL number 1, 1 revoked certificate" in ca("crl", "ca", "--out", "crl.pem").stderr
    issuing, root = lists(folder / "crl.pem")
    assert [crl.issuer.rfc4514_string() for crl in (issuing, root)] == [
        "CN=Example Issuing CA",
        "CN=Example Root",
    ]
    assert (len(issuing), len(root)) == (1, 0)
    for words in ((), ("--out", "-")):
        assert ca("crl", "ca", "--lifetime", "12h", *words).stdout.startswith("-----BEGIN X509 CRL-----\n")
    assert not (folder / "-").exists()


def test_a_delta_goes_with_the_last_crl(folder: Path) -> None:
    init()
    client("alice")
    client("bob")
    ca("crl", "ca", "--delta", error="there is no base CRL for a delta CRL yet")
    ca("revoke", "ca", "alice", "--reason", "certificateHold")
    ca("crl", "ca", "--out", "crl.pem")
    ca("release", "ca", "alice")
    ca("revoke", "ca", "bob")
    reported = ca("crl", "ca", "--delta", "--out", "delta.pem", "--lifetime", "2h").stderr
    assert "wrote delta.pem: delta CRL number 2, 2 changes" in reported
    (delta,) = lists(folder / "delta.pem")
    assert delta.next_update_utc is not None
    assert delta.next_update_utc - delta.last_update_utc == timedelta(hours=2)
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number == 1


def test_a_folder_gets_every_file_that_certificates_name(folder: Path) -> None:
    init("--url", "http://ca.example", "--partition", "1")
    client("alice")
    client("bob")
    ca("revoke", "ca", "bob")
    (folder / "file").touch()
    ca("crl", "ca", "--tree", "file", error="Directory 'file' is a file")
    ca("crl", "ca", "--tree", "file/web", error="file/web: Not a directory")
    ca("crl", "ca", "--tree", "/proc/web", error="/proc/web: ")
    assert "signed 6 CRLs, wrote 9 files to web" in ca("crl", "ca", "--tree", "web").stderr
    found = sorted(
        str(path.relative_to(folder / "web")) for path in (folder / "web").rglob("*.c*r*") if path.is_file()
    )
    assert found == [
        "ca/issuing.cer", "ca/root.cer", "crl/issuing-delta.crl", "crl/issuing.crl", "crl/issuing/0-delta.crl",
        "crl/issuing/0.crl", "crl/issuing/1-delta.crl", "crl/issuing/1.crl", "crl/root.crl",
    ]  # fmt: skip
    bob = x509.load_pem_x509_certificate((folder / "bob.pem").read_bytes()).extensions
    (point,) = bob.get_extension_for_class(x509.CRLDistributionPoints).value
    named = (point.full_name or [])[0].value
    assert named == "http://ca.example/crl/issuing/1.crl"
    assert len(x509.load_der_x509_crl((folder / "web" / "crl" / "issuing" / "1.crl").read_bytes())) == 1
    assert len(x509.load_der_x509_crl((folder / "web" / "crl" / "issuing" / "0.crl").read_bytes())) == 0


def test_a_folder_gets_only_what_changed(folder: Path) -> None:
    init("--url", "http://ca.example", "--partition", "1")
    client("alice")
    client("bob")
    ca("crl", "ca", "--tree", "web")
    assert "signed 0 CRLs, wrote 0 files to web" in ca("crl", "ca", "--tree", "web").stderr
    ca("revoke", "ca", "bob")
    before = {path: path.read_bytes() for path in (folder / "web").rglob("*.crl")}
    assert "signed 4 CRLs, wrote 4 files to web" in ca("crl", "ca", "--tree", "web").stderr
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"issuing.crl", "issuing-delta.crl", "1.crl", "1-delta.crl"}
    ca("crl", "ca", "--tree", "web", "--delta", error="it excludes --out, --delta and --lifetime")


@pytest.mark.interop
def test_openssl_and_gnutls_accept_every_crl_of_the_folder(folder: Path) -> None:
    """RFC 5280 5, signed by whom they name."""
    init("--url", "http://ca.example")
    client("alice")
    ca("crl", "ca", "--tree", "web")
    for name in ("issuing", "issuing-delta", "issuing/0", "issuing/0-delta"):
        crl = ["-inform", "DER", "-in", f"web/crl/{name}.crl", "-CAfile", "ca/issuing.pem", "-noout"]
        assert "verify OK" in reported(peers.find("openssl"), "crl", *crl)
        files = ["--infile", f"web/crl/{name}.crl", "--load-ca-certificate", "web/ca/issuing.cer"]
        printed = reported(peers.find("certtool"), "--verify-crl", "--inder", *files)
        assert "Verified. The certificate is trusted." in printed


def reported(*words: str) -> str:
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr
