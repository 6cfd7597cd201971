"""Descriptions of OCSP messages."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

import pki
from bothways.describe.documents import documents
from bothways.describe.documents.asn1 import first
from bothways.describe.documents.ocsp import request_document, response_documents
from described_files import der, extension, facts, oid, one, sequence


@pytest.fixture(scope="module")
def leaf() -> pki.Issued:
    return pki.leaf(pki.root("Root"), serial=0xABC)


def test_a_response_is_described(leaf):
    """RFC 6960 4.2: certificate, status, validity, responder."""
    document = one(pki.ocsp_response(leaf, by_name=True, nonce=b"\xab" * 16))
    shown = facts(document)
    assert (document.kind, document.title) == ("OCSP response", "certificate 0abc is good")
    assert shown["responder"] == "CN=Root"
    assert shown["serial number"] == "0abc"
    assert shown["status"] == "good"
    assert shown["this update"] == "2026-06-01 00:00:00 UTC"
    assert shown["next update"] == "2026-06-02 12:00:00 UTC, in 1 day"
    assert shown["issuer"].startswith("SHA-1 of its name ")
    assert shown["nonce"] == "ab" * 16
    assert shown["signed with"] == "ecdsa-with-SHA256"
    assert shown["certificates"] == "none sent with it"
    assert shown["version"] == "1"


def test_a_revocation_is_described_with_its_time_and_reason(leaf):
    """RFC 6960 4.2.1."""
    document = one(pki.ocsp_response(leaf, status="revoked", reason="superseded", next_update=None))
    assert document.title == "certificate 0abc is revoked"
    assert facts(document)["status"] == "REVOKED on 2026-05-30 12:00:00 UTC, superseded"
    assert facts(document)["next update"] == "absent"
    shown = facts(one(pki.ocsp_response(leaf, status="revoked")))
    assert shown["status"] == "REVOKED on 2026-05-30 12:00:00 UTC, no reason given"
    assert facts(one(pki.ocsp_response(leaf, status="unknown")))["status"] == "unknown"


def test_a_delegated_responder_is_shown_with_its_certificate(leaf):
    """RFC 6960 4.2.2.2: it comes with the response."""
    signer = pki.responder(leaf.above[0])
    response, certificate = documents(pki.ocsp_response(leaf, signer=signer), pki.NOW)
    shown = facts(response)
    digest = x509.SubjectKeyIdentifier.from_public_key(signer.key.public_key()).digest.hex()
    assert shown["responder"] == f"whose key has the SHA-1 digest {digest}"
    assert shown["certificates"] == "1 sent with it"
    assert certificate.title == "Responder"
    assert facts(certificate)["extended key usage"] == "OCSP signing"
    assert facts(certificate)["OCSP no check"] == "its revocation status need not be checked"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("malformed_request", "malformedRequest"),
        ("internal_error", "internalError"),
        ("try_later", "tryLater"),
        ("sig_required", "sigRequired"),
        ("unauthorized", "unauthorized"),
    ],
)
def test_an_error_response_is_described_by_its_name(status, words):
    """RFC 6960 4.2.1."""
    assert one(pki.ocsp_refusal(status)).title == words


@pytest.mark.parametrize(
    ("data", "title", "name", "words"),
    [
        (
            sequence(der(0x0A, b"\0")),
            "successful",
            "problem",
            "its status is successful, and it contains no response",
        ),
        (
            sequence(der(0x0A, b"\7")),
            "status 7, which RFC 6960 does not define",
            "status",
            "status 7, which RFC 6960 does not define",
        ),
        (
            sequence(der(0x0A, b"\0"), der(0xA0, sequence(oid("1.2.3"), der(0x04, b"?")))),
            "of an unknown type",
            "type",
            "1.2.3, which is not known",
        ),
    ],
)
def test_a_response_without_responsebytes_is_described(data, title, name, words):
    """Nothing is raised for it."""
    document = one(data)
    assert document.title == title
    assert facts(document)[name].startswith(words)


def with_answers(data: bytes, *answers: bytes) -> bytes:
    """The response with other answers in it."""
    status, body = list(first(data, "response").children())
    kind, value = list(body.only(0x30, "bytes").children())
    inner, *rest = list(first(value.content, "basic").children())
    fields = [each.encoded for each in inner.children()]
    fields[2] = sequence(*answers)
    basic = sequence(sequence(*fields), *(each.encoded for each in rest))
    return sequence(status.encoded, der(0xA0, sequence(kind.encoded, der(0x04, basic))))


def answer(serial: int, status: bytes = der(0x80, b""), *more: bytes) -> bytes:
    identifier = sequence(
        sequence(oid("1.3.14.3.2.26")),
        der(0x04, b"n" * 20),
        der(0x04, b"k" * 20),
        der(0x02, bytes((serial,))),
    )
    return sequence(identifier, status, der(0x18, b"20260601000000Z"), *more)


def test_several_single_responses_are_described(leaf):
    """Those beyond a limit are counted."""
    data = with_answers(pki.ocsp_response(leaf), answer(1), answer(2, der(0x82, b"")))
    document = one(data)
    assert document.title == "about 2 certificates"
    assert [text for name, text in document.facts if name in ("serial number", "status")] == [
        "01", "good", "02", "unknown",
    ]  # fmt: skip
    crowd = one(with_answers(pki.ocsp_response(leaf), *(answer(number) for number in range(100))))
    assert crowd.title == "about 100 certificates"
    assert ("", "and answers about 80 more certificates") in crowd.facts


def test_an_undecodable_single_response_hides_no_other(leaf):
    """It is shown as its bytes."""
    shown = facts(one(with_answers(pki.ocsp_response(leaf), sequence(), answer(7))))
    assert shown["answer"].startswith("cannot be read (no certID at byte")
    assert shown["serial number"] == "07"
    shown = facts(one(with_answers(pki.ocsp_response(leaf), answer(7, der(0xA1, b"")))))
    assert shown["status"].startswith("cannot be read: no revocationTime at byte")
    shown = facts(one(with_answers(pki.ocsp_response(leaf), answer(7, der(0x85, b"")))))
    assert shown["status"] == "of no known kind: 8500"
    assert one(with_answers(pki.ocsp_response(leaf), sequence())).title == "about 1 certificate"


def test_extensions_of_a_single_response_are_described(leaf):
    """RFC 6960 4.4: which CRL was used, until when archives reach."""
    cutoff = sequence(oid("1.3.6.1.5.5.7.48.1.6"), der(0x04, der(0x18, b"20200101000000Z")))
    reference = sequence(
        der(0xA0, der(0x16, b"http://a")),
        der(0xA1, der(0x02, b"\5")),
        der(0xA2, der(0x18, b"20260101000000Z")),
    )
    used = sequence(oid("1.3.6.1.5.5.7.48.1.3"), der(0x04, reference))
    shown = facts(
        one(
            with_answers(
                pki.ocsp_response(leaf), answer(1, der(0x80, b""), der(0xA1, sequence(cutoff, used)))
            )
        )
    )
    assert shown["archive cutoff"] == "2020-01-01 00:00:00 UTC"
    assert shown["CRL used"] == '"http://a", number 5, 2026-01-01 00:00:00 UTC'


def test_extensions_of_a_response_are_described(leaf):
    """Each by its own words, unknown ones by their number."""
    name = leaf.certificate.issuer.public_bytes()
    extra = [
        (extension("1.3.6.1.5.5.7.48.1.4", sequence(oid("1.3.6.1.5.5.7.48.1.1"), oid("1.2.3"))), False),
        (extension("1.3.6.1.5.5.7.48.1.7", sequence(name)), False),
        (extension("1.3.6.1.5.5.7.48.1.9", der(0x05, b"")), False),
        (extension("1.2.3.4", b"?"), True),
    ]
    shown = facts(one(pki.ocsp_response(leaf, extra=extra)))
    assert shown["acceptable responses"] == "basic OCSP response, 1.2.3"
    assert shown["service locator"] == "issuer CN=Root"
    assert shown["extended revoke"].startswith("yes: ")
    assert shown["extension 1.2.3.4"] == "1 byte: 3f (critical)"
    assert shown["problem"] == (
        "refused by every verification:  it has the critical extension 1.2.3.4, which we do not support"
    )


def test_an_ocsp_request_is_described(leaf):
    """RFC 6960 4.1: about which certificates, with which nonce."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        leaf.certificate, leaf.above[0].certificate, hashes.SHA256()
    )
    request = builder.add_extension(x509.OCSPNonce(b"\xab"), critical=False).build()
    document = one(request.public_bytes(Encoding.DER))
    shown = facts(document)
    assert (document.kind, document.title) == ("OCSP request", "about 1 certificate")
    assert shown["serial number"] == "0abc"
    assert shown["issuer"].startswith("SHA-256 of its name ")
    assert (shown["nonce"], shown["signed"], shown["version"]) == ("ab", "no", "1")


def test_an_ocsp_request_with_a_requestor_and_many_certificates_is_described(leaf):
    """Who asks, and how many more there are."""
    asked = sequence(
        sequence(sequence(oid("1.3.14.3.2.26")), der(0x04, b"n"), der(0x04, b"k"), der(0x02, b"\1"))
    )
    requestor = der(0xA1, der(0xA4, pki.name("Asker").public_bytes()))
    data = sequence(sequence(requestor, sequence(sequence(), *[asked] * 30)), der(0xA0, sequence()))
    document = one(data)
    shown = facts(document)
    assert document.title == "about 31 certificates"
    assert shown["requestor"] == "name CN=Asker"
    assert shown["request"].startswith("cannot be read (no reqCert at byte")
    assert shown["signed"] == "yes"
    assert ("", "and 11 more certificates") in document.facts
    assert facts(request_document(sequence(sequence(der(0xA1, b""), sequence()))))["requestor"].startswith(
        "cannot be read"
    )


def test_a_document_without_fields_is_damaged():
    """Nothing is raised, whatever the bytes are."""
    assert "no responseStatus" in response_documents(b"\x30\0", pki.NOW)[0].damaged
    assert "no tbsRequest" in request_document(b"\x30\0").damaged
