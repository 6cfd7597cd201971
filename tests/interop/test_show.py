"""Our words for public files, held against what `openssl ... -text` prints of them."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest

from bothways.explain.documents import Document, Unreadable, documents
from interop import peers
from openssl_text import CUT, NAME_OPTIONS, answer, lines, plain

pytestmark = pytest.mark.interop

VECTORS = Path(cryptography_vectors.__file__).parent / "x509"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FILES = sorted(
    path for path in VECTORS.rglob("*") if path.suffix in (".pem", ".der", ".crt", ".crl") and path.is_file()
)
COMMANDS = {
    "certificate": ("x509", "-text", "-noout", "-certopt", "ext_dump", "-nameopt", NAME_OPTIONS, "-in"),
    "CRL": ("crl", "-text", "-noout", "-nameopt", NAME_OPTIONS, "-in"),
    "certificate request": ("req", "-text", "-noout", "-nameopt", NAME_OPTIONS, "-in"),
    "OCSP response": ("ocsp", "-noverify", "-resp_text", "-respin"),
    "OCSP request": ("ocsp", "-noverify", "-req_text", "-reqin"),
}
SHOWN = 20  # entries of a CRL
# Files of which OpenSSL says more than we do, and why.
LESS = {
    "requests/long-form-attribute.pem": "a tag in several bytes without need, which `trust.der` does not read",
}


def printed(path: Path, data: bytes, kind: str) -> str:
    """What OpenSSL says of a file; nothing where it cannot read it."""
    form = [] if kind.startswith("OCSP") else ["-inform", "PEM" if b"-----BEGIN" in data else "DER"]
    done = subprocess.run(
        [peers.find("openssl"), *COMMANDS[kind], str(path), *form],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="backslashreplace",
    )  # fmt: skip
    return done.stdout if done.returncode == 0 or "Data:" in done.stdout else ""


def told(found: list[Document]) -> dict[str, str]:
    """The facts of all documents of a file by their names."""
    facts: dict[str, str] = {}
    for document in found:
        name = ""
        for each, text in (*document.facts, ("kind", document.title)):
            name = each or name
            facts[name] = f"{facts.get(name, '')} {plain(text)}"
    return facts


def missing(text: str, facts: dict[str, str]) -> list[str]:
    """What OpenSSL prints and we do not say."""
    found = []
    entries = 0
    for line in lines(text):
        if line.above == "Revoked Certificates:" and line.text.startswith("Serial Number:"):
            entries += 1
        asked = CUT if entries > SHOWN and "Revoked Certificates:" in line.path else answer(line)
        if asked is None:
            found.append(f"no rule meets {line.text!r} below {line.path}")
        elif not isinstance(asked, str):
            for name, words in asked:
                where = facts.get(name) if name else " ".join(facts.values())
                if where is None or plain(words) not in where:
                    found.append(f"{words!r} is not told under {name!r}: {where!r}, of {line.text!r}")
    if entries and f"{entries:,} certificate" not in facts.get("revoked", ""):
        found.append(f"the number of {entries} entries is not told: {facts.get('revoked')!r}")
    return found


def test_nothing_that_openssl_shows_is_missing(full):
    """Certificates, CRLs, requests, OCSP responses and requests; what has no words of ours has its reason beside it."""
    seen = dict.fromkeys(COMMANDS, 0)
    problems = {}
    for path in FILES if full else random.Random(280).sample(FILES, 160):
        data = path.read_bytes()
        try:
            found = list(documents(data, NOW, b"password"))
        except Unreadable:
            continue
        if found[0].kind not in COMMANDS:
            continue
        text = printed(path, data, found[0].kind)
        if not text:
            continue
        seen[found[0].kind] += 1
        count = 1 if found[0].kind == "certificate" else len(found)
        lacking = missing(text, told(found[:count]))
        name = path.relative_to(VECTORS).as_posix()
        if bool(lacking) != (name in LESS):
            problems[name] = lacking
    assert not problems
    least = {"certificate": 500, "CRL": 190} if full else {"certificate": 60, "CRL": 15}
    assert all(seen[kind] >= number for kind, number in least.items()), seen


def test_whatever_is_left_out_is_found():
    """Each of our facts is asked for by something that OpenSSL prints, but for those that are ours alone."""
    for name, alone in (
        ("cryptography.io.pem", {"SHA-256", "kind"}),
        ("custom/crl_delta_crl_indicator.pem", {"SHA-256", "kind", "problem"}),
        ("ocsp/resp-revoked-reason.der", {"kind", "certificates", "SHA-256"}),
        ("requests/san_rsa_sha1.pem", {"kind", "signature"}),
    ):
        path = VECTORS / name
        found = list(documents(path.read_bytes(), NOW))
        text = printed(path, path.read_bytes(), found[0].kind)
        facts = told(found)
        assert not missing(text, facts)
        for left_out in facts.keys() - alone:
            assert missing(text, {each: words for each, words in facts.items() if each != left_out}), left_out
