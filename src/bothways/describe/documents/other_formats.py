"""Files in other formats than those described here: what they are, and the command that converts them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from bothways.describe.documents.document import Unreadable
from bothways.describe.documents.json_text import (
    DOWNLOADED,
    in_json,
    is_secret_in_yaml,
    is_sops,
    secret_in_yaml,
    sops,
)
from bothways.describe.escape import visible

_BEGINNING = 4096
LOOKED_FOR = 1024 * 1024  # bytes in which the marks of SOPS are looked for


class _Kind(NamedTuple):
    start: bytes
    what: str
    hint: str


_KEYTOOL = "keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12"
_BOUNCY = (
    f"{_KEYTOOL} -srcstoretype BKS -providerclass org.bouncycastle.jce.provider.BouncyCastleProvider "
    "-providerpath bcprov.jar"
)
_SSH_PUBLIC = "ssh-keygen -e -m PKCS8 -f FILE > FILE.pem"
_BY_START = (
    _Kind(b"\xfe\xed\xfe\xed", "a Java key store (JKS)", _KEYTOOL),
    _Kind(b"\xce\xce\xce\xce", "a Java key store (JCEKS)", f"{_KEYTOOL} -srcstoretype JCEKS"),
    _Kind(b"\0\0\0\1\0\0\0\x14", "a Bouncy Castle key store (BKS)", _BOUNCY),
    _Kind(b"\0\0\0\2\0\0\0\x14", "a Bouncy Castle key store (BKS)", _BOUNCY),
    _Kind(b"\xff\xfe", "text in UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > FILE.pem"),
    _Kind(b"\xfe\xff", "text in UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > FILE.pem"),
    _Kind(b"-\0-\0-\0", "text in UTF-16", "iconv -f UTF-16LE -t UTF-8 FILE > FILE.pem"),
    _Kind(b"\0-\0-\0-", "text in UTF-16", "iconv -f UTF-16BE -t UTF-8 FILE > FILE.pem"),
    _Kind(b"\x1f\x8b", "a file compressed by gzip", "gzip -d < FILE > FILE.unpacked"),
    _Kind(b"BZh", "a file compressed by bzip2", "bzip2 -d < FILE > FILE.unpacked"),
    _Kind(b"\xfd7zXZ\0", "a file compressed by xz", "xz -d < FILE > FILE.unpacked"),
    _Kind(b"PK\x03\x04", "a ZIP archive", "unzip FILE"),
    _Kind(b"PuTTY-User-Key-File", "a private key of PuTTY", "puttygen FILE -O private-openssh -o FILE.key"),
    _Kind(
        b"---- BEGIN SSH2",
        "a public key of SSH",
        f"ssh-keygen -i -f FILE > FILE.pub, then {_SSH_PUBLIC.replace('FILE >', 'FILE.pub >')}",
    ),
    _Kind(
        b"SQLite format 3\0",
        "a database of SQLite, perhaps of NSS",
        "certutil -L -d FOLDER -n NAME -a > FILE.pem",
    ),
    _Kind(b"version https://git-lfs", "a pointer of Git LFS in the place of the file", "git lfs pull"),
    _Kind(b"\0GITCRYPT\0", "a file encrypted by git-crypt", "git-crypt unlock"),
    _Kind(b"age-encryption.org/", "a file encrypted by age", "age -d -i IDENTITY -o FILE.pem FILE"),
    _Kind(b"$ANSIBLE_VAULT;", "a file encrypted by Ansible Vault", "ansible-vault view FILE > FILE.pem"),
    _Kind(b"HTTP/1.", "a response of HTTP, saved with its headers", DOWNLOADED),
    _Kind(b"<", "an HTML or XML document", DOWNLOADED),
)
_BY_LABEL = (
    _Kind(
        b"TSS2 PRIVATE KEY",
        "a private key that only a TPM can use (TSS2)",
        "use it through PKCS#11, as a key in a token: --key 'pkcs11:token=NAME;object=NAME?module-path=MODULE', with "
        "the module of tpm2-pkcs11",
    ),
    _Kind(
        b"OPENSSH PRIVATE KEY",
        "a private key of OpenSSH",
        "ssh-keygen -p -m PKCS8 -f FILE, which writes the file again",
    ),
    _Kind(
        b"PGP ",
        "a file of OpenPGP",
        "give a certificate (X.509) and its key: here TLS does not use OpenPGP",
    ),
    _Kind(b"SSH2 ", "a key of SSH", _SSH_PUBLIC),
)
_SSH = re.compile(rb"(?:sk-)?(?:ssh-|ecdsa-sha2-)\S+[ \t]+AAAA")
# A name that ends as those of certificates, keys and lists do, with its folders.
_PATH = re.compile(rb"[\w@%+=:,.~/\\-]{1,1000}\.(?:pem|crt|cer|der|key|p12|pfx|crl)")
PATH_SHOWN = 200
_KNOWN = "expected a certificate, key, request, CRL, OCSP response or PKCS#12"
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f:\s]+")
# A line number, with a colon as xxd has it, and the first bytes of a sequence.
_DUMP = re.compile(rb"0{4,8}(:?)[ \t]+30 ?8[0-4]")
_BASE64 = re.compile(rb"[0-9A-Za-z+/=\s]+")


def by_label(label: str) -> Unreadable | None:
    """Return what a PEM block with an unsupported label is, or None for an unknown label."""
    for kind in _BY_LABEL:
        if label.encode().startswith(kind.start):
            return Unreadable(f"this is {kind.what}", kind.hint)
    return None


def other_format(data: bytes) -> Unreadable:
    """Return what a file that is neither PEM nor DER probably is."""
    text = data[:_BEGINNING].strip()
    if not text:
        what = "the file is empty" if not data else "there is nothing in the file but blanks"
        return Unreadable(what, void=True)
    if is_sops(data[:LOOKED_FOR]):
        return sops()
    if text.startswith((b"{", b"[")):
        return in_json(data)
    if _SSH.match(text):
        return _of_ssh(text)
    if is_secret_in_yaml(text):
        return secret_in_yaml()
    if len(data) <= _BEGINNING and all(line.lstrip().startswith(b"#") for line in text.splitlines()):
        return Unreadable("there is nothing in the file but comments", void=True)
    if _PATH.fullmatch(text):
        return _of_link(text)
    for kind in _BY_START:
        if data.startswith(kind.start) or text.startswith(kind.start):
            return Unreadable(f"this is {kind.what}", kind.hint)
    return _without_pem(text) or Unreadable(f"neither PEM nor DER: {_KNOWN}", known=False)


def _of_link(text: bytes) -> Unreadable:
    """Return that a file holds one path: so symbolic links are stored by programs that have none."""
    path = visible(text.decode("ascii"), PATH_SHOWN)
    return Unreadable(
        f"there is one path in the file, {path}, as of a symbolic link that was copied as text",
        "give the file at that path, or make the link again (ln -s)",
    )


def _of_ssh(text: bytes) -> Unreadable:
    """Return what a line of SSH is: a certificate has that in the name of its algorithm (PROTOCOL.certkeys)."""
    if b"-cert-v0" in text.split(maxsplit=1)[0]:
        return Unreadable(
            "this is a certificate of SSH", "give a certificate of X.509: TLS does not use those of SSH"
        )
    return Unreadable("this is a public key of SSH", _SSH_PUBLIC)


def _without_pem(text: bytes) -> Unreadable | None:
    """Return which text form of DER a file is, or None."""
    if (dump := _DUMP.match(text)) is not None:
        command = "xxd -r FILE > FILE.der" if dump[1] else "certutil -decodehex FILE FILE.der"
        return Unreadable("this is a hexadecimal dump of DER", command)
    if _HEXADECIMAL.fullmatch(text) and text.startswith(b"30"):
        return Unreadable("this is DER in hexadecimal", "xxd -r -p FILE > FILE.der")
    if text.startswith(b"M") and _BASE64.fullmatch(text) and _decoded(text[:64]).startswith(b"\x30"):
        return Unreadable("this is base64 without lines that say what it is", "base64 -d FILE > FILE.der")
    if b"-----END " in text:
        return Unreadable(
            "it has an END line of PEM and no BEGIN line",
            "copy it again, whole: from its BEGIN line to its END line",
        )
    if b"BEGIN " in text:
        return Unreadable(
            "a line in it contains BEGIN, but does not begin a PEM block",
            "let that line be like -----BEGIN CERTIFICATE-----, with five hyphens on either side",
        )
    if re.match(rb"(Certificate|Certificate Revocation List|Certificate Request)\b.*:\s", text):
        return Unreadable(
            "this is what openssl prints with -text, without the document itself", "leave out -noout"
        )
    return None


def _decoded(text: bytes) -> bytes:
    try:
        joined = b"".join(text.split())
        return base64.b64decode(joined[: len(joined) // 4 * 4])
    except binascii.Error:
        return b""
