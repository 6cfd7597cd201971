"""Files of other kinds: what they are, and the command that turns them into one that is read."""

from __future__ import annotations

import base64
import gzip

import pytest

import pki
from bothways.describe.documents import Unreadable, documents

ROOT = pki.root()
TEXT = ROOT.pem.decode()


@pytest.mark.parametrize(
    ("data", "what", "command"),
    [
        (b"", "the file is empty", ""),
        (b" \r\n\n", "nothing in the file but blanks", ""),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "a Java key store (JKS)", "keytool -importkeystore"),
        (b"\xce\xce\xce\xce\0\0\0\2", "a Java key store (JCEKS)", "-srcstoretype JCEKS"),
        (TEXT.encode("utf-16"), "text in UTF-16", "iconv -f UTF-16 "),
        (TEXT.encode("utf-16-le"), "text in UTF-16", "iconv -f UTF-16LE "),
        (TEXT.encode("utf-16-be"), "text in UTF-16", "iconv -f UTF-16BE "),
        (gzip.compress(ROOT.der), "compressed by gzip", "gzip -d"),
        (b"PK\x03\x04rest", "a ZIP archive", "unzip"),
        (b"PuTTY-User-Key-File-3: x", "a private key of PuTTY", "puttygen"),
        (b"ssh-ed25519 AAAA you@example", "a public key of SSH", "ssh-keygen -e -m PKCS8"),
        (b"ecdsa-sha2-nistp256 AAAA you@example", "a public key of SSH", "ssh-keygen -e -m PKCS8"),
        (b"ssh-ed25519-cert-v01@openssh.com AAAA x", "a certificate of SSH", "give a certificate of X.509"),
        (
            b"sk-ssh-ed25519-cert-v01@openssh.com AAAA x",
            "a certificate of SSH",
            "give a certificate of X.509",
        ),
        (b"---- BEGIN SSH2 PUBLIC KEY ----\n", "a public key of SSH", "ssh-keygen -i"),
        (b"<!DOCTYPE html><title>404</title>", "an HTML or XML document", "text editor"),
        (base64.b64encode(ROOT.der), "base64 without lines that say what it is", "base64 -d"),
        (base64.encodebytes(ROOT.der), "base64 without lines that say what it is", "base64 -d"),
        (ROOT.der.hex().encode(), "DER in hexadecimal", "xxd -r -p"),
        (b"Certificate:\n    Data:\n", "what openssl prints with -text", "-noout"),
        (
            b"----BEGIN CERTIFICATE----\nMII\n",
            "a line in it contains BEGIN, but does not begin a PEM block",
            "sed -E",
        ),
        (b"../../archive/a.example/fullchain1.pem", "one path in the file, ../../archive/a.example", "ln -s"),
        (b"/etc/ssl/private/me.key\n", "one path in the file, /etc/ssl/private/me.key", "ln -s"),
        (b"# Root\n# valid until 2036\n", "nothing in the file but comments", ""),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "a pointer of Git LFS",
            "git lfs pull",
        ),
        (b"\0GITCRYPT\0\1\2", "encrypted by git-crypt", "git-crypt unlock"),
        (b"age-encryption.org/v1\n-> X25519 a\n", "encrypted by age", "age -d"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n61\n", "encrypted by Ansible Vault", "ansible-vault view"),
        (b"# Mother wrote this\nat me.pem", "neither PEM nor DER", ""),
        (b"Mother wrote this", "neither PEM nor DER", ""),
    ],
)
def test_a_file_of_another_kind_is_named(data, what, command):
    """With what to do about it, where there is something to do."""
    with pytest.raises(Unreadable) as caught:
        list(documents(data, pki.NOW))
    assert what in str(caught.value)
    assert command in caught.value.hint
    assert bool(command) == bool(caught.value.hint)


@pytest.mark.parametrize(
    ("label", "what", "command"),
    [
        ("OPENSSH PRIVATE KEY", "a private key of OpenSSH", "ssh-keygen -p -m PKCS8"),
        ("PGP PUBLIC KEY BLOCK", "a file of OpenPGP", "give a certificate (X.509)"),
    ],
)
def test_a_block_of_another_kind_is_named(label, what, command):
    """It hides no certificate in the same file."""
    block = f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n".encode()
    foreign, certificate = documents(block + ROOT.pem, pki.NOW)
    assert what in foreign.damaged
    assert command in foreign.hint
    assert certificate.kind == "certificate"
