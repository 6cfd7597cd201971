"""Descriptions of certification requests."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import pki
from bothways.describe.documents.asn1 import first
from bothways.describe.documents.request import request_document
from described_files import der, facts, oid, one, sequence

DER, PEM = Encoding.DER, Encoding.PEM


@pytest.fixture(scope="module")
def request_() -> x509.CertificateSigningRequest:
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.name("a.example"))
    return builder.add_extension(names, critical=False).sign(pki.key(), hashes.SHA256())


def with_attributes(request: x509.CertificateSigningRequest, *attributes: bytes) -> bytes:
    inner, *rest = list(first(request.public_bytes(DER), "request").children())
    fields = [each.encoded for each in inner.children()][:3]
    signed = sequence(*fields, der(0xA0, b"".join(attributes)))
    return sequence(signed, *(each.encoded for each in rest))


def test_a_request_shows_whether_its_signature_is_valid(request_):
    """RFC 2986: the signature proves possession."""
    document = one(request_.public_bytes(PEM))
    shown = facts(document)
    assert (document.kind, document.title) == ("certificate request", "a.example")
    assert shown["alternative names"] == "DNS a.example"
    assert shown["signature"].startswith("valid")
    assert shown["public key"] == "ECDSA on secp256r1"
    assert (shown["signed with"], shown["version"]) == ("ecdsa-with-SHA256", "1")
    forged = bytearray(request_.public_bytes(DER))
    forged[-1] ^= 1
    assert facts(one(bytes(forged)))["signature"].startswith("WRONG")


def test_a_request_has_the_id_of_its_key(request_):
    """By the same id as the private key's."""
    assert one(request_.public_bytes(DER)).key_id == one(pki.root(own_key=pki.key()).key_pem).key_id


def attribute(dotted: str, *values: bytes) -> bytes:
    return sequence(oid(dotted), der(0x31, b"".join(values)))


@pytest.mark.parametrize(
    ("made", "name", "words"),
    [
        (attribute("1.2.840.113549.1.9.7", der(0x0C, b"open")), "challengePassword", '"open"'),
        (attribute("1.2.840.113549.1.9.2", der(0x0C, b"a"), der(0x0C, b"b")), "unstructuredName", '"a"\n"b"'),
        (attribute("1.2.3.4", der(0x02, b"\5")), "attribute 1.2.3.4", "5"),
        (attribute("1.2.3.4"), "attribute 1.2.3.4", "no value"),
        (attribute("1.2.840.113549.1.9.14"), "extension request", "empty"),
        (
            attribute(
                "1.3.6.1.4.1.311.2.1.14",
                sequence(sequence(oid("2.5.29.37"), der(0x04, sequence(oid("1.3.6.1.5.5.7.3.2"))))),
            ),
            "extended key usage",
            "client authentication",
        ),
        (sequence(), "attribute no. 1", "cannot be read: no attribute type at byte"),
    ],
)
def test_attributes_of_a_request_are_described(request_, made, name, words):
    """RFC 2985 5.4 and others."""
    assert facts(one(with_attributes(request_, made)))[name].startswith(words)


def test_many_attributes_are_counted(request_):
    """At most thirty-two are described."""
    shown = facts(one(with_attributes(request_, *[attribute("1.2.3.4", der(0x02, b"\5"))] * 100)))
    assert shown["attributes"] == "and 68 more"


def test_a_document_without_fields_is_damaged():
    """Nothing is raised, whatever the bytes are."""
    assert "no certificationRequestInfo" in request_document(b"\x30\0").damaged


def test_a_request_that_cannot_be_checked_says_so(request_):
    """The signature of an unknown kind of key cannot be checked."""
    inner, *rest = list(first(request_.public_bytes(DER), "request").children())
    version, subject, _, more = (each.encoded for each in inner.children())
    key = sequence(sequence(oid("1.2.3.4")), der(0x03, b"\0\1"))
    shown = facts(one(sequence(sequence(version, subject, key, more), *(each.encoded for each in rest))))
    assert shown["signature"].startswith("cannot be checked: ")
    assert shown["problem"].startswith("refused by every verification:  ")
