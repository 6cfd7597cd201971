"""A CRL that one process has read, as others use it (RFC 5280 5)."""

from __future__ import annotations

import json
import mmap

import pytest
from cryptography import x509

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl import revocation_list
from bothways.trust.crl.handed_over import handed_over, size_of, taken_over
from bothways.trust.crl.revocation_list import CRL
from pki import crl, issue, issuing_point, key, name, revoked_entry, root

ROOT = root()
LISTED = [issue(f"c{each}", ROOT, serial=each + 1) for each in range(100)]
NAMED = ("one", "other")
STRANGER = issue("stranger", ROOT, serial=1000)


def taken(original: CRL) -> CRL:
    """The same CRL, in memory that could be shared."""
    facts, octets = handed_over(original)
    memory = mmap.mmap(-1, len(octets))
    memory.write(octets)
    facts = json.loads(json.dumps(facts))
    assert size_of(facts) == len(octets)
    return taken_over(facts, memory)


def test_another_process_finds_the_same_without_reading_entries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = CRL(crl(ROOT, *LISTED, number=7))
    facts = handed_over(original)
    monkeypatch.setattr(revocation_list, "index_entries", lambda *_: pytest.fail("read again"))
    assert handed_over(original) == facts
    found = taken(original)
    assert (found.der, found.size, found.digest) == (original.der, len(original.der), original.digest)
    assert (found.series, found.age, len(found), found.problem) == (original.series, original.age, 100, None)
    assert found.has_same_content(original) and original.has_same_content(found)
    for each in map(ParsedCertificate, [each.der for each in (*LISTED, STRANGER)]):
        place = each.serial, each.normal_issuer
        assert found.find(*place) == original.find(*place)
        assert found.lists(*place) is original.lists(*place)


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519"])
@pytest.mark.parametrize("is_long", [True, False])
def test_whether_a_key_has_signed_it_is_checked_by_each_process_for_itself(
    kind: str, is_long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other one had found out is not taken over; only what a long one hashes to."""
    monkeypatch.setattr(revocation_list, "SLICE_OCTETS", 500 if is_long else 10**6)
    signer = root(f"CRL {kind}", key_kind=kind)
    mine, other = ParsedCertificate(signer.der), root("Other", own_key=key("P-256", 77))
    original = CRL(crl(signer, *LISTED))
    assert original.prepare(mine)
    found = taken(original)
    assert found.signer is None and not found.has_checked(mine)
    assert not found.prepare(ParsedCertificate(other.der)) and found.prepare(mine)
    assert found.signer is mine
    forged = CRL(crl(signer, *LISTED, signed_by=key("P-256", 77) if kind == "P-256" else other_key(kind)))
    assert not taken(forged).prepare(mine)


def other_key(kind: str):
    return root(f"Forger {kind}", key_kind=kind).key


def test_issuers_and_problems_are_taken_over() -> None:
    """RFC 5280 5.3.3; a critical extension that is not known keeps it from proving anything good."""
    other = x509.CertificateIssuer([x509.DirectoryName(name("other"))])
    indirect = CRL(crl(ROOT, *LISTED[:9], entry_extra=[(other, True)], point=issuing_point(indirect=True)))
    theirs = ParsedCertificate(root("Other").der).normal_subject
    found = taken(indirect)
    for each in map(ParsedCertificate, [each.der for each in LISTED[:9]]):
        assert found.lists(each.serial, theirs) and not found.lists(each.serial, each.normal_issuer)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
    assert taken(CRL(crl(ROOT, LISTED[0], entry_extra=[(unknown, True)]))).problem
    assert len(taken(CRL(crl(ROOT)))) == 0


def test_what_is_decoded_of_a_long_indirect_crl_does_not_grow_with_its_entries() -> None:
    """Each of 300,000 entries with an issuer of its own kept the event loop of a worker for half a second."""

    def of(count: int) -> CRL:
        several = []
        for number, listed in enumerate(LISTED[:count]):
            who = x509.CertificateIssuer([x509.DirectoryName(name(NAMED[number % 2]))])
            several.append(revoked_entry(listed, None, [(who, True)]))
        return CRL(crl(ROOT, entries=several, point=issuing_point(indirect=True)))

    few, many = of(10), of(100)
    sizes = [len(json.dumps(handed_over(each)[0])) for each in (few, many)]
    assert abs(sizes[0] - sizes[1]) < 20
    found = taken(many)
    for each in range(100):
        serial = bytes([each + 1])
        theirs = [ParsedCertificate(root(who).der).normal_subject for who in NAMED]
        assert [found.lists(serial, who) for who in theirs] == [each % 2 == 0, each % 2 == 1]


def test_a_long_crl_whose_digest_is_known_is_not_left_to_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking it takes no longer than checking a short one."""
    for each in ("LONG_CRL", "SLICE_OCTETS"):
        monkeypatch.setattr(revocation_list, each, 500)
    original = CRL(crl(ROOT, *LISTED))
    assert original.takes_long
    assert not taken(original).takes_long
