"""The index of a CRL: made in slices, which the parser checks, and in bounded calls (RFC 5280 5.1.2.6)."""

from __future__ import annotations

import random

import pytest
from cryptography import x509

from bothways.errors import ConfigError
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl import entry_index, revocation_list
from bothways.trust.crl.entry_index import index_entries
from bothways.trust.crl.revocation_list import CRL, crls_in
from bothways.trust.decoding import parsing
from bothways.trust.decoding.parsing import readable
from bothways.trust.der import encoded
from pki import crl, issue, issuing_point, key, name, root

ROOT = root()
LONG = crl(ROOT, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(200)])
FIRST_SERIAL = b"\x02\x01\x01\x17"


@pytest.fixture
def in_slices(monkeypatch) -> list[int]:
    """CRLs are read in slices of some entries; the size of what the parser has read at once."""
    read: list[int] = []

    def open_crl(der: bytes) -> x509.CertificateRevocationList:
        read.append(len(der))
        return parsing.open_crl(der)

    monkeypatch.setattr(revocation_list, "open_crl", open_crl)
    for module in (revocation_list, entry_index):
        monkeypatch.setattr(module, "SLICE_OCTETS", 500)
    return read


def outcome(der: bytes) -> object:
    """Whether a CRL can be read, and what is in it."""
    try:
        [found] = crls_in(der, "file")
    except ConfigError:
        return None
    index = found.read_entries().index
    return list(index.keys), index.issuers_from, index.issuers, index.problem


def test_the_parser_reads_a_long_crl_in_slices_and_never_as_a_whole(in_slices: list[int]) -> None:
    """A single call would keep all other threads waiting for as long as it takes."""
    [found] = crls_in(LONG, "file")
    assert len(found) == 200
    assert len(in_slices) == 10 and max(in_slices) < 500 + 300 < len(LONG)
    assert found.prepare(ParsedCertificate(ROOT.der)) and found.problem is None


def test_an_index_made_in_slices_is_that_of_the_whole(in_slices: list[int]) -> None:
    found = CRL(LONG).read_entries()
    reference = x509.load_der_x509_crl(LONG)
    issuer = ParsedCertificate(issue("c", ROOT).der).normal_issuer
    assert list(found.index.keys) == sorted(found.index.keys)
    for serial in range(1, 400):
        content = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        assert found.has(content, issuer) is (
            reference.get_revoked_certificate_by_serial_number(serial) is not None
        )


def test_in_slices_the_same_crls_are_refused_as_at_once(request: pytest.FixtureRequest) -> None:
    """Each byte of some entries, altered to each of some values."""
    drawn = random.Random(15)
    short = crl(ROOT, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(30)])
    start = short.index(FIRST_SERIAL) - 2
    altered = []
    for place in range(start - 8, start + 160):
        for value in {0, 2, 0x17, 0x18, 0x30, 0x80, 0xFF, drawn.randrange(256)} - {short[place]}:
            altered.append(short[:place] + bytes([value]) + short[place + 1 :])
    by_parser = [readable("", parsing.open_crl, each) is not None for each in altered]
    at_once = list(map(outcome, altered))
    assert [each is not None for each in at_once] == by_parser
    read = request.getfixturevalue("in_slices")
    in_pieces = list(map(outcome, altered))
    assert at_once == in_pieces
    assert read and None in at_once and any(each is not None for each in at_once)


def test_nothing_is_indexed_that_the_parser_has_not_read() -> None:
    """Where an entry begins is taken from the lengths alone; that these are entries the parser says."""
    entry = encoded(0x30, b"\2\1\1", b"\x17\x0d260601000000Z")
    checked: list[tuple[int, int]] = []

    def check(at: int, stop: int) -> None:
        checked.append((at, stop))
        if stop > 40:
            raise ValueError("no entry")

    data = entry * 3
    assert len(index_entries(data, 0, 40, b"", check).keys) == 2 and checked == [(0, 40)]
    with pytest.raises(ValueError, match="no entry"):
        index_entries(data, 0, 60, b"", check)
    for end in (39, 21):
        with pytest.raises(ValueError, match="the last CRL entry at byte 20 runs past the end"):
            index_entries(data, 0, end, b"", check)
    assert checked == [(0, 40), (0, 60)]


def test_entries_with_long_lengths_are_found_like_others(in_slices: list[int]) -> None:
    """Such as those with extensions of more than a hundred bytes."""
    more = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(200))
    listed = [issue(f"c{each}", ROOT, serial=each + 1) for each in range(20)]
    found = CRL(crl(ROOT, *listed, entry_extra=[(more, False)]))
    assert len(found) == 20 and in_slices
    for each in map(ParsedCertificate, [each.der for each in listed]):
        assert found.lists(each.serial, each.normal_issuer)


def test_the_issuer_of_an_entry_of_an_indirect_crl_counts_in_the_slices_after_it(
    in_slices: list[int],
) -> None:
    """RFC 5280 5.3.3: until another entry names another one."""
    other = x509.CertificateIssuer([x509.DirectoryName(name("other"))])
    listed = [issue(f"c{each}", ROOT, serial=each + 1) for each in range(100)]
    with_issuer = crl(ROOT, *listed, entry_extra=[(other, True)], point=issuing_point(indirect=True))
    found = CRL(with_issuer)
    assert len(found) == 100 and found.problem is None
    theirs = ParsedCertificate(root("Other").der).normal_subject
    for each in listed:
        parsed = ParsedCertificate(each.der)
        assert found.lists(parsed.serial, theirs) and not found.lists(parsed.serial, parsed.normal_issuer)


def test_a_long_signature_is_hashed_once_for_any_number_of_keys(
    in_slices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in pieces, between which other threads run."""
    hashed: list[int] = []

    def digest_of(signed, pieces):
        held = list(pieces)
        hashed.extend(map(len, held))
        return original(signed, held)

    original = revocation_list.digest_of
    monkeypatch.setattr(revocation_list, "digest_of", digest_of)
    for kind in ("P-256", "RSA-2048"):
        hashed.clear()
        signer = root(f"Hashed {kind}", key_kind=kind)
        others = [root(f"Other {each}", key_kind=kind, own_key=key("P-256", 70 + each)) for each in range(2)]
        found = CRL(crl(signer, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(100)]))
        assert [found.is_signed_by(ParsedCertificate(each.der)) for each in (*others, signer)] == [
            False,
            False,
            True,
        ]
        signed = x509.load_der_x509_crl(found.der).tbs_certlist_bytes
        assert sum(hashed) == len(signed) and max(hashed) <= 500


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519", "ML-DSA-44"])
def test_an_altered_long_crl_is_not_signed(kind: str, in_slices: list[int]) -> None:
    signer = root(f"CRL {kind}", key_kind=kind)
    der = crl(signer, *[issue(f"c{each}", ROOT, serial=each + 1) for each in range(50)])
    assert CRL(der).is_signed_by(ParsedCertificate(signer.der))
    place = der.index(FIRST_SERIAL) + 2
    altered = der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]
    assert not CRL(altered).is_signed_by(ParsedCertificate(signer.der))
