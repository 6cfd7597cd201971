"""PEM that something altered on its way: it is named, and the command that is told makes it readable again."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

import pki
from bothways.describe.documents import Unreadable, documents
from bothways.describe.documents.pem_text import altered

LEAF = pki.leaf(pki.root(), "bank.example")
TEXT = LEAF.pem.decode()
KEY = LEAF.key_pem.decode()

ALTERED: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "line ends escaped": (lambda text: text.replace("\n", "\\n"), "its line ends are written as \\n"),
    "those of Windows": (lambda text: text.replace("\n", "\\r\\n"), "its line ends are written as \\n"),
    "in quotes": (lambda text: '"' + text.replace("\n", "\\n") + '"\n', "its line ends are written as \\n"),
    "in a line of .env": (lambda text: 'export TLS_CERT="' + text.replace("\n", "\\n") + '"\n',
                          "its line ends are written as \\n"),
    "in YAML": (lambda text: "tls-cert: '" + text.replace("\n", "\\n") + "'\n", "its line ends are written as \\n"),
    "in JSON": (lambda text: '{"crt": "' + text.replace("\n", "\\n") + '"}', "its line ends are written as \\n"),
    "escaped twice": (lambda text: text.replace("\n", "\\\\n"), "escaped twice"),
    "one line": (lambda text: text.replace("\n", ""), "its lines have lost their ends"),
    "blanks": (lambda text: text.replace("\n", " "), "its lines have lost their ends"),
    "of a URL": (quote, "encoded for a URL"),
    "of nginx": (lambda text: quote(text, safe=""), "encoded for a URL"),
    "of old Macs": (lambda text: text.replace("\n", "\r"), "carriage returns alone"),
    "HTML": (lambda text: "<pre>" + text.replace("\n", "<br>") + "</pre>", "tags of HTML"),
    "HTML with line ends": (lambda text: text.replace("\n", "<br/>\r\n"), "tags of HTML"),
    "quoted mail": (lambda text: "".join(f"> {each}\n" for each in text.splitlines()), "has something before it"),
    "commented": (lambda text: "".join(f"# {each}\n" for each in text.splitlines()), "has something before it"),
    "a patch": (lambda text: "".join(f"+{each}\n" for each in text.splitlines()), "has something before it"),
    "numbered": (
        lambda text: "".join(f"{at:4}  {each}\n" for at, each in enumerate(text.splitlines(), 1)),
        "has something before it",
    ),
    "small letters": (lambda text: text.replace("BEGIN", "begin").replace("END", "end")
                      .replace("CERTIFICATE", "certificate").replace("PRIVATE KEY", "private key"), "small letters"),
    "dashes": (lambda text: text.replace("-----", "\u2014\u2014-"), "replaced by dashes"),
    "dashes of Windows": (lambda text: text.encode().replace(b"-----", b"\x97" * 3), "replaced by dashes"),
    "four hyphens": (lambda text: text.replace("-----", "----"), "does not begin a PEM block"),
    "six hyphens": (lambda text: text.replace("BEGIN", "- BEGIN"), "does not begin a PEM block"),
    "no hyphens": (lambda text: text.replace("-----", ""), "does not begin a PEM block"),
    "a fixed blank": (lambda text: text.replace("BEGIN ", "BEGIN\xa0").replace("END ", "END\xa0"), "no-break space"),
    "base64": (lambda text: base64.b64encode(text.encode()), "once more in base64"),
    "base64 in lines": (lambda text: base64.encodebytes(text.encode()), "once more in base64"),
    "a Secret": (lambda text: "kind: Secret\ndata:\n  tls.crt: " + base64.b64encode(text.encode()).decode() + "\n",
                 "as in a Secret of Kubernetes"),
    "a Secret in JSON": (lambda text: '{"tls.crt": "' + base64.b64encode(text.encode()).decode() + '"}\n',
                         "as in a Secret of Kubernetes"),
}  # fmt: skip


def kinds(data: bytes) -> list[str]:
    found = list(documents(data, pki.NOW))
    assert not any(each.damaged for each in found)
    return [each.kind for each in found]


def mended(folder: Path, data: bytes, command: str) -> bytes:
    """Run a command as it is printed."""
    (folder / "my file").write_bytes(data)
    done = subprocess.run(
        ["bash", "-c", command.replace("FILE.pem", "mended").replace("FILE", "'my file'")],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    return (folder / "mended").read_bytes()


@pytest.mark.parametrize("name", ALTERED)
@pytest.mark.parametrize("text", [TEXT, KEY], ids=["certificate", "key"])
def test_a_fault_of_pem_is_named_with_a_command_that_corrects_it(
    name: str, text: str, tmp_path: Path
) -> None:
    alter, what = ALTERED[name]
    made = alter(text)
    data = made if isinstance(made, bytes) else made.encode()
    with pytest.raises(Unreadable) as caught:
        list(documents(data, pki.NOW))
    assert what in str(caught.value) and caught.value.known
    assert kinds(mended(tmp_path, data, caught.value.hint)) == kinds(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        f'"{TEXT}"',
        "".join(f"    {each}\n" for each in TEXT.splitlines()),
        f"# a CERTIFICATE, BEGIN of it below\n{TEXT}",
        f"END of a list, BEGIN of another\n{TEXT}",
    ],
    ids=["as it is", "Windows", "with a mark", "quoted", "indented", "commented on", "after words"],
)
def test_pem_that_can_be_read_is_not_suspected(data: str) -> None:
    assert altered(data.encode()) is None
    assert kinds(data.encode()) == ["certificate"]


PKCS7 = serialize_certificates([LEAF.certificate], Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("text", "label", "what"),
    [
        (PKCS7, "CERTIFICATE", "this is PKCS#7 under the label CERTIFICATE"),
        (TEXT, "PKCS7", "this is a certificate under the label PKCS7"),
        (TEXT, "X509 CRL", "this is a certificate under the label X509 CRL"),
        (KEY, "RSA PRIVATE KEY", "this is a private key under the label RSA PRIVATE KEY"),
        (KEY, "CERTIFICATE", "this is a private key under the label CERTIFICATE"),
    ],
)
def test_a_block_under_a_label_of_something_else_is_named_and_mended(
    text: str, label: str, what: str, tmp_path: Path
) -> None:
    own = text.splitlines()[0].removeprefix("-----BEGIN ").removesuffix("-----")
    data = text.replace(own, label).encode()
    (found,) = documents(data, pki.NOW)
    assert what in found.damaged
    assert kinds(mended(tmp_path, data, found.hint)) == kinds(text.encode())
