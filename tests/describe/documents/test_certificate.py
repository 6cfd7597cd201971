"""Descriptions of certificates."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

import pki
from bothways.describe.documents import certificate_document, signature_text
from bothways.describe.documents.asn1 import first
from bothways.trust.certificate.parsed import ParsedCertificate
from described_files import der, extension, facts, oid, one, sequence


@pytest.fixture(scope="module")
def root() -> pki.Issued:
    return pki.root("Root")


def test_a_certificate_is_described(root):
    """Names, validity, key, usages, locations."""
    address = x509.UniformResourceIdentifier("http://ca.example/x")
    issued = pki.leaf(
        root,
        "server.example",
        alternatives=["DNS:server.example", "IP:10.0.0.1", "URI:spiffe://a/b", "EMAIL:a@b.example", "DN:x"],
        usage=("serverAuth", "any"),
        serial=0x0ABC,
        extra=[
            (x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)]), False),
            (
                x509.AuthorityInformationAccess(
                    [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)]
                ),
                False,
            ),
            (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
            (extension("1.2.3.4", b"\5\0"), True),
        ],
    )
    document = one(issued.pem)
    shown = facts(document)
    assert (document.kind, document.title) == ("certificate", "server.example")
    assert shown["subject"] == "CN=server.example"
    assert shown["issuer"] == "CN=Root"
    assert shown["valid"] == "2026-05-02 12:00:00 to 2027-05-02 12:00:00 UTC, 335 days left"
    assert shown["alternative names"] == (
        "DNS server.example, IP 10.0.0.1, URI spiffe://a/b, email a@b.example, name CN=x"
    )
    assert shown["extended key usage"] == "server authentication, any purpose"
    assert shown["key usage"] == "digital signature (critical)"
    assert shown["CA"] == "no (critical)"
    assert shown["CRL distribution points"] == "URI http://ca.example/x"
    assert shown["authority information"] == "OCSP responder URI http://ca.example/x"
    assert shown["TLS features"] == "status_request (5, must staple)"
    assert shown["extension 1.2.3.4"] == "2 bytes: 0500, which is null (critical)"
    assert shown["public key"] == "ECDSA on secp256r1"
    assert shown["signed with"] == "ecdsa-with-SHA256"
    assert (shown["version"], shown["serial number"]) == ("3", "0abc")
    assert shown["SHA-256"] == sha256(issued.der).hexdigest()


def test_the_most_important_facts_are_first(root):
    """Subject, validity, purpose and issuer; then everything else."""
    names = [name for name, _ in one(pki.leaf(root).der).facts]
    assert names[:7] == [
        "subject", "valid", "alternative names", "extended key usage", "key usage", "CA", "issuer",
    ]  # fmt: skip


def test_a_ca_certificate_is_described_with_its_constraints(root):
    """Self-signed by its own key or not, path length, name constraints."""
    shown = facts(one(root.pem))
    assert shown["issuer"] == "CN=Root (itself)"
    assert shown["signed with"].endswith(", by its own key")
    assert shown["CA"] == "yes (critical)"
    constraints = x509.NameConstraints([x509.DNSName("example")], [x509.DNSName("bad.example")])
    middle = pki.intermediate(root, path_length=1, extra=[(constraints, True)])
    shown = facts(one(middle.pem))
    assert shown["CA"] == "yes, at most 1 CA below it (critical)"
    assert shown["name constraints"] == "only DNS example, not DNS bad.example (critical)"
    forged = pki.root("Root", signed_by=pki.key("P-256", 77))
    assert facts(one(forged.pem))["signed with"].endswith(", not by its own key")


def test_a_certificate_without_a_subject_is_titled_by_its_first_name(root):
    """RFC 5280 4.1.2.6: then the alternative names are critical."""
    issued = pki.leaf(root, None, alternatives=["DNS:a.example", "DNS:b.example"], critical_alternatives=True)
    assert one(issued.der).title == "DNS a.example"
    assert facts(one(issued.der))["subject"] == "(empty)"
    alone = pki.leaf(root, None, alternatives=["DNS:a.example"], critical_alternatives=True)
    assert one(alone.der).title == "DNS a.example"
    assert one(pki.leaf(root, None, alternatives=()).der).title == "(no name)"


def altered(data: bytes, place: int, replacement: bytes, *, outside: bytes | None = None) -> bytes:
    """A certificate with another element in that place of its signed part, and another algorithm outside."""
    inner, algorithm, signature = list(first(data, "certificate").children())
    fields = [each.encoded for each in inner.children()]
    fields[place] = replacement
    return sequence(sequence(*fields), outside or algorithm.encoded, signature.encoded)


VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = range(8)
MINUTE = der(0x17, b"2601010000Z")


@pytest.mark.parametrize(
    ("place", "replacement", "name", "words"),
    [
        (VERSION, der(0xA0, der(0x02, b"\x06")), "version", "7"),
        (VERSION, der(0xA0, b""), "version", "cannot be read: no version at byte"),
        (SERIAL, der(0x02, b"\xff\x01"), "serial number", "-ff (negative)"),
        (SERIAL, der(0x02, b""), "serial number", "cannot be read: a number of no bytes at byte 13"),
        (VALIDITY, sequence(MINUTE), "valid", "cannot be read: no time at byte"),
        (VALIDITY, sequence(MINUTE, der(0x0C, b"never")), "valid", '2026-01-01 00:00:00 UTC (written "2601010000Z")'),
        (SUBJECT, sequence(der(0x31, b"")), "subject", "30023100"),
        (KEY, sequence(), "public key", "cannot be read: no algorithm of the key"),
        (EXTENSIONS, der(0xA3, b""), "extensions", "cannot be read: no extensions at byte"),
        (EXTENSIONS, der(0x81, b"\0\x0a"), "issuer unique identifier", "0a"),
        (EXTENSIONS, der(0x82, b"\0\x0b"), "subject unique identifier", "0b"),
    ],
)  # fmt: skip
def test_a_malformed_part_hides_no_other(root, place, replacement, name, words):
    """It is reported with its position, and that verification refuses the certificate."""
    shown = facts(one(altered(pki.leaf(root).der, place, replacement)))
    assert shown[name].startswith(words)
    assert shown["issuer"] == "CN=Root"
    assert "kind:" not in str(shown)


def test_a_certificate_that_is_refused_everywhere_says_so(root):
    """What the parsers of verification do not accept."""
    shown = facts(one(altered(pki.leaf(root).der, VERSION, der(0xA0, der(0x02, b"\x06")))))
    assert shown["problem"].startswith("refused by every verification:  ")
    assert "problem" not in facts(one(pki.leaf(root).der))


def test_an_undecodable_unused_extension_is_reported(root):
    """Verification neither decodes nor refuses it."""
    broken = extension("2.5.29.18", b"\x30\x01")
    shown = facts(one(pki.leaf(root, extra=[(broken, False)]).der))
    assert shown["problem"].startswith("not read by verification, since no rule uses it:  issuerAltName")


def test_two_different_signature_algorithms_are_both_shown(root):
    """RFC 5280 4.1.1.2: they must be the same."""
    data = altered(pki.leaf(root).der, VERSION, der(0xA0, der(0x02, b"\2")), outside=sequence(oid("1.2.3.4")))
    assert facts(one(data))["signed with"] == "1.2.3.4, but ecdsa-with-SHA256 in the signed part"


def test_data_after_a_certificate_is_described(root):
    """`openssl x509 -trustout` writes there what a certificate is trusted for."""
    shown = facts(certificate_document(root.der + sequence(der(0x0C, b"alias")), pki.NOW))
    assert shown["after it"] == '9 bytes: {"alias"}'


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\0", der(0x31, b""), sequence(sequence(), sequence())])
def test_a_document_without_fields_is_damaged(data):
    """Nothing is raised, whatever the bytes are."""
    document = certificate_document(data, pki.NOW)
    assert document.damaged
    assert not document.key_id


def test_the_signature_algorithm_is_described_alone(root):
    """What the doctor says of a chain."""
    assert signature_text(ParsedCertificate(root.der)) == "ecdsa-with-SHA256"
