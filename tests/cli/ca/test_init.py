"""`bothways ca` as a whole: what it lists, and what it refuses without leaving a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bothways.ca.authority import Authority
from bothways.ca.profiles import Profile
from bothways.cli.ca import COMMANDS
from ca_commands import ca, client, init, rows
from command_line import environment
from interop import peers


def test_help_lists_every_command_and_each_has_its_own(folder: Path) -> None:
    reported = ca("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in reported
        assert f"ca {name} [OPTIONS]" in ca(name, "--help").stdout


def test_a_command_imports_no_other(folder: Path) -> None:
    program = (
        "import sys\nfrom bothways.cli.ca import command\n"
        "command.main(['root', 'nowhere', '--help'], standalone_mode=False)\n"
        "print(sorted(name for name in sys.modules if name.startswith(('uvicorn', 'bothways.cli.ca.'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['bothways.cli.ca.options', 'bothways.cli.ca.root']"


SERVER = ("--profile", "server", "--out", "web")
REFUSED = [
    (("list", "nowhere"), "nowhere: contains no CA; `bothways ca init nowhere` creates one"),
    (("init", "new", "--name", "Example"), "the keys of the CA need a passphrase"),
    (("init", "new", "--name", "X", "--permit", "dns"), "dns is not a name constraint; write dns:NAME"),
    (
        ("init", "new", "--name", "X", "--permit", "ip:10.0.0.1/8", "--insecure-no-passphrase"),
        "is not an IP network",
    ),
    (("init", "new", "--name", "X", "--url", "gopher://x"), "--url: gopher://x is not an http:// URL"),
    (("init", "new", "--name", "", "--insecure-no-passphrase"), "the name of a CA must have 1 to 64"),
    (("init", "ca", "--name", "X", "--insecure-no-passphrase"), "ca: exists already and is not empty"),
    (("issue", "ca", *SERVER, "--name", "www"), "needs a DNS name, an IP address or a URI"),
    (
        ("issue", "ca", *SERVER, "--dns", "a.example.org"),
        "nothing was issued: the certificate would be refused",
    ),
    (("issue", "ca", *SERVER, "--dns", "a.example.com", "--lifetime", "soon"), "'soon' is not a duration"),
    (("issue", "ca", *SERVER, "--dns", "a_*.example.com"), "is not a DNS name"),
    (
        ("issue", "ca", "--profile", "client", "--name", "a", "--out", "nowhere/a"),
        "there is no such directory",
    ),
    (
        ("sign", "ca", "garbage", "--profile", "client", "--out", "b"),
        "garbage: is not a certificate signing request, or malformed",
    ),
    (("sign", "ca", "absent", "--profile", "client", "--out", "b"), "absent: there is no such file"),
    (("revoke", "ca", "stranger.pem"), "stranger.pem: this certificate was not issued by this CA"),
    (("revoke", "ca", "garbage"), "garbage: contains no certificate"),
    (
        ("revoke", "ca", "nobody"),
        "nobody: neither a file nor a serial number or name of a certificate of this CA",
    ),
    (("revoke", "ca", "ff"), "ff: neither a file nor a serial number or name"),
    (("revoke", "ca", "nobody", "--reason", "boredom"), "'boredom' is not one of"),
    (("renew", "ca", "--out", "x"), "give the certificate to renew"),
    (("release", "ca", "nobody"), "nobody: neither a file nor a serial number or name"),
    (("dance", "ca"), "No such command 'dance'"),
]


@pytest.fixture
def constrained(folder: Path) -> Path:
    init("--permit", "dns:example.com")
    stranger = Authority.create("Other").issue(Profile.CLIENT, "stranger")
    (folder / "stranger.pem").write_bytes(stranger.chain_pem)
    (folder / "garbage").write_text("this is nothing")
    return folder


def test_a_request_that_cannot_be_fulfilled_is_reported_and_changes_nothing(constrained: Path) -> None:
    before = sorted(constrained.iterdir())
    for words, problem in REFUSED:
        ca(*words, error=problem)
        assert sorted(constrained.iterdir()) == before
        assert rows("list", "ca") == []


@pytest.mark.interop
def test_openssl_reads_every_file(folder: Path) -> None:
    openssl = peers.find("openssl")
    init()
    ca("issue", "ca", "--profile", "server", "--dns", "localhost", "--out", "web", "--p12")
    client("alice")
    ca("crl", "ca", "--out", "crl.pem")
    (folder / "root.pem").write_text(ca("root", "ca").stdout)
    for words in (
        "verify -x509_strict -crl_check_all -CRLfile crl.pem -CAfile root.pem -untrusted web.pem web.pem",
        "pkey -in web.key -noout -check",
        "pkcs12 -in web.p12 -passin file:web.p12-password -noout",
    ):
        run = subprocess.run([openssl, *words.split()], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://b\xfccher.example",
        "http://a\udcff",
        "http://a/\xfc",
        "http://a b",
        "http:///x",
        "ftp://a",
        "http://[::1",
        "http://a:0",
    ],
)
def test_an_address_that_no_certificate_can_hold_is_refused(folder: Path, url: str) -> None:
    """And nothing is left behind."""
    ca(
        "init",
        "ca",
        "--name",
        "Example",
        "--insecure-no-passphrase",
        "--url",
        url,
        error="is not an http:// URL",
    )
    assert list(folder.iterdir()) == []
