"""Our words for public files, held against what `openssl ... -text` prints of them."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest

import pki
from bothways.describe.documents import Document, Unreadable, documents
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
    for path in FILES if full else random.Random(280).sample(FILES, 60):
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
    least = {"certificate": 500, "CRL": 190} if full else {"certificate": 20, "CRL": 4}
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


# Extensions that few public files have, as OpenSSL's configuration writes them.
DRAWN = (
    "keyUsage=critical,keyAgreement,encipherOnly,decipherOnly",
    "extendedKeyUsage=critical,serverAuth,anyExtendedKeyUsage,ipsecIKE,1.2.3.4,msSmartcardLogin",
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "subjectAltName=critical,DNS:a.example,IP:2001:db8::1,IP:10.0.0.1,URI:https://a.example/?q=1&r=2,email:a@b.example",
    "subjectAltName=RID:1.2.3.4,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:you@b,otherName:1.2.3.4;UTF8:text,dirName:dn",
    "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0,permitted;DNS:.example,excluded;IP:2001:db8::/ffff:ffff::",
    "nameConstraints=critical,excluded;email:b.example,excluded;URI:.c.example,permitted;dirName:dn",
    "certificatePolicies=anyPolicy,1.2.3.4,2.23.140.1.2.1,@policy",
    "policyMappings=critical,1.2.3:1.2.4,1.2.5:1.2.6",
    "policyConstraints=critical,requireExplicitPolicy:3,inhibitPolicyMapping:0",
    "inhibitAnyPolicy=critical,2",
    "crlDistributionPoints=point,other",
    "freshestCRL=point",
    "authorityInfoAccess=OCSP;URI:http://o.example,caIssuers;URI:http://i.example,1.2.3.4;DNS:d.example",
    "subjectInfoAccess=caRepository;URI:http://r.example,ad_timestamping;URI:http://t.example",
    "tlsfeature=status_request,status_request_v2,99",
    "noCheck=ignored",
    "nsCertType=client,server,email,objsign,sslCA,emailCA,objCA",
    "nsComment=made by hand",
    "sbgp-ipAddrBlock=critical,IPv4:10.0.0.0/8,IPv4:192.0.2.0-192.0.2.77,IPv6:inherit,IPv6-SAFI:2:2001:db8::/32",
    "sbgp-autonomousSysNum=critical,AS:64500,AS:64510-64520,RDI:inherit",
    "proxyCertInfo=critical,language:id-ppl-anyLanguage,pathlen:1",
    "1.2.3.4.5=critical,ASN1:UTF8String:something else",
    "issuerAltName=URI:http://i.example",
)
CONFIGURATION = """
[req]
distinguished_name=dn
prompt=no
[dn]
C=DE
O=An Organization, with a comma
0.OU=First
1.OU=Second + more
CN=drawn.example
serialNumber=42
businessCategory=Private Organization
jurisdictionC=DE
organizationIdentifier=VATDE-1
emailAddress=a@b.example
unstructuredName=none
DC=example
UID=u
title=Dr
pseudonym=p
[policy]
policyIdentifier=1.2.3.5
CPS.1=http://cps.example/a
CPS.2=http://cps.example/b
userNotice.1=@notice
[notice]
explicitText=UTF8:What is said, and "quoted"
organization=Org
noticeNumbers=1,2
[point]
fullname=URI:http://p.example/1.crl,URI:http://p.example/2.crl
CRLissuer=dirName:dn
reasons=keyCompromise,CACompromise
[other]
relativename=part
[part]
CN=part
"""


@pytest.mark.parametrize("signature", ["SHA256", "PSS"])
def test_a_request_that_openssl_makes_is_described_as_openssl_describes_it(signature, tmp_path):
    """Its attributes, and the parameters of RSASSA-PSS."""
    options = (
        ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:17"] if signature == "PSS" else []
    )
    asked = CONFIGURATION.replace("[dn]", "attributes=asked\n[asked]\nchallengePassword=sesame\n[dn]", 1)
    (tmp_path / "own.cnf").write_text(
        f"{asked}[own]\nsubjectAltName=DNS:a.example\nkeyUsage=keyEncipherment\n"
    )
    (tmp_path / "key.pem").write_bytes(pki.root(key_kind="RSA-2048").key_pem)
    subprocess.run(
        [peers.find("openssl"), "req", "-new", "-key", "key.pem", "-config", "own.cnf", "-reqexts", "own",
         "-out", "made.pem", *options],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    path = tmp_path / "made.pem"
    found = list(documents(path.read_bytes(), NOW))
    facts = told(found)
    assert facts["challengePassword"] == " sesame"
    assert not missing(printed(path, path.read_bytes(), "certificate request"), facts)


@pytest.mark.parametrize("extension", DRAWN, ids=lambda each: each.partition("=")[0])
def test_files_of_openssl_are_described_as_by_openssl(extension, tmp_path):
    """Each extension of its configuration, under a name with all that names have."""
    openssl = peers.find("openssl")
    (tmp_path / "own.cnf").write_text(f"{CONFIGURATION}[own]\n{extension}\n")
    (tmp_path / "key.pem").write_bytes(pki.root().key_pem)
    made = subprocess.run(
        [openssl, "req", "-x509", "-new", "-key", "key.pem", "-config", "own.cnf", "-extensions", "own",
         "-out", "made.pem", "-days", "30", "-utf8"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode and "unknown extension" in made.stderr:
        pytest.skip(f"this OpenSSL does not know {extension.partition('=')[0]}")
    assert made.returncode == 0, made.stderr
    path = tmp_path / "made.pem"
    found = list(documents(path.read_bytes(), datetime.now(UTC)))
    assert not missing(printed(path, path.read_bytes(), "certificate"), told(found))
