"""`bothways show`: what it prints, and how it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import identities
import pki
from bothways.ca.authority import Authority
from bothways.ca.crl import RevokedEntry, build_crl
from command_line import bothways, environment, run_command, start_command


def show(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways("show", *words),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_closed_standard_output_ends_show_without_an_error_message(folder):
    """`bothways show F | head -1`."""
    (folder / "many.pem").write_bytes(identities.root().pem * 2_000)
    with start_command(
        bothways("show", "many.pem"),
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as shown:  # fmt: skip
        assert shown.stdout.readline().startswith(b"many.pem: certificate: ")
        shown.stdout.close()
        assert shown.stderr.read() == b""


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (b"", "the file is empty", None),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "this is a Java key store (JKS)", "keytool -importkeystore -srckeystore 'a fi"),
        ("\ufeff-----BEGIN".encode("utf-16-le"), "this is text in UTF-16", "iconv -f UTF-16 -t UTF-8 'a file' >"),
        (b"{}", 'not a recorded handshake: "format" is not "bothways-handshake"', None),
        (b"<!doctype html><p>", "this is an HTML or XML document", "see in a text editor"),
        (b"0\x82\x10\0", "the DER is cut off: it has 4 of 4100 bytes", "copy it again, whole"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_reported_with_what_to_do(folder, content, what, hint):
    """Status 2; the command names the file as a shell takes it."""
    (folder / "a file").write_bytes(content)
    done = show(folder, "a file", "ada.der")
    assert done.returncode == 2
    assert done.stdout.startswith("ada.der: certificate: Ada\n")
    first, *rest = done.stderr.splitlines()
    assert first == f"bothways: a file: {what}"
    assert (rest[0].removeprefix("Hint: ").startswith(hint)) if hint else not rest


def test_a_damaged_document_hides_no_other_and_sets_the_exit_status(folder):
    """A file of which one part cannot be read is not a file that can be used."""
    block = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    (folder / "mixed.pem").write_bytes(
        block + identities.root().pem + identities.client().encrypted_key_pem(b"x")
    )
    done = show(folder, "mixed.pem")
    assert done.returncode == 2
    assert "mixed.pem: certificate: Test Root" in done.stdout
    assert done.stderr.splitlines() == [
        "bothways: mixed.pem: the private key cannot be read: this is a private key of OpenSSH",
        "Hint: ssh-keygen -p -m PKCS8 -f mixed.pem, which writes the file again",
        "bothways: mixed.pem: its content is encrypted: a passphrase is required",
        "Hint: give --password-file",
    ]


def test_certificates_in_pkcs7_are_shown(folder):
    """With the command that makes PEM of them."""
    certificates = [identities.root().certificate, identities.client().certificate]
    (folder / "chain.p7b").write_bytes(pkcs7.serialize_certificates(certificates, Encoding.DER))
    done = show(folder, "chain.p7b")
    assert (done.returncode, done.stderr) == (0, "")
    assert "chain.p7b: PKCS#7: 2 certificates" in done.stdout
    assert "chain.p7b: certificate: Ada" in done.stdout


def test_names_of_files_are_shown_escaped(folder):
    """A file out of somebody's archive moves no cursor."""
    (folder / "evil\x1b[2J.pem").write_bytes(identities.root().pem)
    (folder / "none\x1b[2J.pem").write_bytes(b"?")
    done = show(folder, "evil\x1b[2J.pem", "none\x1b[2J.pem")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith("evil\\x1b[2J.pem: certificate: ")


def test_warnings_of_a_parser_are_not_shown(folder):
    """A serial number of zero is told in the page, and not by Python."""
    issued = pki.leaf(pki.root())
    odd = issued.der.replace(
        pki.der(0x02, issued.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")), b"\x02\x01\x00"
    )
    assert odd != issued.der
    inner = pki.der(0x30, odd[odd.index(b"\xa0\x03\x02\x01\x02") : odd.rindex(b"\x30\x0a\x06\x08")])
    rest = odd[odd.rindex(b"\x30\x0a\x06\x08") :]
    (folder / "odd.der").write_bytes(pki.der(0x30, inner + rest))
    done = show(folder, "odd.der")
    assert (done.returncode, done.stderr) == (0, "")
    assert "serial number             00\n" in done.stdout


def test_a_large_list_is_cut(folder):
    """What is left out is counted, and the rest of the page is short."""
    revoked = [RevokedEntry(number, pki.NOW, "unspecified") for number in range(1, 5_001)]
    signed = build_crl(Authority.create("Root"), revoked, 1, pki.NOW, pki.NOW + pki.DAY)
    (folder / "large.crl").write_bytes(signed.public_bytes(Encoding.DER))
    done = show(folder, "large.crl")
    assert (done.returncode, done.stderr) == (0, "")
    assert "and 4,980 more" in done.stdout
    assert len(done.stdout) < 4_000
