"""Descriptions of names."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.describe.documents.asn1 import whole
from bothways.describe.documents.names import (
    alternative_names,
    general_name,
    general_names,
    name_text,
    relative_text,
    subtree_name,
    title_of,
)
from described_files import der, oid, sequence


def attribute(dotted: str, text: str, tag: int = 0x0C) -> bytes:
    return sequence(oid(dotted), der(tag, text.encode()))


def name(*attributes: bytes) -> bytes:
    return sequence(*(der(0x31, each) for each in attributes))


@pytest.mark.parametrize(
    ("dotted", "short"),
    [
        ("2.5.4.5", "serialNumber"),
        ("2.5.4.12", "title"),
        ("2.5.4.15", "businessCategory"),
        ("2.5.4.65", "pseudonym"),
        ("2.5.4.97", "organizationIdentifier"),
        ("0.9.2342.19200300.100.1.1", "UID"),
        ("0.9.2342.19200300.100.1.25", "DC"),
        ("1.2.840.113549.1.9.1", "emailAddress"),
        ("1.2.840.113549.1.9.2", "unstructuredName"),
        ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
        ("1.2.643.3.131.1.1", "INN"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_attributes_have_the_names_that_openssl_gives_them(dotted, short):
    """Object identifiers are shown only for unknown attributes."""
    assert name_text(name(attribute(dotted, "x"))) == f"{short}=x"


def test_a_distinguished_name_is_written_by_its_rfc():
    """RFC 4514 2: the last part first, separators and odd ends escaped, other values in hexadecimal."""
    several = attribute("2.5.4.3", "a, b+c") + attribute("2.5.4.11", " #x ")
    assert name_text(name(attribute("2.5.4.6", "DE"), several)) == "CN=a\\, b\\+c+OU=\\ #x\\ ,C=DE"
    assert name_text(name(attribute("2.5.4.3", "#x"))) == "CN=\\#x"
    assert name_text(name(attribute("2.5.4.3", " "))) == "CN=\\ "
    bits = sequence(oid("2.5.4.45"), der(0x03, b"\0\xff"))
    assert name_text(name(bits)) == "x500UniqueIdentifier=#030200ff"
    assert name_text(name()) == "(empty)"
    long = sequence(oid("2.5.4.45"), der(0x03, bytes(300)))
    assert name_text(name(long)).startswith("x500UniqueIdentifier=#0382012c00")
    assert len(name_text(name(*[attribute("2.5.4.3", "x" * 100)] * 20))) == 1000


def test_names_are_shown_escaped():
    """Control characters, bidirectional marks and broken encodings are escaped."""
    words = name_text(name(attribute("2.5.4.3", "a\x1b[2J\u202e")))
    assert words == "CN=a\\x1b[2J\\u202e"
    assert name_text(b"\x30\x02\x31\x00").isascii()


def test_a_title_is_the_common_name_or_the_whole_name():
    """What a person calls it by."""
    assert title_of(name(attribute("2.5.4.10", "O"), attribute("2.5.4.3", "N"))) == "N"
    assert title_of(name(attribute("2.5.4.10", "O"))) == "O=O"
    assert title_of(name()) == "(empty)"


def test_a_relative_name_is_described_with_any_tag():
    """RFC 5280 4.2.1.13: nameRelativeToCRLIssuer is tagged implicitly."""
    found = whole(der(0xA1, attribute("2.5.4.3", "x")), "relative name", 0xA1)
    assert relative_text(found) == "CN=x"


EDI = der(0xA5, der(0xA0, der(0x0C, b"assigner")) + der(0xA1, der(0x0C, b"party")))


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (der(0x82, b"a.example"), "DNS a.example"),
        (der(0x82, b"a.example, DNS b.example"), 'DNS "a.example, DNS b.example"'),
        (der(0x82, b""), 'DNS ""'),
        (der(0x82, "ä.example".encode()), "DNS ä.example"),
        (der(0x82, b"a\xff\0"), "DNS a\\xff\\x00"),
        (der(0x81, b"a@b.example"), "email a@b.example"),
        (der(0x86, b"https://a.example/?q=1,2"), 'URI "https://a.example/?q=1,2"'),
        (der(0x87, bytes((10, 0, 0, 1))), "IP 10.0.0.1"),
        (der(0x87, bytes(15) + b"\1"), "IP ::1"),
        (der(0x87, b"\1\2\3"), "IP address of 3 bytes: 010203"),
        (der(0x88, oid("1.2.3.4")[2:]), "registered identifier 1.2.3.4"),
        (der(0x88, b""), "a name that cannot be read: an object identifier that does not end at byte 0"),
        (der(0xA4, name(attribute("2.5.4.3", "x"))), "name CN=x"),
        (der(0xA4, b""), "a name that cannot be read: no name at byte 2"),
        (
            der(0xA0, oid("1.3.6.1.4.1.311.20.2.3") + der(0xA0, der(0x0C, b"a@b"))),
            'user principal name "a@b"',
        ),
        (der(0xA0, oid("1.2.3.4") + der(0xA0, der(0x02, b"\5"))), "other name 1.2.3.4 5"),
        (der(0xA0, oid("1.2.3.4")), "a name that cannot be read: no value of another name at byte 7"),
        (EDI, 'EDI party "party" assigned by "assigner"'),
        (der(0xA3, sequence(der(0x61, der(0x13, b"US")))), 'X.400 address {{{"US"}}}'),
        (der(0x89, b"?"), "a name of no known kind at byte 0: 89013f"),
    ],
)
def test_every_kind_of_name_is_described(encoded, words):
    """RFC 5280 4.2.1.6: nine kinds, and an unknown one."""
    assert general_name(whole(encoded, "name", encoded[0])) == words


def test_an_undecodable_name_hides_no_other():
    """Each is described on its own."""
    found = whole(sequence(der(0x82, b"a.example"), der(0xA0, b""), der(0x82, b"b.example")), "names")
    assert [each.partition(":")[0] for each in general_names(found)] == [
        "DNS a.example",
        "a name that cannot be read",
        "DNS b.example",
    ]
    assert general_names(whole(sequence(), "names")) == ["none"]


def test_names_beyond_the_limit_are_not_described():
    """A stranger chooses their number."""
    found = whole(sequence(der(0x82, b"a.example") * 101), "names")
    assert alternative_names(found) == ["DNS a.example"] * 100 + [""]
    assert alternative_names(whole(sequence(), "names")) == ["none"]


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (der(0x87, bytes((10, 0, 0, 0, 255, 0, 0, 0))), "IP 10.0.0.0/8"),
        (
            der(0x87, bytes((10, 0, 0, 0, 255, 0, 255, 0))),
            "IP 10.0.0.0/255.0.255.0 (whose mask is not a prefix)",
        ),
        (der(0x87, bytes(32)), "IP ::/0"),
        (der(0x87, bytes(9)), "IP address of 9 bytes: 000000000000000000"),
        (der(0x82, b""), "DNS (every one)"),
        (der(0x82, b".example"), "DNS .example"),
    ],
)
def test_subtrees_are_described(encoded, words):
    """RFC 5280 4.2.1.10: addresses have a mask, and an empty name holds all."""
    assert subtree_name(whole(encoded, "base", encoded[0])) == words


def test_names_are_shown_as_by_cryptography():
    """`cryptography` writes RFC 4514 too."""
    made = x509.Name.from_rfc4514_string("CN=a\\, b,OU=x\\+y,O=\\#z,C=DE")
    assert name_text(made.public_bytes()) == "CN=a\\, b,OU=x\\+y,O=\\#z,C=DE"
