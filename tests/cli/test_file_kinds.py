"""Files that others hand out are told by their kind, with the command that makes of them one that is read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bothways import ConfigError, Credentials, TrustStore
from bothways.cli.file_kinds import told_apart
from bothways.cli.options import load_anchors, load_identity
from bothways.testing import MutualTLS
from interop.peers import find


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MutualTLS:
    monkeypatch.chdir(tmp_path)
    Path("all").mkdir()
    made = MutualTLS(Path("all"))
    Path("password").write_text("testing\n")
    Path("store.jks").write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1")
    Path("wide.pem").write_bytes(made.ca.read_text().encode("utf-16"))
    return made


def advice(call) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        call()
    text, _, hint = str(caught.value).partition("\nHint: ")
    return text, hint


@pytest.mark.parametrize(
    ("file", "said", "command"),
    [("store.jks", "a Java key store (JKS)", "keytool -importkeystore -srckeystore store.jks "),
     ("wide.pem", "text in UTF-16", "iconv -f UTF-16 -t UTF-8 wide.pem")],
)  # fmt: skip
def test_a_file_of_another_kind_is_told_by_its_kind(handed, file, said, command):
    for call in (lambda: load_identity(file, None, None), lambda: load_anchors(file)):
        text, hint = advice(call)
        assert text.startswith(f"{file}: this is {said}")
        assert hint.startswith(command)


def test_a_key_of_another_kind_is_told_by_its_kind(handed):
    Path("my.key").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    text, hint = advice(lambda: load_identity(str(handed.identity("client").cert), "my.key", None))
    assert (text, hint.split()[0]) == ("my.key: this is a private key of OpenSSH", "ssh-keygen")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the file is empty"), (b"\n \n", "there is nothing in the file but blanks")],
)
def test_a_file_with_nothing_in_it_is_told_as_that(handed, content, said):
    """Whichever of the files it is."""
    Path("nothing.pem").write_bytes(content)
    cert = str(handed.identity("client").cert)
    for call in (
        lambda: load_identity("nothing.pem", None, None),
        lambda: load_identity(cert, "nothing.pem", None),
        lambda: load_anchors("nothing.pem"),
    ):
        text, hint = advice(call)
        assert text == f"nothing.pem: {said}"
        assert hint.startswith("write it again")


@pytest.mark.interop
@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_the_command_for_an_export_of_windows_makes_anchors_of_it(handed, form):
    find("openssl")
    subprocess.run(
        [
            "openssl",
            "crl2pkcs7",
            "-nocrl",
            "-certfile",
            handed.ca,
            "-outform",
            form,
            "-out",
            "ca of bank.p7b",
        ],
        check=True,
    )
    text, hint = advice(lambda: load_anchors("ca of bank.p7b"))
    assert "PKCS#7" in text
    subprocess.run(hint, shell=True, check=True)
    assert TrustStore.from_file("ca of bank.p7b.pem").subjects == handed.anchors.subjects


@pytest.mark.interop
def test_the_command_for_anchors_in_pkcs12_finds_them(handed):
    """What a CA hands out holds its own chain too."""
    find("openssl")
    mine = handed.identity("client")
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", mine.cert, "-inkey", mine.key, "-certfile", handed.ca,
         "-out", "all.p12", "-passout", "pass:testing"], check=True,
    )  # fmt: skip
    assert isinstance(load_identity("all.p12", None, "password"), Credentials)
    text, hint = advice(lambda: load_anchors("all.p12"))
    assert "this is PKCS#12" in text
    subprocess.run(f"{hint} -passin file:password", shell=True, check=True)
    assert set(handed.anchors.subjects) <= set(TrustStore.from_file("all.p12.pem").subjects)


def test_what_is_wrong_with_a_file_of_our_kinds_is_told_as_before(handed):
    mine = handed.identity("client")
    for call, said in (
        (lambda: load_identity(str(mine.p12), None, None), "no password was given"),
        (lambda: load_identity("nowhere.pem", None, None), "nowhere.pem: cannot be read"),
        (lambda: load_identity(str(handed.ca), str(mine.key), None), "does not belong"),
        (lambda: load_anchors(str(mine.key)), "no certificate"),
    ):
        with pytest.raises(ConfigError, match=said):
            call()


def test_whatever_else_fails_passes(handed):
    with pytest.raises(RuntimeError), told_apart("store.jks"):
        raise RuntimeError
