"""`bothways ca issue`: every profile from the command line, and what is refused before anything is issued."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose, Refused, Trusted
from bothways.trust.verification import verify as judge
from ca_commands import ca, client, init, rows
from interop import peers

BRANCH = ("--profile", "sub-ca", "--name", "Branch CA")


def leaf(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_names_of_every_kind_are_in_the_certificate(folder: Path) -> None:
    init()
    names = ("--dns", "a.example", "--ip", "::1", "--uri", "spiffe://example/a", "--email", "a@example.com")
    ca("issue", "ca", "--profile", "peer", "--name", "A", *names, "--out", "a")
    found = leaf(folder / "a.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in found] == ["a.example", "::1", "spiffe://example/a", "a@example.com"]


def test_an_authority_below_may_do_what_it_was_given(folder: Path) -> None:
    init("--path-length", "1")
    ca("issue", "ca", *BRANCH, "--permit", "dns:example.com", "--exclude", "ip:10.0.0.0/8", "--out", "branch")
    made = leaf(folder / "branch.pem").extensions
    assert made.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    found = made.get_extension_for_class(x509.NameConstraints).value
    assert found.permitted_subtrees == [x509.DNSName("example.com")]
    assert found.excluded_subtrees is not None
    assert len(x509.load_pem_x509_certificates((folder / "branch.pem").read_bytes())) == 2
    ca(
        "issue",
        "ca",
        *BRANCH,
        "--path-length",
        "1",
        "--out",
        "b",
        error="the path length constraint of this CA is 1",
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("--profile", "client", "--name", "a", "--path-length", "0"),
            "for the profile sub-ca, not for client",
        ),
        (
            ("--profile", "server", "--dns", "a.b", "--permit", "dns:b"),
            "for the profile sub-ca, not for server",
        ),
        ((*BRANCH, "--dns", "a.example"), "a CA has a common name only"),
        (BRANCH, "path length constraint of this CA is 0"),
        (("--profile", "client", "--name", "a", "--dns", "b.c", "--dns", "B.c"), "'b.c' is requested twice"),
        (
            ("--profile", "client", "--name", "a", "--key", "mldsa65", "--p12"),
            "no program reads an ML-DSA key",
        ),
        (
            ("--profile", "client", "--name", "a", "--p12", "--p12-password-file", "nowhere"),
            "nowhere: cannot be read: No such file or directory",
        ),
    ],
)
def test_a_refused_certificate_leaves_no_file_and_no_entry(
    folder: Path, words: tuple[str, ...], problem: str
) -> None:
    init()
    before = sorted(folder.iterdir())
    ca("issue", "ca", *words, "--out", "x", error=problem)
    assert sorted(folder.iterdir()) == before
    assert rows("list", "ca") == []


CONSTRAINED = (
    "--permit", "dns:example.com", "--permit", "ip:127.0.0.0/8", "--permit", "email:example.com",
    "--permit", "uri:example.com", "--exclude", "dns:secret.example.com",
)  # fmt: skip
OUTSIDE = [
    ("--dns", "a.example.org"),
    ("--dns", "a.secret.example.com"),
    ("--dns", "*.example.org"),
    ("--ip", "10.0.0.1"),
    ("--email", "a@example.org"),
    ("--uri", "https://example.org/"),
]


def test_names_outside_the_constraints_are_not_issued(folder: Path) -> None:
    """RFC 5280 4.2.1.10."""
    init(*CONSTRAINED)
    for names in OUTSIDE:
        ca("issue", "ca", "--profile", "peer", "--dns", "b.example.com", *names, "--out", "x",
           error="nothing was issued: the certificate would be refused")  # fmt: skip
    assert rows("list", "ca") == []
    ca("issue", "ca", "--profile", "peer", "--dns", "a.example.com", "--ip", "127.0.0.1", "--out", "a",
       "--email", "a@example.com", "--uri", "https://example.com/")  # fmt: skip


@pytest.mark.interop
def test_openssl_and_our_own_trust_hold_an_issuer_to_its_constraints(folder: Path) -> None:
    """What slipped past the authority, signed with its key by other hands, is refused by both."""
    openssl = peers.find("openssl")
    init(*CONSTRAINED)
    ca("issue", "ca", "--profile", "server", "--dns", "a.example.com", "--out", "good")
    for number, names in enumerate([("DNS:a.example.com",), *OUTSIDE]):
        kinds = {"--dns": "DNS", "--ip": "IP", "--email": "email", "--uri": "URI"}
        name = names[0] if len(names) == 1 else f"{kinds[names[0]]}:{names[1]}"
        (folder / "names.cnf").write_text(f"subjectAltName={name}\nextendedKeyUsage=serverAuth\n")
        run(openssl, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=x", "-keyout", "x.key", "-out", "x.csr")  # fmt: skip
        run(openssl, "x509", "-req", "-in", "x.csr", "-CA", "ca/issuing.pem", "-CAkey", "ca/issuing.key",
            "-days", "10", "-extfile", "names.cnf", "-out", "x.pem", "-set_serial", str(number + 1))  # fmt: skip
        reported = subprocess.run(
            [openssl, "verify", "-CAfile", "ca/root.pem", "-untrusted", "ca/issuing.pem", "x.pem"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        chain = [leaf(folder / "x.pem"), leaf(folder / "ca" / "issuing.pem")]
        verdict = judge(
            [each.public_bytes(Encoding.DER) for each in chain],
            TrustStore.from_file(str(folder / "ca" / "root.pem")),
            purpose=Purpose.SERVER, name=None, at=leaf(folder / "x.pem").not_valid_before_utc,
        )  # fmt: skip
        assert isinstance(verdict, Trusted if number == 0 else Refused), name
        assert (reported.returncode == 0) == (number == 0), name + reported.stderr
        if number:
            assert "subtree violation" in reported.stderr


def test_a_client_needs_no_more_than_a_name(folder: Path) -> None:
    init("--key", "ed25519")
    client("alice", "--key", "ed25519")
    assert leaf(folder / "alice.pem").subject.rfc4514_string() == "CN=alice"


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
