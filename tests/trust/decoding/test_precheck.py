"""What is refused before a parser reads it, and what reading is paid for."""

from __future__ import annotations

import pytest

from bothways.trust.certificate import parsed as source
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding.precheck import octets_to_read, values_in
from pki import der as encode
from pki import intermediate, leaf, root
from raw_certificates import edited

SERVER = leaf(intermediate(root()))
ADDRESS, IDENTIFIER = bytes.fromhex("8704c0000201"), bytes.fromhex("88012b")


def area(names: bytes) -> bytes:
    """A list of extensions with alternative names alone."""
    inner = encode(0x30, bytes.fromhex("0603551d11") + encode(0x04, encode(0x30, names)))
    return encode(0x30, inner)


def octets(area: bytes) -> int:
    return octets_to_read(len(area), lambda: values_in(area))


def with_names(one: bytes, count: int) -> ParsedCertificate:
    return ParsedCertificate(edited(SERVER, extensions=encode(0xA3, area(one * count))).der)


def test_a_key_that_is_expensive_to_decode_is_refused_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """X9.42 Diffie-Hellman: OpenSSL checks its parameters, which takes seconds for a large prime."""
    prime = encode(0x02, b"\0" + b"\xff" * 4096)
    parameters = encode(0x30, prime + encode(0x02, b"\2") + encode(0x02, b"\3"))
    algorithm = encode(0x30, encode(0x06, bytes.fromhex("2a8648ce3e0201")) + parameters)
    spki = encode(0x30, algorithm + encode(0x03, b"\0" + encode(0x02, b"\5")))
    monkeypatch.setattr(source, "open_certificate", lambda _: pytest.fail("it was read"))
    with pytest.raises(ValueError, match="subjectPublicKeyInfo: a type of key that we do not support"):
        ParsedCertificate(edited(SERVER, key=spki).der).load()


def test_too_many_very_short_alternative_names_are_refused_undecoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To keep a name takes far more memory than a registered identifier of three octets has."""
    with_names(IDENTIFIER, 100).load()
    with_names(ADDRESS, 2000).load()
    with_names(encode(0x82, b"a.bc"), 2000).load()
    monkeypatch.setattr(source, "read_needed", lambda *_: pytest.fail("they were read"))
    with pytest.raises(ValueError, match="extensions: too many elements in 6004 bytes"):
        with_names(IDENTIFIER, 2000).load()


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("0603551d1f", encode(0x30, bytes.fromhex("300a81020780a204a4023000") * 400)),
        (
            "0603551d23",
            encode(0x30, b"\x80\1k" + encode(0xA1, bytes.fromhex("a4023000") * 1000) + b"\x82\1\1"),
        ),
        ("0603551d25", encode(0x30, bytes.fromhex("06012a") * 1500)),
        ("0603551d20", encode(0x30, bytes.fromhex("300306012a") * 1000)),
        ("06082b06010505070101", encode(0x30, bytes.fromhex("300806022a03860161") * 500)),
    ],
    ids=["distribution points", "names of an authority", "usages", "policies", "addresses"],
)
def test_extensions_of_too_many_short_elements_are_refused_undecoded(
    identifier: str, value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object of an element takes 150 octets or more; elements of usual certificates have ten."""
    one = encode(0x30, bytes.fromhex(identifier) + encode(0x04, value))
    many = ParsedCertificate(edited(SERVER, extensions=encode(0xA3, encode(0x30, one))).der)
    monkeypatch.setattr(source, "read_needed", lambda *_: pytest.fail("they were read"))
    with pytest.raises(ValueError, match=r"extensions: too many elements in \d+ bytes"):
        many.load()


def test_a_long_extension_permits_no_more_short_elements_than_its_octets() -> None:
    """The limit applies to all extensions together."""
    short = bytes.fromhex("0603551d1f") + encode(0x04, encode(0x30, bytes.fromhex("a4023000") * 5000))
    for octets, fits in ((21_000, True), (2_000, False)):
        uri = encode(0x30, encode(0x30, bytes.fromhex("06022a03") + encode(0x86, b"a" * octets)))
        long = bytes.fromhex("06082b06010505070101") + encode(0x04, uri)
        both = encode(0x30, encode(0x30, short) + encode(0x30, long))
        many = ParsedCertificate(edited(SERVER, extensions=encode(0xA3, both)).der)
        problem = "CRLDistributionPoints" if fits else "too many elements"
        with pytest.raises(ValueError, match=f"(?i){problem}"):
            many.load()


def test_an_unknown_extension_may_have_any_content() -> None:
    """An unknown extension is not decoded, and need not even be DER."""
    one = encode(0x30, bytes.fromhex("06042a030405") + encode(0x04, bytes(5000)))
    ParsedCertificate(edited(SERVER, extensions=encode(0xA3, encode(0x30, one))).der).load()


@pytest.mark.parametrize(
    ("one", "share"),
    [
        (encode(0x82, b"a" * 38), 0.3),
        (ADDRESS, 5.0),
        (encode(0x82, b"abcd"), 1.0),
        (encode(0xA4, encode(0x30, encode(0x31, b"") * 10)), 1.0),
        (encode(0xA0, bytes.fromhex("06022a03a00e0c0c") + b"someone@here"), 1.0),
    ],
    ids=["long names", "addresses", "short names", "directory names", "other names"],
)
def test_decoding_is_charged_by_the_number_of_names(one: bytes, share: float) -> None:
    """A certificate of 1500 host names is usual, and decoded in three milliseconds."""
    many = area(one * 1000)
    assert octets(many) == pytest.approx(len(many) * share, rel=0.1)
    assert octets(area(one)) == len(area(one))


def test_malformed_extensions_are_charged_by_their_full_length() -> None:
    """It is refused when it is read."""
    for garbage in (b"", b"\x30", b"\xff" * 3000, area(ADDRESS * 1000)[:-1]):
        assert octets(garbage) == len(garbage)


def test_a_certificate_of_many_names_is_verified_within_the_budget() -> None:
    """Two thousand host names fill a Certificate message of the default size."""
    many = leaf(
        intermediate(root()), alternatives=[f"DNS:host-{each:05}.example.com" for each in range(2000)]
    )
    assert ParsedCertificate(many.der).extensions_octets < len(many.der) / 2
