"""Revocation lists: what they say, and what cannot be read (RFC 5280 5)."""

from __future__ import annotations

from datetime import datetime
from zlib import crc32

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from bothways.errors import ConfigError
from bothways.trust.certificate import Parsed
from bothways.trust.crl import ALL_REASONS, CRL, Entry, crls_in, point_names
from pki import DAY, NOW, crl, issue, issuing_point, key, leaf, name, root
from pki import der as encode

ROOT = root()
ONE, TWO, THREE = (leaf(ROOT, f"{each}.example") for each in ("one", "two", "three"))
LIST = crl(ROOT, ONE, (TWO, "key_compromise"), number=7)
BIG = crl(ROOT, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(300)])


def ask(found: CRL, issued) -> object:
    parsed = Parsed(issued.der)
    return found.find(parsed.serial, parsed.normal_issuer)


def test_a_list_tells_its_issuer_times_number_and_entries():
    """RFC 5280 5.1."""
    found = CRL(LIST)
    assert found.issuer == ROOT.certificate.subject.public_bytes()
    assert (found.this_update, found.next_update) == (NOW - DAY, NOW + 7 * DAY)
    assert (found.number, found.base, found.problem, len(found)) == (7, None, None, 2)
    assert repr(found) == "<CRL of CN=Root, 2 entries, 2026-05-31 12:00>"
    assert "delta CRL" in repr(CRL(crl(ROOT, base=1, number=2)))


def test_an_entry_is_found_with_its_date_and_reason():
    """RFC 5280 5.1.2.6, 5.3.1."""
    found = CRL(LIST)
    assert ask(found, ONE).reason == "unspecified"
    assert ask(found, TWO).reason == "key compromise"
    assert ask(found, TWO).revoked_at == NOW - 2 * DAY
    assert ask(found, THREE) is None
    assert found.find(Parsed(ONE.der).serial, b"another issuer") is None


def test_every_entry_of_a_long_list_is_found_and_nothing_else():
    """The index answers as the list itself does."""
    found = CRL(BIG)
    reference = x509.load_der_x509_crl(BIG)
    issuer = Parsed(ONE.der).normal_issuer
    for serial in range(1, 1000):
        content = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        there = reference.get_revoked_certificate_by_serial_number(serial) is not None
        assert (found.find(content, issuer) is not None) is there


def test_serial_numbers_of_one_checksum_are_told_apart():
    """The index holds checksums of 32 bits; these two serial numbers have the same."""
    one, other = bytes.fromhex("01020304"), bytes.fromhex("0102030500000000")
    other = other[:4] + _same_checksum(one, other[:4])
    first = issue("first", ROOT, serial=int.from_bytes(one, "big"))
    second = issue("second", ROOT, serial=int.from_bytes(other, "big"))
    assert crc32(Parsed(first.der).serial) == crc32(Parsed(second.der).serial)
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


def test_an_empty_list_has_no_entries():
    """RFC 5280 5.1.2.6: revokedCertificates is absent then."""
    assert len(CRL(crl(ROOT))) == 0
    assert ask(CRL(crl(ROOT)), ONE) is None


def test_the_scope_is_that_of_the_issuing_distribution_point():
    """RFC 5280 5.2.5."""
    assert CRL(LIST).scope.reasons == ALL_REASONS
    users = CRL(crl(ROOT, point=issuing_point(["URI:http://a.example/1"], users=True, indirect=True))).scope
    assert (users.user_certificates, users.ca_certificates, users.indirect) == (True, False, True)
    assert users.names == frozenset({("UniformResourceIdentifier", "http://a.example/1")})
    cas = CRL(crl(ROOT, point=issuing_point(cas=True))).scope
    assert (cas.user_certificates, cas.ca_certificates, cas.names) == (False, True, None)
    some = CRL(crl(ROOT, point=issuing_point(reasons=["key_compromise"]))).scope
    assert some.reasons == frozenset({x509.ReasonFlags.key_compromise})
    attributes = CRL(crl(ROOT, point=issuing_point(attributes=True))).scope
    assert attributes.attributes_only


def test_a_relative_name_hangs_below_the_issuers():
    """RFC 5280 4.2.1.13."""
    relative = x509.RelativeDistinguishedName(list(name("part"))[:1])
    issuer, whole = name(None, O="Example").public_bytes(), name("PART", O="example")
    assert point_names(None, relative, issuer) == point_names([x509.DirectoryName(whole)], None, b"")
    assert point_names(None, None, issuer) is None


def test_lists_of_one_scope_have_one_key():
    """RFC 5280 5.2.4: a delta amends a list of its own scope."""
    plain, delta = CRL(LIST), CRL(crl(ROOT, base=7, number=8))
    assert plain.scope_key == delta.scope_key
    assert plain.scope_key != CRL(crl(ROOT, point=issuing_point(users=True))).scope_key


def test_keys_of_strangers_do_not_keep_out_the_signers_own(monkeypatch):
    """CPU: a peer may show many certificates in a CA's name, and a long list is hashed for each key anew."""
    found = CRL(crl(ROOT))
    for number in range(20):
        assert not found.is_signed_by(Parsed(root("Many", own_key=key("P-256", 2000 + number)).der))
    assert found.is_signed_by(Parsed(ROOT.der))
    monkeypatch.setattr("bothways.trust.crl.is_signature_of", lambda *_: pytest.fail("hashed again"))
    assert found.is_signed_by(Parsed(ROOT.der))


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519", "ML-DSA-44"])
def test_a_list_is_signed_by_its_issuers_key_and_by_no_other(kind):
    """RFC 5280 6.3.3 g."""
    top, other = root(f"CRL {kind}", key_kind=kind), root("Other", own_key=key("P-256", 77))
    found = CRL(crl(top))
    assert found.is_signed_by(Parsed(top.der))
    assert not found.is_signed_by(Parsed(other.der))
    altered = bytearray(crl(top))
    altered[-1] ^= 1
    assert not CRL(bytes(altered)).is_signed_by(Parsed(top.der))


def test_a_signature_is_checked_once_for_each_key():
    """A list of many megabytes is hashed once."""
    found = CRL(LIST)
    assert [found.is_signed_by(Parsed(ROOT.der)) for _ in range(2)] == [True, True]
    for number in range(40):
        assert not found.is_signed_by(Parsed(root("Many", own_key=key("P-256", 2000 + number)).der))
    assert len(found._signed_by) == 16


def test_a_weak_signature_does_not_count():
    """RFC 9325: as in certificates."""
    top = root("CRL RSA", key_kind="RSA-2048")
    der = crl(top).replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
    assert CRL(der).weakness() == "SHA-1"
    assert not CRL(der).is_signed_by(Parsed(top.der))
    assert CRL(LIST).weakness() is None


def test_a_critical_extension_that_we_do_not_know_makes_a_list_useless():
    """RFC 5280 5.2 and 5.3."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert "1.3.6.1.4.1.99999.1" in CRL(crl(ROOT, extra=[(unknown, True)])).problem
    assert CRL(crl(ROOT, extra=[(unknown, False)])).problem is None
    assert "an entry has a critical extension" in CRL(crl(ROOT, ONE, entry_extra=[(unknown, True)])).problem
    assert CRL(crl(ROOT, ONE, entry_extra=[(unknown, False)])).problem is None


def test_entries_of_an_indirect_list_belong_to_the_issuer_last_named():
    """RFC 5280 5.3.3."""
    other = root("Other")
    theirs = leaf(other, "theirs.example")
    named = x509.CertificateIssuer([x509.DirectoryName(name("other"))])
    found = CRL(crl(ROOT, theirs, entry_extra=[(named, True)], point=issuing_point(indirect=True)))
    assert ask(found, theirs) is not None
    assert found.find(Parsed(theirs.der).serial, Parsed(ONE.der).normal_issuer) is None
    unnamed = x509.CertificateIssuer([x509.DNSName("other.example")])
    with pytest.raises(ValueError, match="no directory name"):
        CRL(crl(ROOT, theirs, entry_extra=[(unnamed, True)]))


def test_reading_a_long_list_tells_its_progress():
    """A list of a million loads off the event loop, with progress."""
    shares: list[float] = []
    CRL(BIG, shares.append)
    assert shares == [1.0]


def test_progress_grows_to_one(monkeypatch):
    """A share of what is read."""
    monkeypatch.setattr("bothways.trust.crl.PROGRESS_STEP", 50)
    shares: list[float] = []
    CRL(BIG, shares.append)
    assert shares == sorted(shares)
    assert (len(shares), shares[-1]) == (7, 1.0)


def test_lists_are_taken_from_pem_and_der():
    """PEM (several) or DER."""
    pem = b"".join(x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in (LIST, BIG))
    assert [len(each) for each in crls_in(ROOT.pem + pem, "file")] == [2, 300]
    assert [len(each) for each in crls_in(LIST, "file")] == [2]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "file: no CRL in it"),
        (ROOT.pem, "file: no CRL in it"),
        (LIST[:-1], "file: CRL 1 cannot be read"),
        (ROOT.der, "file: CRL 1 cannot be read"),
        (
            b"-----BEGIN X509 CRL-----\n****\n-----END X509 CRL-----\n",
            "file: CRL 1 cannot be read: .* not base64",
        ),
    ],
)
def test_what_is_no_list_is_a_config_error(data, sentence):
    with pytest.raises(ConfigError, match=sentence):
        crls_in(data, "file")


LATE = datetime(2051, 2, 3, 4, 5, 6, tzinfo=NOW.tzinfo)


def dated_2051() -> bytes:
    """A list whose only entry is of the year 2051."""
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


def test_a_file_that_is_cut_off_within_a_list_is_a_config_error():
    """The lists before it would else pass for the whole."""
    pem = x509.load_der_x509_crl(LIST).public_bytes(Encoding.PEM)
    for cut in (pem[:-3], pem + pem[:100], pem + pem[:-20]):
        with pytest.raises(ConfigError, match="a.pem: it is cut off"):
            crls_in(cut, "a.pem")


def test_times_of_both_kinds_are_read():
    """RFC 5280 5.1.2.4: UTCTime until 2049, GeneralizedTime after."""
    assert CRL(dated_2051()).find(b"\x05", Parsed(ONE.der).normal_issuer).revoked_at == LATE


@given(st.integers(0, len(LIST) - 1), st.integers(1, 255))
def test_an_altered_byte_gives_a_list_or_a_value_error(place, change):
    """One gate for the parser's exceptions."""
    der = bytearray(LIST)
    der[place] ^= change
    try:
        found = CRL(bytes(der))
    except ValueError:
        return
    ask(found, ONE)


@given(st.integers(0, len(LIST) - 1))
def test_no_prefix_is_a_list(length):
    """RFC 5280 5.1."""
    with pytest.raises(ValueError, match=r".+"):
        CRL(LIST[:length])


def test_an_extension_that_stands_twice_and_an_unknown_version_are_refused():
    """RFC 5280 5.1.2.1, 5.2."""
    with pytest.raises(ValueError, match=r"cRLNumber stands there twice"):
        CRL(LIST.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d14")))
    with pytest.raises(ValueError, match=r".+"):
        CRL(LIST.replace(bytes.fromhex("020101300a"), bytes.fromhex("020105300a"), 1))


def test_a_list_of_version_1_is_read():
    """RFC 5280 5.1.2.1: it has neither version nor extensions."""
    fields = x509.load_der_x509_crl(crl(ROOT, ONE, number=None)).tbs_certlist_bytes
    header = 2 + (fields[1] - 128 if fields[1] > 128 else 0)
    inner = fields[header + 3 :]
    inner = inner[: inner.index(bytes.fromhex("0603551d23")) - 6]  # where the extensions begin
    tbs = encode(0x30, inner)
    whole = encode(0x30, tbs + bytes.fromhex("300a06082a8648ce3d040302") + b"\x03\x01\x00")
    assert ask(CRL(whole), ONE) is not None


def test_an_entry_of_many_bytes_is_read():
    """X.690 8.1.3: lengths in more than one byte."""
    long = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x04\x7f" + bytes(127))
    assert ask(CRL(crl(ROOT, ONE, entry_extra=[(long, False)])), ONE) is not None


def test_dates_of_the_last_century_are_read():
    """RFC 5280 5.1.2.4."""
    der = LIST.replace(b"260530120000Z", b"990530120000Z")
    assert ask(CRL(der), ONE).revoked_at.year == 1999


def test_an_entry_whose_date_or_reason_cannot_be_read_is_a_revocation_all_the_same():
    """RFC 5280 5.3.1: nothing raises where a handshake asks."""
    unreasoned = CRL(
        LIST.replace(bytes.fromhex("0603551d1504030a0101"), bytes.fromhex("0603551d150403040101"))
    )
    assert ask(unreasoned, TWO) == Entry(unreasoned.this_update, "unspecified")
    year_0 = CRL(dated_2051().replace(b"20510203040506Z", b"00000203040506Z", 1))
    assert year_0.find(b"\x05", Parsed(ONE.der).normal_issuer) == Entry(year_0.this_update, "unspecified")
