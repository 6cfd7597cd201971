"""Files that others hand out are told by their kind, with the command that makes of them one that is read."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding

import pki
from bothways import ConfigError, Credentials, TrustStore
from bothways.cli.options.anchors import load_anchors
from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds, for_file, refuse_others
from bothways.cli.options.identity import load_identity
from bothways.cli.options.revocation import Sources
from bothways.testing import MutualTLS
from bothways.trust import files
from interop.peers import find


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MutualTLS]:
    """A folder with the files of all tests, and whose they are, by their paths in that folder."""
    folder = tmp_path_factory.mktemp("issued")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("all").mkdir()
        made = MutualTLS(Path("all"))
        mine = made.identity("client")
        Path("my.pem").write_bytes(mine.cert.read_bytes())
        Path("my.key").write_bytes(mine.key.read_bytes())
        Path("password").write_text("testing\n")
        Path("store.jks").write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1")
        Path("wide.pem").write_bytes(made.ca.read_text().encode("utf-16"))
    return folder, made


@pytest.fixture
def handed(issued: tuple[Path, MutualTLS], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MutualTLS:
    """The test's own copy of the files is where it runs."""
    folder, made = issued
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return made


def advice(call) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        call()
    text, _, hint = str(caught.value).partition("\nHint: ")
    return text, hint


@pytest.mark.parametrize(
    ("file", "printed", "command"),
    [("store.jks", "a Java key store (JKS)", "keytool -importkeystore -srckeystore store.jks "),
     ("wide.pem", "text in UTF-16", "iconv -f UTF-16 -t UTF-8 wide.pem")],
)  # fmt: skip
def test_a_file_of_another_kind_is_told_by_its_kind(handed, file, printed, command):
    for call in (lambda: load_identity(file, None, None), lambda: load_anchors(file)):
        text, hint = advice(call)
        assert text.startswith(f"{file}: this is {printed}")
        assert hint.startswith(command)


def test_a_key_of_another_kind_is_told_by_its_kind(handed):
    Path("my.key").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    text, hint = advice(lambda: load_identity(str(handed.identity("client").cert), "my.key", None))
    assert (text, hint.split()[0]) == ("my.key: this is a private key of OpenSSH", "ssh-keygen")


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "there is nothing in the file but blanks"),
        (b"# of our CA\n", "there is nothing in the file but comments"),
    ],
)
def test_a_file_with_nothing_in_it_is_reported_as_that(handed, content, printed):
    """Whichever of the files it is."""
    Path("nothing.pem").write_bytes(content)
    cert = str(handed.identity("client").cert)
    for call, wanted in (
        (lambda: load_identity("nothing.pem", None, None), "a certificate"),
        (lambda: load_identity(cert, "nothing.pem", None), "a private key"),
        (lambda: load_anchors("nothing.pem"), "trust anchors"),
    ):
        text, hint = advice(call)
        assert text == f"nothing.pem: {printed}; expected {wanted}"
        assert hint.startswith("put them into it" if content.strip() else "write it again")


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


def test_files_of_the_expected_kinds_are_reported_by_their_own_errors(handed):
    mine = handed.identity("client")
    for call, printed in (
        (lambda: load_identity(str(mine.p12), None, None), "no password was given"),
        (lambda: load_identity("nowhere.pem", None, None), "nowhere.pem: cannot be read"),
        (lambda: load_identity(str(handed.ca), str(mine.key), None), "does not belong"),
        (lambda: load_anchors(str(mine.key)), "this is a private key; expected trust anchors"),
    ):
        with pytest.raises(ConfigError, match=printed):
            call()


def test_whatever_else_fails_passes(handed):
    with pytest.raises(RuntimeError), explaining_file_kinds(("store.jks", Wanted.ANCHORS)):
        raise RuntimeError


# -- every kind, given to every option ---------------------------------------------------------------------

PUTTY = "PuTTY-User-Key-File-3: ecdsa-sha2-nistp256\nEncryption: none\nPublic-Lines: 3\nAAAA\n"
BOUNCY = bytes.fromhex("0000000200000014") + bytes(20) + b"\0\0\3\xe8\1\0\5alias"
# A file that no option reads: how it is made, what is said of it, how the command begins that makes it another.
FOREIGN: list[tuple[str, Callable[[bytes, bytes], bytes], str, str]] = [
    ("store.bks", lambda pem, der: BOUNCY, "a Bouncy Castle key store (BKS)", "keytool "),
    ("wide.pem", lambda pem, der: pem.decode().encode("utf-16"), "text in UTF-16", "iconv -f UTF-16 "),
    (
        "wide-le.pem",
        lambda pem, der: pem.decode().encode("utf-16-le"),
        "text in UTF-16",
        "iconv -f UTF-16LE ",
    ),
    (
        "wide-be.pem",
        lambda pem, der: pem.decode().encode("utf-16-be"),
        "text in UTF-16",
        "iconv -f UTF-16BE ",
    ),
    ("bare.b64", lambda pem, der: base64.encodebytes(der), "base64 without lines", "base64 -d "),
    (
        "error.crt",
        lambda pem, der: b"<!DOCTYPE html>\n<title>404</title>",
        "an HTML or XML document",
        "see in a text",
    ),
    ("putty.ppk", lambda pem, der: PUTTY.encode(), "a private key of PuTTY", "puttygen "),
    ("empty.pem", lambda pem, der: b"", "the file is empty", "write it again"),
    ("blank.pem", lambda pem, der: b"\n \n", "nothing in the file but blanks", "write it again"),
    (
        "cut.pem",
        lambda pem, der: pem[:200],
        "the certificate is cut off: the block has a BEGIN line and no END line",
        "copy it again, whole",
    ),
    (
        "cut-among.pem",
        lambda pem, der: pem.replace(b"-----END CERTIFICATE-----", b"", 1) + pem,
        "the certificate is cut off: the block has a BEGIN line and no END line",
        "copy it again, whole",
    ),
    ("cut.der", lambda pem, der: der[:100], "the DER is cut off: it has 100 of ", "copy it again, whole"),
    (
        "no-begin.pem",
        lambda pem, der: pem.partition(b"-----BEGIN CERTIFICATE-----\n")[2].partition(b"-----BEGIN")[0],
        "it has an END line of PEM and no BEGIN line",
        "copy it again, whole",
    ),
    (
        "escaped.pem",
        lambda pem, der: pem.replace(b"\n", b"\\n"),
        "its line ends are written as \\n",
        "printf ",
    ),
    (
        "quoted.pem",
        lambda pem, der: b'"' + pem.replace(b"\n", b"\\n") + b'"',
        "are written as \\n",
        "printf ",
    ),
    ("one-line.pem", lambda pem, der: pem.replace(b"\n", b""), "its lines have lost their ends", "sed "),
    ("blanks.pem", lambda pem, der: pem.replace(b"\n", b" "), "its lines have lost their ends", "sed "),
    (
        "dump.txt",
        lambda pem, der: b"0000\t" + der[:16].hex(" ").encode() + b"   0.......\r\n0010\t00\r\n",
        "this is a hexadecimal dump of DER",
        "certutil -decodehex ",
    ),
    (
        "dump.xxd",
        lambda pem, der: b"00000000: " + der[:16].hex(" ", 2).encode() + b"  0.......\n",
        "this is a hexadecimal dump of DER",
        "xxd -r ",
    ),
    (
        "tpm.key",
        lambda pem, der: b"-----BEGIN TSS2 PRIVATE KEY-----\nMAYGBGeBBQo=\n-----END TSS2 PRIVATE KEY-----\n",
        "that only a TPM can use",
        "use it through PKCS#11",
    ),
    ("answer.json", lambda pem, der: b'{"error": "not found"}', "this is JSON", "see in a text"),
    ("saved.crt", lambda pem, der: b"HTTP/1.1 404 Not Found\r\n\r\n", "a response of HTTP", "see in a text"),
    ("keys.zip", lambda pem, der: b"PK\x03\x04" + der, "a ZIP archive", "unzip "),
]
OPTIONS: dict[str, Callable[[str], object]] = {
    "--cert": lambda file: load_identity(file, "my.key", None),
    "--cert alone": lambda file: load_identity(file, None, None),
    "--key": lambda file: load_identity("my.pem", file, None),
    "--ca": load_anchors,
    "--crl": lambda file: Sources(crl=(file,)).load(),
    "--ocsp": lambda file: Sources().load((file,)),
    "CERT": lambda file: refuse_others(file, Path(file).read_bytes(), Wanted.IDENTITY),
    "REQUEST": lambda file: refuse_others(file, Path(file).read_bytes(), Wanted.SIGNING_REQUEST),
}


@pytest.fixture
def mine(handed: MutualTLS) -> tuple[bytes, bytes]:
    """A certificate in PEM and in DER; my.pem and my.key are there too."""
    pem = Path("my.pem").read_bytes()
    return pem, x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("name", "make", "printed", "command"), FOREIGN, ids=[row[0] for row in FOREIGN])
def test_a_file_that_is_read_nowhere_is_reported_by_its_kind_wherever_it_is_given(
    mine, option, name, make, printed, command
):
    Path(name).write_bytes(make(*mine))
    text, hint = advice(lambda: OPTIONS[option](name))
    assert text.startswith(f"{name}: ") and printed in text
    assert hint.startswith(command) and bool(hint) == bool(command)


OTHERS = [
    ("--cert", "request.csr", "this is a certificate request; expected a certificate"),
    ("--cert", "public.pem", "this is a public key; expected a certificate"),
    ("--key", "my.pem", "this is a certificate; expected a private key"),
    ("--key", "public.pem", "this is a public key; expected a private key"),
    ("--key", "request.csr", "this is a certificate request; expected a private key"),
    ("--key", "my.p12", "this is PKCS#12; expected a private key"),
    ("--ca", "my.key", "this is a private key; expected trust anchors"),
    ("--ca", "my.p12", "this is PKCS#12; expected trust anchors"),
    ("--ca", "locked.key", "this is a private key; expected trust anchors"),
    ("--crl", "my.pem", "this is a certificate; expected certificate revocation lists (CRLs)"),
    ("--crl", "my.key", "this is a private key; expected certificate revocation lists (CRLs)"),
    ("--ocsp", "my.der", "this is a certificate; expected OCSP responses"),
    ("CERT", "request.der", "this is a certificate request; expected a certificate"),
    ("REQUEST", "my.pem", "this is a certificate; expected a certificate request"),
    ("--cert", "chain.p7b", "this is PKCS#7"),
    ("--crl", "chain.p7b", "this is PKCS#7"),
    ("CERT", "chain-der.p7b", "this is PKCS#7"),
    ("--cert", "two.der", "another document follows the certificate"),
    ("--ca", "more.der", "7 bytes follow the certificate"),
]
# What each option reads; every other form is told as what it is, with what to do.
READS = {
    "--cert": {"my.pem", "my.der", "my.p12"},
    "--cert alone": {"my.p12"},
    "--key": {"my.key", "key.der", "locked.key"},
    "--ca": {"my.pem", "my.der"},
    "--crl": {"crl.pem", "crl.der"},
    "--ocsp": {"response.der", "response.pem"},
    "CERT": {"my.pem", "my.der", "my.p12"},
    "REQUEST": {"request.csr", "request.der"},
}
FORMS = {
    "my.pem": "a certificate",
    "my.der": "a certificate",
    "my.key": "a private key",
    "key.der": "a private key",
    "locked.key": "a private key",
    "my.p12": "PKCS#12",
    "open.p12": "PKCS#12",
    "request.csr": "a certificate request",
    "request.der": "a certificate request",
    "public.pem": "a public key",
    "public.der": "a public key",
    "crl.pem": "a CRL",
    "crl.der": "a CRL",
    "response.der": "an OCSP response",
    "response.pem": "an OCSP response",
    "chain.p7b": "PKCS#7",
    "chain-der.p7b": "PKCS#7",
}
COMMANDS = """
openssl pkcs12 -export -in my.pem -inkey my.key -out open.p12 -passout pass:
openssl pkey -in my.key -outform DER -out key.der
openssl pkey -in my.key -pubout -outform DER -out public.der
openssl pkcs12 -export -in my.pem -inkey my.key -out my.p12 -passout pass:testing
openssl req -new -key my.key -subj /CN=x -out request.csr
openssl req -in request.csr -outform DER -out request.der
openssl pkey -in my.key -pubout -out public.pem
openssl pkcs8 -topk8 -in my.key -out locked.key -passout pass:testing
openssl crl2pkcs7 -nocrl -certfile my.pem -out chain.p7b
openssl crl2pkcs7 -nocrl -certfile my.pem -outform DER -out chain-der.p7b
"""


@pytest.fixture(scope="module")
def converted(issued: tuple[Path, MutualTLS], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what OpenSSL makes of my.pem and my.key."""
    find("openssl")
    folder = tmp_path_factory.mktemp("converted")
    for name in ("my.pem", "my.key"):
        shutil.copy(issued[0] / name, folder)
    for command in COMMANDS.strip().splitlines():
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def forms(mine: tuple[bytes, bytes], converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted, tmp_path, dirs_exist_ok=True)
    Path("my.der").write_bytes(mine[1])
    Path("two.der").write_bytes(mine[1] * 2)
    Path("more.der").write_bytes(mine[1] + b"garbage")
    crl, response = pki.crl(pki.root()), pki.ocsp_response(pki.leaf(pki.root()))
    Path("crl.der").write_bytes(crl)
    Path("crl.pem").write_bytes(x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM))
    Path("response.der").write_bytes(response)
    armour = b"-----BEGIN OCSP RESPONSE-----\n%b-----END OCSP RESPONSE-----\n"
    Path("response.pem").write_bytes(armour % base64.encodebytes(response))


@pytest.mark.interop
@pytest.mark.parametrize("option", OPTIONS)
def test_every_form_is_reported_as_what_it_is_wherever_another_is_wanted(forms, option):
    """And always with what to do."""
    for name, kind in FORMS.items():
        if name not in READS[option] and (option, name) not in TOLD_OTHERWISE:
            text, hint = advice(lambda: OPTIONS[option](name))  # noqa: B023 - it is called at once
            assert text.startswith(f"{name}: this is {kind}"), (option, text)
            assert hint, (option, text)


# A certificate alone lacks its key; PKCS#12 without a password is opened.
TOLD_OTHERWISE = {("--cert alone", "my.pem"), ("--cert alone", "my.der"), ("CERT", "open.p12")} | {
    (option, "open.p12") for option in ("--cert", "--cert alone")
}


@pytest.mark.interop
@pytest.mark.parametrize(("option", "name", "printed"), OTHERS, ids=[f"{row[0]} {row[1]}" for row in OTHERS])
def test_a_document_of_another_kind_than_is_wanted_is_told_with_what_is(forms, option, name, printed):
    text, _ = advice(lambda: OPTIONS[option](name))
    assert text.startswith(f"{name}: {printed}")


MADE = [
    ("--cert", "two.der", "two.der.pem"),
    ("--ca", "more.der", "more.der.der"),
    ("--cert", "bare.b64", "bare.b64.der"),
    ("--cert", "wide.pem", "wide-new.pem"),
    ("--cert", "chain.p7b", "chain.p7b.pem"),
    ("--cert", "chain-der.p7b", "chain-der.p7b.pem"),
    ("--key", "my.p12", "my.p12.key"),
    ("--cert", "escaped.pem", "escaped-new.pem"),
    ("--ca", "quoted.pem", "quoted-new.pem"),
    ("--cert", "one-line.pem", "one-line-new.pem"),
    ("--ca", "blanks.pem", "blanks-new.pem"),
    ("--ca", "trusted.pem", "trusted-new.pem"),
    ("--key", "ssh.key", "ssh.key"),
    ("--cert", "real.jks", "real.jks.p12"),
]


@pytest.mark.interop
@pytest.mark.parametrize(("option", "name", "made"), MADE, ids=[f"{row[0]} {row[1]}" for row in MADE])
def test_the_command_makes_of_a_file_one_that_the_option_takes(forms, mine, option, name, made):
    Path("bare.b64").write_bytes(base64.encodebytes(mine[1]))
    for other, make, *_ in FOREIGN:
        if other in ("wide.pem", "escaped.pem", "quoted.pem", "one-line.pem", "blanks.pem"):
            Path(other).write_bytes(make(*mine))
    Path("trusted.pem").write_bytes(mine[0].replace(b"CERTIFICATE-", b"TRUSTED CERTIFICATE-"))
    printed = ""
    if name == "real.jks":
        store(find("keytool"))
        printed = "testing\n" * 3
    if name == "ssh.key":
        openssh_key()
        find("ssh-keygen")
    _, hint = advice(lambda: OPTIONS[option](name))
    subprocess.run(with_password(hint), shell=True, check=True, input=printed, text=True, capture_output=True)
    if name == "real.jks":
        assert isinstance(load_identity(made, None, "password"), Credentials)
    else:
        OPTIONS[option](made)


def with_password(hint: str) -> str:
    """The command with what a person would type."""
    command = hint.partition(", which")[0]
    if command.startswith("openssl pkcs12"):
        return f"{command} -passin pass:testing"
    return f"{command} -N '' -P ''" if command.startswith("ssh-keygen") else command


def store(keytool: str) -> None:
    subprocess.run(
        [keytool, "-importkeystore", "-noprompt", "-srckeystore", "my.p12", "-srcstorepass", "testing",
         "-destkeystore", "real.jks", "-deststoretype", "JKS", "-deststorepass", "testing"],
        check=True, capture_output=True,
    )  # fmt: skip


def openssh_key() -> None:
    """The key of my.pem as OpenSSH keeps it."""
    key = serialization.load_pem_private_key(Path("my.key").read_bytes(), None)
    data = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    Path("ssh.key").touch(mode=0o600)
    Path("ssh.key").write_bytes(data)


def test_files_as_windows_and_editors_write_them_are_read(mine):
    """A .cer in DER or with CRLF, a byte order mark, text around the blocks."""
    pem, der = mine
    for name, data in (("a.cer", der), ("b.cer", pem.replace(b"\n", b"\r\n")), ("c.pem", b"\xef\xbb\xbf" + pem),
                       ("d.pem", b"subject=x\n" + pem + b"and more\n")):  # fmt: skip
        Path(name).write_bytes(data)
        assert isinstance(load_identity(name, "my.key", None), Credentials)
        assert load_anchors(name)


@pytest.mark.parametrize("option", ["--cert", "--key", "--ca", "--crl", "--ocsp"])
def test_a_pipe_that_nobody_writes_to_and_a_folder_hold_nobody(mine, monkeypatch, option):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.05)
    os.mkfifo("pipe")
    text, _ = advice(lambda: OPTIONS[option]("pipe"))
    assert text == "pipe: cannot be read: nothing came from this pipe for 0.05 seconds"
    Path("folder").mkdir()
    assert "folder: cannot be read: Is a directory" in advice(lambda: OPTIONS[option]("folder"))[0]


@pytest.mark.parametrize("option", ["--cert", "--key", "--ca"])
def test_a_huge_file_is_refused_before_it_is_read_whole(mine, option):
    with Path("huge.pem").open("wb") as file:
        file.truncate(files.MAX_FILE + 1)
    assert "the limit for it" in advice(lambda: OPTIONS[option]("huge.pem"))[0]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("a.crt", "iconv -f UTF-16 -t UTF-8 a.crt > a.crt.pem"),
        ("a.pem", "iconv -f UTF-16 -t UTF-8 a.pem > a-new.pem"),
        ("my FILE.pem", "iconv -f UTF-16 -t UTF-8 'my FILE.pem' > 'my FILE-new.pem'"),
    ],
)
def test_a_command_writes_another_file_than_it_reads(path, command):
    assert for_file("iconv -f UTF-16 -t UTF-8 FILE > FILE.pem", path) == command
