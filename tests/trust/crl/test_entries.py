"""The entries of a CRL: found through an index, by serial number and issuer (RFC 5280 5.3)."""

from __future__ import annotations

from datetime import datetime
from zlib import crc32

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.entries import CRLEntry, Entries
from bothways.trust.crl.entry_index import entries_between, index_entries
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.der import elements, encoded, expect_element
from pki import DAY, NOW, crl, issue, issuing_point, leaf, name, root

ROOT = root()
ONE, TWO, THREE = (leaf(ROOT, f"{each}.example") for each in ("one", "two", "three"))
LIST = crl(ROOT, ONE, (TWO, "key_compromise"), number=7)
BIG = crl(ROOT, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(300)])


def ask(found: CRL, issued) -> object:
    parsed = ParsedCertificate(issued.der)
    return found.find(parsed.serial, parsed.normal_issuer)


def test_an_entry_is_found_with_its_date_and_reason():
    """RFC 5280 5.1.2.6, 5.3.1."""
    found = CRL(LIST)
    assert ask(found, ONE).reason == "unspecified"
    assert ask(found, TWO).reason == "key compromise"
    assert ask(found, TWO).revoked_at == NOW - 2 * DAY
    assert ask(found, THREE) is None
    assert found.find(ParsedCertificate(ONE.der).serial, b"another issuer") is None


def test_every_entry_of_a_long_crl_is_found_and_nothing_else():
    """The index finds the same as the CRL of `cryptography`."""
    found = CRL(BIG)
    reference = x509.load_der_x509_crl(BIG)
    issuer = ParsedCertificate(ONE.der).normal_issuer
    for serial in range(1, 1000):
        content = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        there = reference.get_revoked_certificate_by_serial_number(serial) is not None
        assert (found.find(content, issuer) is not None) is there
        assert found.lists(content, issuer) is there


def test_serial_numbers_with_one_checksum_are_distinguished():
    """The index holds checksums of 32 bits; these two serial numbers have the same."""
    one, other = bytes.fromhex("01020304"), bytes.fromhex("0102030500000000")
    other = other[:4] + _same_checksum(one, other[:4])
    first = issue("first", ROOT, serial=int.from_bytes(one, "big"))
    second = issue("second", ROOT, serial=int.from_bytes(other, "big"))
    assert crc32(ParsedCertificate(first.der).serial) == crc32(ParsedCertificate(second.der).serial)
    assert ask(CRL(crl(ROOT, first)), second) is None
    both = CRL(crl(ROOT, first, (second, "superseded")))
    assert (ask(both, first).reason, ask(both, second).reason) == ("unspecified", "superseded")


def _same_checksum(wanted: bytes, start: bytes) -> bytes:
    """Four bytes that after `start` give the checksum of `wanted`; CRC-32 is linear."""
    target = crc32(wanted) ^ crc32(start + bytes(4))
    rows = [
        (crc32(start + (1 << bit).to_bytes(4, "big")) ^ crc32(start + bytes(4)), 1 << bit)
        for bit in range(32)
    ]
    answer = 0
    for place in range(32):
        pivot = next(row for row in rows if row[0] >> place & 1)
        rows.remove(pivot)
        rows = [(a ^ pivot[0], b ^ pivot[1]) if a >> place & 1 else (a, b) for a, b in rows]
        if target >> place & 1:
            target, answer = target ^ pivot[0], answer ^ pivot[1]
    return answer.to_bytes(4, "big")


def test_an_empty_crl_has_no_entries():
    """RFC 5280 5.1.2.6: revokedCertificates is absent then."""
    assert len(CRL(crl(ROOT))) == 0
    assert ask(CRL(crl(ROOT)), ONE) is None


def test_entries_of_an_indirect_crl_belong_to_the_last_named_issuer():
    """RFC 5280 5.3.3."""
    other = root("Other")
    theirs = leaf(other, "theirs.example")
    named = x509.CertificateIssuer([x509.DirectoryName(name("other"))])
    found = CRL(crl(ROOT, theirs, entry_extra=[(named, True)], point=issuing_point(indirect=True)))
    assert ask(found, theirs) is not None
    assert found.find(ParsedCertificate(theirs.der).serial, ParsedCertificate(ONE.der).normal_issuer) is None


OTHERS = [x509.DirectoryName(name(each)) for each in ("other", "Another")]
MAIL = x509.RFC822Name("ca@other.example")


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("names", "issuers"),
    [
        ([OTHERS[0]], {"Other"}),
        (OTHERS, {"Other", "Another"}),
        ([MAIL, OTHERS[1]], {"Another"}),
        ([OTHERS[1], MAIL, OTHERS[0]], {"Other", "Another"}),
    ],
)
def test_any_directory_name_of_certificateissuer_is_the_issuer_of_an_entry(critical, names, issuers):
    """RFC 5280 5.3.3: among other general names, and also without the critical mark."""
    first, later = leaf(ROOT, "first.example"), leaf(ROOT, "later.example")
    point = issuing_point(indirect=True)
    with_issuer = crl(ROOT, first, entry_extra=[(x509.CertificateIssuer(names), critical)], point=point)
    found = CRL(with_entry(with_issuer, crl(ROOT, later)))
    assert found.problem is None
    for subject in ("Root", "Other", "Another"):
        by = ParsedCertificate(root(subject).der).normal_subject
        for each in (first, later):  # what follows is of the same issuer
            serial = ParsedCertificate(each.der).serial
            assert (found.find(serial, by) is not None) is found.lists(serial, by) is (subject in issuers)


def with_entry(der: bytes, other: bytes) -> bytes:
    """A CRL with the one entry of another CRL after its own; its signature no longer fits."""
    (entries, start, stop), (_, first, last) = (entries_of(each) for each in (der, other))
    grown = encoded(0x30, der[start:stop], other[first:last])
    at, end = expect_element(der, 0, len(der), 0x30, "list")
    tbs, tbs_end = expect_element(der, at, end, 0x30, "tbs")
    return encoded(0x30, encoded(0x30, der[tbs:entries], grown, der[stop:tbs_end]), der[tbs_end:end])


def entries_of(der: bytes) -> tuple[int, int, int]:
    """Where the entries of a CRL of version 2 begin, with their header and without, and where they end."""
    at, end = expect_element(der, 0, len(der), 0x30, "list")
    at, end = expect_element(der, at, end, 0x30, "tbs")
    return [(begin, start, stop) for tag, begin, start, stop in elements(der, at, end) if tag == 0x30][2]


@pytest.mark.parametrize(
    "value",
    [
        *(b"\x30\x00", b"\x05\x00", b"", b"\x30\x03\x82\x01a", b"\x30\x80\x00\x00"),
        encoded(0x30, encoded(0xA4, name("Root").public_bytes()[2:])),  # without the sequence of a name
        encoded(0x30, encoded(0xA4, name("Root").public_bytes(), b"\x05\x00")),
        encoded(0x30, encoded(0xA4, name("Root").public_bytes())) + b"\x05\x00",
        encoded(0x30, encoded(0xA4, name("Root").public_bytes().replace(b"oot", b"o\xfft"))),  # no UTF-8
        encoded(0x30, encoded(0xA4, name("Root").public_bytes().replace(b"\x55\x04\x03", b"\x55\x04\x83"))),
    ],
)
def test_an_undecodable_certificateissuer_makes_a_crl_prove_nothing_good(value):
    """It is not known which certificates the CRL revokes."""
    unreadable = x509.UnrecognizedExtension(x509.CertificateIssuer.oid, value)
    found = CRL(with_entry(crl(ROOT, TWO), crl(ROOT, ONE, entry_extra=[(unreadable, False)])))
    assert ask(found, TWO) is not None and ask(found, ONE) is None
    assert "the certificate issuer of an entry cannot be read" in found.problem


SERIAL, TIME = b"\2\1\1", b"\x17\x0d260601000000Z"


@pytest.mark.parametrize(
    "entry",
    [
        encoded(0x31, SERIAL, TIME),  # no sequence
        encoded(0x30, b"\4\1\1", TIME),  # no serial number
        encoded(0x30, SERIAL, TIME)[:1] + b"\x05" + SERIAL + TIME,  # the date is outside of it
        encoded(0x30, SERIAL, TIME) + b"\x30\x7f" + SERIAL + TIME,  # longer than the list
    ],
)
def test_a_malformed_entry_makes_a_list_invalid(entry):
    """RFC 5280 5.1.2.6: no entry after it could be found."""
    padding = bytes(200)  # what follows the entries in a CRL
    with pytest.raises(ValueError, match="no CRL entry at byte"):
        list(entries_between(entry + padding, 0, len(entry)))
    assert len(list(entries_between(encoded(0x30, SERIAL, TIME) + padding, 0, 20))) == 1


HELD, GONE, LOST = "certificate_hold", "remove_from_crl", "key_compromise"


@pytest.mark.parametrize(
    ("reasons", "counts"),
    [
        ((LOST, GONE), "key compromise"),
        ((HELD, GONE), "certificate hold"),
        ((HELD, LOST), "key compromise"),
        ((GONE, GONE), "removed from the CRL"),
        ((None, GONE), "unspecified"),
        ((None, HELD), "unspecified"),
    ],
)
def test_of_two_entries_about_one_certificate_the_more_severe_counts(reasons, counts):
    """RFC 5280 5.1.2.6 knows only one."""
    one, other = (crl(ROOT, ONE if each is None else (ONE, each)) for each in reasons)
    for found in (CRL(with_entry(one, other)), CRL(with_entry(other, one))):
        assert ask(found, ONE).reason == counts


REASON, OTHER_KIND = x509.CRLReason.oid, x509.ObjectIdentifier("2.5.29.127")
REMOVES, REVOKES = b"\x0a\x01\x08", b"\x0a\x01\x01"


@pytest.mark.parametrize(
    "values",
    [
        (b"\x0a\x01\x08\x00",),  # something follows
        (b"\x0a\x02\x00\x08",),  # more octets than it needs
        (b"\x02\x01\x08",),  # a number
        (b"\x0a\x81\x01\x08",),  # a length that is no DER
        (b"\x0a\x00",),
        (b"",),
        (REMOVES, REVOKES),
        (REVOKES, REMOVES),
        (REMOVES, REMOVES),
    ],
)
def test_an_invalid_or_repeated_reason_removes_nothing_from_a_crl(values):
    """RFC 5280 5.3.1: an ENUMERATED, once; otherwise the certificate stays revoked."""
    extra = [
        (x509.UnrecognizedExtension(kind, value), False)
        for kind, value in zip((REASON, OTHER_KIND), values, strict=False)
    ]
    twice = crl(ROOT, ONE, entry_extra=extra).replace(b"\x55\x1d\x7f", b"\x55\x1d\x15")
    assert ask(CRL(twice), ONE).reason == "unspecified"
    alone = crl(ROOT, ONE, entry_extra=[(x509.UnrecognizedExtension(REASON, REMOVES), False)])
    assert ask(CRL(alone), ONE).reason == "removed from the CRL"


def test_an_entry_with_two_certificateissuers_counts_for_both_and_the_crl_proves_nothing_good():
    """RFC 5280 4.2: no extension occurs twice."""
    other, another = (x509.CertificateIssuer([each]) for each in OTHERS)
    extra = [(other, True), (x509.UnrecognizedExtension(OTHER_KIND, another.public_bytes()), True)]
    der = crl(ROOT, ONE, entry_extra=extra, point=issuing_point(indirect=True))
    found = CRL(der.replace(b"\x55\x1d\x7f", b"\x55\x1d\x1d"))
    for subject, counts in (("Root", False), ("Other", True), ("Another", True)):
        by = ParsedCertificate(root(subject).der).normal_subject
        assert (found.find(ParsedCertificate(ONE.der).serial, by) is not None) is counts
    assert found.problem == "an entry names the certificate issuer twice"


def test_reading_a_long_crl_reports_its_progress():
    """A CRL of a million entries is read in a thread."""
    shares: list[float] = []
    CRL(BIG).read_entries(shares.append)
    assert shares == [1.0]


def test_progress_grows_to_one(monkeypatch):
    """A share of what is read."""
    monkeypatch.setattr("bothways.trust.crl.entry_index.SLICE_OCTETS", 1000)
    shares: list[float] = []
    CRL(BIG).read_entries(shares.append)
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (len(BIG) // 1000 + 1, 1.0)


LATE = datetime(2051, 2, 3, 4, 5, 6, tzinfo=NOW.tzinfo)


def dated_2051() -> bytes:
    """A CRL whose only entry is of the year 2051."""
    builder = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(LATE)
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ROOT.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_revoked_certificate(builder.build())
        .sign(ROOT.key, SHA256())
        .public_bytes(Encoding.DER)
    )


def test_times_of_both_kinds_are_read():
    """RFC 5280 5.1.2.4: UTCTime until 2049, GeneralizedTime after."""
    assert CRL(dated_2051()).find(b"\x05", ParsedCertificate(ONE.der).normal_issuer).revoked_at == LATE


def test_an_entry_with_long_lengths_is_decoded():
    """X.690 8.1.3: lengths in more than one byte."""
    long = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x04\x7f" + bytes(127))
    assert ask(CRL(crl(ROOT, ONE, entry_extra=[(long, False)])), ONE) is not None


@pytest.mark.parametrize("size", [20, 127, 128, 129, 200, 300])
def test_an_entry_is_found_however_long_its_serial_number_is(size):
    """RFC 5280 4.1.2.2 allows 20 octets; a certificate with more of them is revoked all the same."""
    several = [bytes([each]) * size for each in (1, 2, 3)]
    der = b"".join(encoded(0x30, encoded(2, each), TIME) for each in several[:2])
    entries = Entries(der, index_entries(der, 0, len(der), b"issuer", lambda *_: None), NOW)
    assert [entries.has(each, b"issuer") for each in several] == [True, True, False]
    assert entries.find(several[1], b"issuer") is not None


def test_dates_of_the_last_century_are_read():
    """RFC 5280 5.1.2.4."""
    der = LIST.replace(b"260530120000Z", b"990530120000Z")
    assert ask(CRL(der), ONE).revoked_at.year == 1999


def test_an_entry_with_an_undecodable_date_or_reason_is_a_revocation():
    """RFC 5280 5.3.1: nothing is raised in a handshake."""
    unreasoned = CRL(
        LIST.replace(bytes.fromhex("0603551d1504030a0101"), bytes.fromhex("0603551d150403040101"))
    )
    assert ask(unreasoned, TWO) == CRLEntry(NOW - 2 * DAY, "unspecified")
    year_0 = CRL(dated_2051().replace(b"20510203040506Z", b"00000203040506Z", 1))
    assert year_0.find(b"\x05", ParsedCertificate(ONE.der).normal_issuer) == CRLEntry(
        year_0.this_update, "unspecified"
    )
