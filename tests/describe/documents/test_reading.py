"""What is in a file: which documents, whichever way they are written, and what is said of none."""

from __future__ import annotations

import base64
import binascii
import random
import time
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import pki
from bothways.describe.documents import Unreadable, documents
from bothways.trust.decoding.parsing import PassphraseNeeded
from described_files import one, sequence

BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def root() -> pki.Issued:
    return pki.root("Root")


def test_pem_and_der_have_the_same_description(root):
    """RFC 7468: the armour changes nothing."""
    assert one(root.pem) == one(root.der)
    assert one(b"words before\n" + root.pem + b"words after\n") == one(root.der)


def test_an_undecodable_document_hides_no_other(root):
    """A malformed certificate in a file of several is reported."""
    other = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
    parameters = b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n"
    bad = b"-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n"
    endless = b"-----BEGIN X509 CRL-----\nAAAA\n"
    found = list(documents(BROKEN + root.pem + other + parameters + bad + endless + root.pem, pki.NOW))
    assert [(each.kind, each.title) for each in found] == [
        ("certificate", "cannot be read"),
        ("certificate", "Root"),
        ("dh parameters", "3 bytes that are not explained here"),
        ("public key", "cannot be read"),
        ("CRL", "cannot be read"),
        ("certificate", "Root"),
    ]
    assert "base64 is broken" in found[3].damaged
    assert found[4].damaged == "the block has a BEGIN line and no END line"


def test_an_encrypted_key_hides_no_certificate(root):
    """Documents without a passphrase are described first."""
    found = documents(root.encrypted_key_pem(b"sesame") + root.pem, pki.NOW)
    assert next(found).title == "Root"
    with pytest.raises(PassphraseNeeded):
        next(found)


def test_a_passphrase_is_asked_for_once_and_only_where_it_is_needed(root):
    """Two keys under one passphrase are opened by one question."""
    asked = []

    def ask() -> bytes:
        asked.append("?")
        return b"sesame"

    assert one(root.pem, password=ask).title == "Root"
    assert not asked
    locked = root.encrypted_key_pem(b"sesame")
    assert [each.kind for each in documents(locked + locked, pki.NOW, ask)] == ["private key"] * 2
    assert len(asked) == 1
    with pytest.raises(PassphraseNeeded):
        list(documents(locked, pki.NOW, lambda: None))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda root: root.der, "certificate"),
        (lambda root: pki.as_version_1(root).der, "certificate"),
        (lambda root: pki.crl(root), "CRL"),
        (lambda root: pki.ocsp_response(pki.leaf(root)), "OCSP response"),
        (lambda root: pki.ocsp_refusal("try_later"), "OCSP response"),
        (lambda root: pki.leaf(root).p12(b"sesame"), "private key"),
        (lambda root: pkcs7.serialize_certificates([root.certificate], Encoding.DER), "PKCS#7"),
    ],
)
def test_the_kind_of_der_is_recognised_by_its_fields(root, make, kind):
    """Nothing else says what a file in DER is."""
    assert next(documents(make(root), pki.NOW, b"sesame")).kind == kind


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "neither PEM nor DER"),
        (b"0\x03\x02\x01\x01", "cannot be parsed as a key"),
        (b"0", "DER that cannot be read: an element is cut off at byte 0"),
        (b"0\x80\0\0", "BER, but neither PKCS#12 nor PKCS#7"),
        (sequence(sequence(), b"\x0c\0"), "DER, but no certificate"),
        (sequence(), "DER, but no certificate"),
    ],
)
def test_other_files_raise_unreadable(data, words):
    """Other data raises Unreadable and nothing else."""
    with pytest.raises(Unreadable, match=words):
        list(documents(data, pki.NOW))


def test_names_are_shown_escaped(root):
    """Text of a peer contains no control characters."""
    issued = pki.leaf(root, "evil\x1b[2J\u202e", alternatives=())
    shown = one(issued.pem)
    assert shown.title == "evil\\x1b[2J\\u202e"
    assert "\x1b" not in str(shown.facts)


def test_blocks_that_do_not_end_cost_no_more_than_their_length():
    """A file of nothing but beginnings is walked over once."""
    data = b"-----BEGIN CERTIFICATE-----\n" * 20_000
    started = time.process_time()
    assert sum(1 for _ in documents(data, pki.NOW)) == 20_000
    assert time.process_time() - started < 5


VECTORS = Path(cryptography_vectors.__file__).parent
FILES = sorted(
    path
    for folder in ("x509", "pkcs7", "pkcs12", "asymmetric")
    for path in (VECTORS / folder).rglob("*")
    if path.suffix in (".der", ".pem", ".crt", ".crl", ".p7b", ".p12") and path.stat().st_size < 20_000
)


def test_any_bytes_are_described_or_unreadable(full):
    """Public files with bytes turned, left out or cut off: described as far as possible, or unreadable."""
    draw = random.Random(0x5EED)
    kinds = set()
    for path in draw.sample(FILES, len(FILES) if full else 60):
        data = path.read_bytes()
        for _ in range(40 if full else 6):
            try:
                for document in documents(damaged(data, draw), pki.NOW, b"password"):
                    kinds.add(document.kind)
                    assert all(name.isprintable() and text.isprintable() for name, text in document.facts)
                    assert "ParseError" not in str(document) and "<Object" not in str(document)
            except Unreadable:
                kinds.add("unreadable")
    assert kinds >= {"certificate", "CRL", "private key", "unreadable"}


def damaged(data: bytes, draw: random.Random) -> bytes:
    if data.startswith(b"-----BEGIN") and draw.random() < 0.9:
        lines = data.split(b"\n")
        body = bytearray(binascii.a2b_base64(b"".join(line for line in lines[1:20] if b"-" not in line)))
        label = lines[0].removeprefix(b"-----BEGIN ").removesuffix(b"-----")
        armour = base64.encodebytes(damaged(bytes(body), draw))
        return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, armour, label)
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        place = draw.randrange(len(found) + 1)
        match draw.randrange(4):
            case 0:
                found[place : place + 1] = draw.randbytes(1)
            case 1:
                del found[place : place + draw.choice((1, 2, 16))]
            case 2:
                found[place:place] = draw.randbytes(draw.choice((1, 2, 16)))
            case 3 if draw.random() < 0.2:
                del found[place:]
    return bytes(found)
