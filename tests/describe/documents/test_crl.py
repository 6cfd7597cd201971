"""Descriptions of certificate revocation lists (CRLs)."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import pki
from bothways.describe.documents.asn1 import first
from bothways.describe.documents.crl import crl_document, reason_text
from described_files import der, extension, facts, oid, one, sequence

DER, PEM = Encoding.DER, Encoding.PEM


@pytest.fixture(scope="module")
def root() -> pki.Issued:
    return pki.root("Root")


def crl(root: pki.Issued, count: int, *, reason: bool = True) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(pki.NOW)
        .next_update(pki.NOW + 7 * pki.DAY)
    )
    for serial in range(1, count + 1):
        entry = x509.RevokedCertificateBuilder().serial_number(serial * 256).revocation_date(pki.NOW)
        if reason:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(root.key, hashes.SHA256())


def test_a_crl_lists_the_first_of_its_entries(root):
    """Who issued it, until when it counts, whom it revokes."""
    document = one(crl(root, 22).public_bytes(DER))
    shown = facts(document)
    assert (document.kind, document.title) == ("CRL", "Root")
    assert shown["this update"] == "2026-06-01 12:00:00 UTC"
    assert shown["next update"] == "2026-06-08 12:00:00 UTC, in 7 days"
    count, *entries = shown["revoked"].split("\n")
    assert count == "22 certificates"
    assert entries[0] == "0100 on 2026-06-01 12:00:00 UTC, keyCompromise"
    assert (len(entries), entries[-1]) == (21, "and 2 more")
    assert shown["signed with"] == "ecdsa-with-SHA256"
    assert shown["version"] == "2"
    assert facts(one(crl(root, 1, reason=False).public_bytes(DER)))["revoked"] == (
        "1 certificate\n0100 on 2026-06-01 12:00:00 UTC"
    )


def test_an_expired_crl_is_described_as_such(root):
    """And one without entries."""
    shown = facts(one(crl(root, 0).public_bytes(PEM), now=pki.NOW + 8 * pki.DAY))
    assert shown["next update"].endswith("EXPIRED 1 day ago")
    assert shown["revoked"] == "0 certificates"


def test_a_crl_of_many_thousands_is_cut(root):
    """The rest is counted, in groups of three digits."""
    assert facts(one(crl(root, 3_000, reason=False).public_bytes(DER)))["revoked"].endswith("and 2,980 more")


def test_a_delta_crl_names_its_base(root):
    """RFC 5280 5.2.4: it is complete only together with another."""
    shown = facts(one(pki.crl(root, number=9, base=7)))
    assert shown["CRL number"] == "9"
    assert shown["base CRL number"] == (
        "7: a delta CRL, complete only together with that CRL or a newer one (critical)"
    )


def test_an_indirect_crl_shows_the_issuer_of_each_entry(root):
    """RFC 5280 5.3.3: what one entry says of the issuer holds for those after it."""
    one_, two = pki.leaf(root), pki.leaf(root)
    other = x509.CertificateIssuer([x509.DirectoryName(pki.name("Other CA"))])
    entries = (pki.revoked_entry(one_, None, [(other, True)]), pki.revoked_entry(two, "superseded", ()))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(pki.NOW)
        .add_extension(pki.issuing_point(indirect=True), critical=True)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    shown = facts(
        one(builder.next_update(pki.NOW + pki.DAY).sign(root.key, hashes.SHA256()).public_bytes(DER))
    )
    _, first_, second = shown["revoked"].split("\n")
    assert first_.endswith("on 2026-05-30 12:00:00 UTC, issued by CN=Other CA")
    assert second.endswith("on 2026-05-30 12:00:00 UTC, superseded, issued by CN=Other CA")


@pytest.mark.parametrize(
    ("dotted", "value", "words"),
    [
        ("2.5.29.21", der(0x0A, b"\7"), "reason 7, which RFC 5280 does not define"),
        ("2.5.29.21", der(0x0A, b"\x80"), "reason -128, which RFC 5280 does not define"),
        ("2.5.29.23", oid("1.2.840.10040.2.3"), "hold instruction: reject"),
        ("2.5.29.24", der(0x18, b"20260101000000Z"), "invalid since 2026-01-01 00:00:00 UTC"),
        ("2.5.29.21", der(0x0C, b"x"), "reason: cannot be read (no value at byte 0): 0c0178"),
        ("1.2.3.4", b"?", "extension 1.2.3.4: 1 byte: 3f"),
    ],
)
def test_the_extensions_of_an_entry_are_described(root, dotted, value, words):
    """RFC 5280 5.3."""
    data = pki.crl(root, pki.leaf(root), entry_extra=[(extension(dotted, value), False)])
    assert facts(one(data))["revoked"].endswith(f"UTC, {words}")


def test_reasons_have_the_names_of_their_rfc():
    """RFC 5280 5.3.1."""
    assert [reason_text(number) for number in (0, 1, 6, 8, 9, 10)] == [
        "unspecified", "keyCompromise", "certificateHold", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
    ]  # fmt: skip


def test_locations_of_other_crls_are_described(root):
    """Freshest CRL, and what others added."""
    point = sequence(sequence(der(0xA0, der(0xA0, der(0x86, b"http://a.example/delta")))))
    extra = [
        (extension("2.5.29.46", point), False),
        (extension("2.5.29.60", der(0x18, b"20200101000000Z")), False),
        (extension("1.3.6.1.4.1.311.21.4", der(0x17, b"270101000000Z")), False),
        (extension("1.2.3.4", b"?"), True),
    ]
    shown = facts(one(pki.crl(root, extra=extra)))
    assert shown["freshest CRL"] == "URI http://a.example/delta"
    assert shown["contains expired certificates since"] == "2020-01-01 00:00:00 UTC"
    assert shown["next publication"] == "2027-01-01 00:00:00 UTC"
    assert shown["extension 1.2.3.4"] == "1 byte: 3f (critical)"


def altered(data: bytes, tag: int, *replacement: bytes) -> bytes:
    """A CRL whose first field with that tag, behind its version, is another."""
    inner, *rest = list(first(data, "CRL").children())
    fields = [each.encoded for each in inner.children()]
    place = next(number for number, each in enumerate(fields) if each[0] == tag)
    fields[place : place + 1] = replacement
    return sequence(sequence(*fields), *(each.encoded for each in rest))


def test_an_undecodable_entry_hides_no_other(root):
    """It is shown as its bytes."""
    good = sequence(der(0x02, b"\5"), der(0x17, b"260101000000Z"))
    data = altered(pki.crl(root), 0xA0, sequence(sequence(der(0x02, b"\4")), good))
    assert facts(one(data))["revoked"].split("\n") == [
        "2 certificates",
        "an entry that cannot be read (no revocation date at byte 74): 3003020104",
        "05 on 2026-01-01 00:00:00 UTC",
    ]


def test_malformed_parts_of_a_crl_are_described_as_such(root):
    """An invalid version, invalid times and trailing data."""
    data = pki.crl(root, pki.leaf(root))
    shown = facts(one(altered(data, 0x02, der(0x02, b"\7"))))
    assert shown["version"] == "8"
    assert shown["problem"].startswith("refused by every verification:  ")
    shown = facts(one(altered(data, 0x17, der(0x17, b"soon"))))
    assert shown["this update"] == '"soon" (which is not a valid time)'
    shown = facts(crl_document(data + b"\0\0", pki.NOW))
    assert shown["after it"] == "2 bytes"
    shown = facts(one(pki.crl(root, this_update=pki.NOW + 2 * pki.DAY)))
    assert shown["this update"].endswith("NOT YET: in 2 days")


def test_a_truncated_list_of_entries_is_described_up_to_there(root):
    """Its number is of those that were read."""
    good = sequence(der(0x02, b"\5"), der(0x17, b"260101000000Z"))
    data = altered(pki.crl(root), 0xA0, sequence(good, b"\x30\x20\x02"))
    assert facts(one(data))["revoked"].split("\n")[::2] == [
        "1 certificate",
        "what follows entry 1 cannot be read: a length of 32 at byte 89 runs past the end",
    ]


def test_a_document_without_fields_is_damaged():
    """Nothing is raised, whatever the bytes are."""
    assert "no tbsCertList" in crl_document(b"\x30\0", pki.NOW).damaged


def test_the_verdict_of_verification_on_an_unusual_crl_is_described(root):
    """Refused completely, or used for its revocations only."""
    critical = [(extension("1.2.3.4", b"?"), True)]
    shown = facts(one(pki.crl(root, extra=critical)))
    assert shown["problem"].startswith(
        "refused by every verification:  it has the critical extension 1.2.3.4"
    )
    unread = [(extension("2.5.29.46", b"?"), False)]
    shown = facts(one(pki.crl(root, number=None, extra=unread)))
    assert shown["problem"].startswith("verification uses only its revocations:  freshestCRL: ")
    assert "problem" not in facts(one(pki.crl(root)))
