"""Every type of key in every profile, verified by other implementations: each accepts, or its reason is here.

The same table is in docs/authority.md, for people who choose.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from bothways.ca.authority import P12_MLDSA, Authority, Issued
from bothways.ca.keys import KeyType, new_key
from bothways.ca.profiles import Holder, Profile
from bothways.errors import UsageError
from command_line import bothways, environment
from interop import browser, golang, peers
from interop.programs import running

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse"

# What a verifier says instead of accepting, and for which types of keys; None where it may accept all the same,
# since a later version of it does.
REASONS: dict[tuple[str, KeyType], str | None] = {
    ("openssl", KeyType.MLDSA65): None,  # 3.5 is the first to know ML-DSA
    ("certtool", KeyType.MLDSA65): None,  # GnuTLS 3.8.9 is the first, where it was built so
    ("cryptography", KeyType.ED25519): "algorithm",  # its policy has the algorithms of the web alone
    # The store beside it takes in no such root, and it offers no such signature.
    ("chromium", KeyType.ED25519): "SEC_ERROR_ADDING_CERT|ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
    ("chromium", KeyType.MLDSA65): "SEC_ERROR_ADDING_CERT|ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
    ("nss", KeyType.ED25519): None,  # it takes in the key from 3.102 on or so
}
# The columns of the table in the documentation, and the words for a cell.
COLUMNS = ("openssl", "certtool", "cryptography", "go", "chromium", "keytool")
WORDS = {
    ("openssl", KeyType.MLDSA65): "from 3.5 on",
    ("certtool", KeyType.MLDSA65): "from 3.8.9 on",
    ("keytool", KeyType.MLDSA65): "no file is made",
}


@dataclass(frozen=True)
class Cell:
    """One certificate for one purpose: its chain, and the root above it."""

    issued: Issued
    root: bytes
    purpose: Profile

    @property
    def chain(self) -> bytes:
        return self.issued.chain_pem


@cache
def authority(key_type: KeyType) -> Authority:
    return Authority.create("Test Root", key_type).intermediate("Test Issuing CA", key_type, path_length=1)


@cache
def cells(key_type: KeyType) -> list[Cell]:
    """A certificate of every profile; a sub-ca is seen by what is issued below it."""
    above = authority(key_type)
    key = new_key(key_type)
    holder = Holder("x", ("localhost",), email=("x@example.com",))

    def issued(by: Authority, profile: Profile) -> Issued:
        return Issued(by.sign(profile, holder, key.public_key()), by.chain, key)

    found = []
    for profile in (Profile.SERVER, Profile.CLIENT, Profile.PEER, Profile.OCSP):
        one = issued(above, profile)
        for purpose in (Profile.SERVER, Profile.CLIENT) if profile is Profile.PEER else (profile,):
            found.append(Cell(one, above.root_pem, purpose))
    below = above.intermediate("Test Branch CA", key_type)
    return [*found, Cell(issued(below, Profile.SERVER), above.root_pem, Profile.SERVER)]


def openssl(cell: Cell, folder: Path) -> str:
    purposes = {Profile.SERVER: "sslserver", Profile.CLIENT: "sslclient", Profile.OCSP: "ocsphelper"}
    return reported(
        folder, peers.find("openssl"), "verify", "-x509_strict", "-purpose", purposes[cell.purpose],
        "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem",
    )  # fmt: skip


def certtool(cell: Cell, folder: Path) -> str:
    usages = {
        Profile.SERVER: "1.3.6.1.5.5.7.3.1",
        Profile.CLIENT: "1.3.6.1.5.5.7.3.2",
        Profile.OCSP: "1.3.6.1.5.5.7.3.9",
    }
    return reported(
        folder, peers.find("certtool"), "--verify", "--load-ca-certificate", "root.pem",
        "--infile", "chain.pem", "--verify-purpose", usages[cell.purpose],
    )  # fmt: skip


def cryptography(cell: Cell, folder: Path) -> str:
    if cell.purpose is Profile.OCSP:
        return ""  # it judges servers and clients alone
    policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(cell.root)))
    chain = list(cell.issued.intermediates)
    try:
        if cell.purpose is Profile.SERVER:
            policy.build_server_verifier(x509.DNSName("localhost")).verify(cell.issued.certificate, chain)
        else:
            policy.build_client_verifier().verify(cell.issued.certificate, chain)
    except VerificationError as error:
        return str(error)
    return ""


def reported(folder: Path, *words: str) -> str:
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def check(verifier: str, key_type: KeyType, said: str, about: str = "") -> None:
    """Hold what a verifier said to the table."""
    if (verifier, key_type) not in REASONS:
        assert said == "", about
    else:
        reason = REASONS[verifier, key_type]
        assert reason is None or re.search(reason, said), about


Verifier = Callable[[Cell, Path], str]


@pytest.mark.parametrize("verifier", [openssl, certtool, cryptography], ids=lambda each: each.__name__)
@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_verifier_accepts_every_profile_or_its_reason_stands_here(
    verifier: Verifier, key_type: KeyType, tmp_path: Path
) -> None:
    """RFC 5280 6, by others."""
    (tmp_path / "root.pem").write_bytes(authority(key_type).root_pem)
    for cell in cells(key_type):
        (tmp_path / "chain.pem").write_bytes(cell.chain)
        if not (verifier is cryptography and cell.purpose is Profile.OCSP):
            check(verifier.__name__, key_type, verifier(cell, tmp_path), str(cell))


@pytest.fixture(scope="session")
def verify_go(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return golang.built(request.config, tmp_path_factory, "verify")


def test_go_accepts_every_profile_and_type_of_key(verify_go: str) -> None:
    """crypto/x509, all at once; and that it does refuse."""
    asked = [(key_type, cell) for key_type in KeyType for cell in cells(key_type)]
    questions = [question(cell) for _, cell in asked]
    wrong = question(asked[0][1])
    answers = go(verify_go, [*questions, wrong | {"name": "elsewhere"}, wrong | {"purpose": "client"}])
    for (key_type, cell), said in zip(asked, answers, strict=False):
        check("go", key_type, said, f"{key_type}: {cell}")
    assert "not elsewhere" in answers[-2]
    assert "incompatible key usage" in answers[-1]


def question(cell: Cell) -> dict[str, str]:
    name = "localhost" if cell.purpose is Profile.SERVER else ""
    return {
        "roots": cell.root.decode(),
        "chain": cell.chain.decode(),
        "purpose": cell.purpose.value,
        "name": name,
    }


def go(program: str, questions: list[dict[str, str]]) -> list[str]:
    lines = "".join(json.dumps(each) + "\n" for each in questions)
    return subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )[:-1]


# -- PKCS#12, as `--p12` writes it -----------------------------------------------------------------------------------

WITH_P12 = [each for each in KeyType if each is not KeyType.MLDSA65]
IN_JAVA = [
    KeyType.P256,
    *(pytest.param(each, marks=pytest.mark.full) for each in WITH_P12 if each is not KeyType.P256),
]


@pytest.fixture
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    issued = authority(request.param).issue(Profile.CLIENT, "alice", key_type=request.param)
    path = tmp_path / "alice.p12"
    path.write_bytes(issued.pkcs12(PASSWORD.encode(), "alice"))
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    return path


def blocks(text: str) -> list[str]:
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)


@pytest.mark.parametrize("bundle", WITH_P12, indirect=True, ids=lambda each: each.value)
def test_openssl_reads_key_and_chain_from_pkcs12(bundle: Path) -> None:
    """RFC 7292."""
    run = subprocess.run(
        [peers.find("openssl"), "pkcs12", "-in", str(bundle), "-passin", f"pass:{PASSWORD}", "-nodes"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "BEGIN PRIVATE KEY" in run.stdout
    assert blocks(run.stdout) == blocks((bundle.parent / "chain.pem").read_text())


@pytest.mark.parametrize("bundle", IN_JAVA, indirect=True)
def test_java_signs_with_the_key_from_pkcs12(bundle: Path) -> None:
    """keytool makes a request with it, which openssl verifies."""
    peers.find("java")
    keytool = [peers.find("keytool"), "-certreq", "-alias", "alice", "-storetype", "PKCS12"]
    run = subprocess.run(
        [*keytool, "-keystore", str(bundle), "-storepass", PASSWORD], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    verify = [peers.find("openssl"), "req", "-verify", "-noout"]
    verified = subprocess.run(verify, input=run.stdout, capture_output=True, text=True, check=False)
    assert "verify OK" in verified.stderr + verified.stdout


@pytest.mark.parametrize("bundle", [KeyType.P256], indirect=True, ids=lambda each: each.value)
def test_java_lists_the_chain_from_pkcs12(bundle: Path) -> None:
    keytool = [peers.find("keytool"), "-list", "-rfc", "-storetype", "PKCS12"]
    run = subprocess.run(
        [*keytool, "-keystore", str(bundle), "-storepass", PASSWORD], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert "Alias name: alice" in run.stdout
    assert "Entry type: PrivateKeyEntry" in run.stdout
    assert blocks(run.stdout) == blocks((bundle.parent / "chain.pem").read_text())


@pytest.mark.parametrize("key_type", WITH_P12, ids=lambda each: each.value)
def test_nss_imports_pkcs12(key_type: KeyType, tmp_path: Path) -> None:
    """Chromium's and Firefox' store of certificates."""
    issued = authority(key_type).issue(Profile.CLIENT, "alice", key_type=key_type)
    (tmp_path / "alice.p12").write_bytes(issued.pkcs12(PASSWORD.encode(), "alice"))
    database = f"sql:{tmp_path}"
    new = [peers.find("certutil"), "-d", database, "-N", "--empty-password"]
    subprocess.run(new, check=True, capture_output=True)
    words = ["-d", database, "-i", "alice.p12", "-W", PASSWORD, "-K", ""]
    said = reported(tmp_path, peers.find("pk12util"), *words)
    check("nss", key_type, said)
    if not said:
        listed = subprocess.run(
            [peers.find("certutil"), "-d", database, "-K"], check=True, capture_output=True, text=True
        )
        assert "alice" in listed.stdout


def test_no_pkcs12_is_made_of_an_mldsa_key() -> None:
    issued = authority(KeyType.MLDSA65).issue(Profile.CLIENT, "alice", key_type=KeyType.MLDSA65)
    with pytest.raises(UsageError, match=re.escape(P12_MLDSA)):
        issued.pkcs12(b"x")


# -- a browser -------------------------------------------------------------------------------------------------------

BROWSED = [
    KeyType.P256,
    *(pytest.param(each, marks=pytest.mark.full) for each in KeyType if each is not KeyType.P256),
]


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, KeyType]]:
    """`bothways serve --page` with a server's certificate, for the clients of the same authority."""
    key_type: KeyType = request.param
    above = authority(key_type)
    server = above.issue(Profile.SERVER, dns=["localhost"], key_type=key_type)
    client = above.issue(Profile.CLIENT, "alice", key_type=KeyType.P256)
    (tmp_path / "root.pem").write_bytes(above.root_pem)
    (tmp_path / "server.pem").write_bytes(server.chain_pem)
    (tmp_path / "server.key").write_bytes(server.key_pem)
    (tmp_path / "alice.p12").write_bytes(client.pkcs12(PASSWORD.encode(), "alice"))
    command = bothways(
        "serve", "127.0.0.1:0", "--page", "--client-ca", f"{tmp_path}/root.pem",
        "--cert", f"{tmp_path}/server.pem", "--key", f"{tmp_path}/server.key",
    )  # fmt: skip
    with running(*command, environment=environment()) as program:
        program.until("listening on 127.0.0.1:")
        heard = program.until("\n")
        yield int(heard.split("listening on 127.0.0.1:")[1].split()[0]), key_type


@pytest.mark.network
@pytest.mark.parametrize("page", BROWSED, indirect=True)
def test_chromium_shows_the_page_of_a_server_to_its_client(page: tuple[int, KeyType], tmp_path: Path) -> None:
    """Server and client both by what was issued, the client's from its PKCS#12."""
    port, key_type = page
    bundle = tmp_path / "alice.p12"
    try:
        document = browser.load(
            tmp_path / "home", port, root=f"{tmp_path}/root.pem", bundle=bundle, password=PASSWORD
        )
    except subprocess.CalledProcessError as error:
        document = error.stderr.decode()
    greeted = "<h1>Hello, alice</h1>" in document
    check("chromium", key_type, "" if greeted else document)


# -- the table for people --------------------------------------------------------------------------------------------


def test_the_table_in_the_documentation_is_this_one() -> None:
    rows = []
    for key_type in KeyType:
        words = [cell_words(column, key_type) for column in COLUMNS]
        rows.append(f"| {key_type.value} | {' | '.join(words)} |")
    page = (ROOT / "docs" / "authority.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in page


def cell_words(column: str, key_type: KeyType) -> str:
    return WORDS.get((column, key_type), "no" if (column, key_type) in REASONS else "yes")
