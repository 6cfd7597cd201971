"""Whose signature is worth checking first, among issuers of one name (RFC 5280 4.2.1.1)."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.trust.certificate.issuers import SameSubject, most_likely_first
from bothways.trust.certificate.parsed import ParsedCertificate
from pki import Issued, der, key, leaf, name, root
from raw_certificates import general_name, raw, sequence

AUTHORITY_KEY, SUBJECT_KEY = "2.5.29.35", "2.5.29.14"


def top(number: int, **options) -> Issued:
    return root("Top", own_key=key("P-256", number), **options)


FIRST, SECOND, THIRD = (top(number) for number in (51, 52, 53))
NAMELESS = top(54, key_identifiers=False)
RENAMED = top(52, key_identifiers=False, extra=[raw(SUBJECT_KEY, der(4, b"another name"))])
ALL = [FIRST, SECOND, NAMELESS, THIRD, RENAMED]


def issuers(child: Issued, candidates: list[Issued]) -> list[Issued]:
    by_der = {each.der: each for each in candidates}
    found = most_likely_first(
        ParsedCertificate(child.der), [ParsedCertificate(each.der) for each in candidates]
    )
    return [by_der[each.der] for each in found]


def naming(identifier: bytes) -> Issued:
    return leaf(FIRST, key_identifiers=False, extra=[raw(AUTHORITY_KEY, identifier)])


def by_serial(of: Issued, issuer: str = "Top") -> bytes:
    number = of.certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return sequence(der(0xA1, general_name("DN", name(issuer).public_bytes())), der(0x82, serial))


CASES = [
    ("names the second key", leaf(SECOND), [SECOND, NAMELESS, RENAMED]),
    ("names the third key", leaf(THIRD), [THIRD, NAMELESS]),
    (
        "names a key by another name",
        naming(sequence(der(0x80, b"another name"))),
        [RENAMED, NAMELESS, SECOND],
    ),
    ("names nobody's key", naming(sequence(der(0x80, b"nobody"))), ALL),
    ("names no key", leaf(FIRST, key_identifiers=False), ALL),
    ("names a certificate", naming(by_serial(THIRD)), [THIRD, NAMELESS]),
    ("names a certificate in capitals", naming(by_serial(THIRD, "TOP")), [THIRD, NAMELESS]),
    ("names another's certificate", naming(by_serial(THIRD, "Other")), ALL),
    ("has a name that cannot be read", naming(b"\5\0"), ALL),
]


@pytest.mark.parametrize(("what", "child", "expected"), CASES, ids=[case[0] for case in CASES])
def test_the_issuer_whose_key_is_named_comes_first(what, child, expected):
    """RFC 5280 4.2.1.1; a key may have another name in another certificate, and a name proves nothing."""
    assert issuers(child, ALL) == expected


def test_a_single_candidate_is_returned_whatever_key_is_named():
    """There is no choice."""
    assert issuers(leaf(SECOND), [FIRST]) == [FIRST]
    assert issuers(leaf(SECOND), []) == []
    alone = SameSubject()
    alone.add(ParsedCertificate(FIRST.der))
    assert alone.issuers_of(ParsedCertificate(leaf(SECOND).der)) == alone.certificates


def test_a_certificate_that_is_found_twice_is_returned_once():
    """By its key identifier and by its serial number."""
    assert issuers(naming(sequence(der(0x80, subject_key_of(FIRST)))), [FIRST, SECOND]) == [FIRST]


def subject_key_of(issued: Issued) -> bytes:
    return issued.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
