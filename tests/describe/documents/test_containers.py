"""Descriptions of PKCS#12 and PKCS#7."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import pki
from bothways.describe.documents import Unreadable, documents
from bothways.describe.documents.asn1 import first
from bothways.trust.decoding.parsing import PassphraseNeeded
from described_files import der, facts, oid, one, sequence

SIGNED = oid("1.2.840.113549.1.7.2")


def signed_data(*fields: bytes) -> bytes:
    head = der(0x02, b"\1") + der(0x31, b"") + sequence(oid("1.2.840.113549.1.7.1"))
    return sequence(SIGNED, der(0xA0, sequence(head, *fields)))


def test_pkcs12_is_opened_with_its_passphrase():
    """Key, certificate and the others; a wrong passphrase and a missing one are distinguished."""
    box = pki.leaf(pki.root()).p12(b"sesame")
    assert [each.kind for each in documents(box, pki.NOW, b"sesame")] == [
        "private key", "certificate", "certificate",
    ]  # fmt: skip
    with pytest.raises(PassphraseNeeded):
        list(documents(box, pki.NOW))
    with pytest.raises(Unreadable, match="this is PKCS#12, and the passphrase is wrong"):
        list(documents(box, pki.NOW, b"other"))
    with pytest.raises(Unreadable, match="this is PKCS#12, which cannot be read"):
        list(documents(sequence(der(0x02, b"\3"), sequence()), pki.NOW))


@pytest.mark.parametrize(("form", "encoding"), [("PEM", Encoding.PEM), ("DER", Encoding.DER)])
def test_pkcs7_is_described_with_its_certificates(form, encoding):
    """With the command that converts it to PEM, which every command reads."""
    root = pki.root()
    data = pkcs7.serialize_certificates([root.certificate, pki.leaf(root).certificate], encoding)
    container, *certificates = documents(data, pki.NOW)
    assert (container.kind, container.title) == ("PKCS#7", "2 certificates")
    assert facts(container)["for other commands"] == (
        f"openssl pkcs7 -inform {form} -in FILE -print_certs -out FILE.pem"
    )
    assert sorted(each.title for each in certificates) == ["Root", "server.example"]


def test_pkcs7_is_described_with_its_crls_and_other_certificates():
    """RFC 2315 9.1: certificates of other kinds are named by their tag."""
    data = signed_data(der(0xA0, der(0xA1, b"old")), der(0xA1, pki.crl(pki.root())))
    container, odd, crl = documents(data, pki.NOW)
    assert container.title == "1 certificate and 1 CRL"
    assert odd.title == "of a kind of its own (tag a1)"
    assert (crl.kind, crl.title) == ("CRL", "Root")


def test_pkcs7_without_certificates_is_described():
    """Or where it is broken."""
    enveloped = sequence(oid("1.2.840.113549.1.7.3"), der(0xA0, sequence()))
    assert one(enveloped).title == "enveloped data"
    assert "no signed data at byte" in one(sequence(SIGNED)).damaged


def endless(data: bytes) -> bytes:
    """The same with the length of each outer sequence at its end, as BER has it (X.690 8.1.3.6)."""
    outer = first(data, "container")
    return bytes((outer.tag, 0x80)) + outer.content + b"\0\0"


def test_containers_in_ber_are_decoded_too():
    """As Windows and Java write them."""
    root = pki.root()
    box = root.p12(b"sesame")
    assert [each.kind for each in documents(endless(box), pki.NOW, b"sesame")] == [
        "private key",
        "certificate",
    ]
    data = endless(pkcs7.serialize_certificates([root.certificate], Encoding.DER))
    container, certificate = documents(data, pki.NOW)
    assert (container.title, certificate.title) == ("1 certificate", "Root")
    assert "no definite length" in one(b"\x30\x80" + SIGNED + b"\0\0").damaged
