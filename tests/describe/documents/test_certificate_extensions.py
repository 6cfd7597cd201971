"""Descriptions of the extensions of certificates, by their DER."""

from __future__ import annotations

import pytest

import pki
from described_files import der, extension_facts, oid, sequence

NAME = pki.name("Other CA").public_bytes()
CPS, NOTICE = oid("1.3.6.1.5.5.7.2.1"), oid("1.3.6.1.5.5.7.2.2")
EV = oid("2.23.140.1.1")
REFERENCE = sequence(der(0x0C, b"Org"), sequence(der(0x02, b"\1"), der(0x02, b"\2")))


def number(value: int) -> bytes:
    return der(0x02, bytes((value,)))


@pytest.mark.parametrize(
    ("dotted", "value", "name", "words"),
    [
        ("2.5.29.14", der(0x04, b"\xab\xcd"), "subject key identifier", "abcd"),
        ("2.5.29.15", der(0x03, b"\0\x86"), "key usage", "digital signature, certificate signing, CRL signing"),
        ("2.5.29.15", der(0x03, b"\7\0\x80"), "key usage", "decipher only"),
        ("2.5.29.15", der(0x03, b"\0\0\x40"), "key usage", "bit 9"),
        ("2.5.29.15", der(0x03, b"\0"), "key usage", "nothing"),
        (
            "2.5.29.16",
            sequence(der(0x80, b"20260101000000Z"), der(0x81, b"20270101000000Z")),
            "private key usage",
            "from 2026-01-01 00:00:00 UTC, until 2027-01-01 00:00:00 UTC",
        ),
        ("2.5.29.18", sequence(der(0x86, b"http://a.example")), "issuer alternative names", "URI http://a.example"),
        ("2.5.29.19", sequence(), "CA", "no"),
        ("2.5.29.19", sequence(der(0x01, b"\0")), "CA", "no"),
        ("2.5.29.19", sequence(der(0x01, b"\xff"), number(2)), "CA", "yes, at most 2 CAs below it"),
        ("2.5.29.19", sequence(der(0x01, b"\xff"), der(0x02, b"\x80")), "CA", "yes, at most -128 CAs below it"),
        (
            "2.5.29.30",
            sequence(
                der(0xA0, sequence(der(0x82, b"a.example"), der(0x80, b"\1"), der(0x81, b"\2"))),
                der(0xA1, sequence(der(0xA4, NAME))),
            ),
            "name constraints",
            "only DNS a.example, minimum 1, maximum 2, not name CN=Other CA",
        ),
        (
            "2.5.29.32",
            sequence(sequence(EV, sequence(sequence(CPS, der(0x16, b"https://a.example/cps"))))),
            "policies",
            'extended validation (2.23.140.1.1); practice statement at "https://a.example/cps"',
        ),
        (
            "2.5.29.32",
            sequence(sequence(oid("1.2.3"), sequence(sequence(NOTICE, sequence(REFERENCE, der(0x0C, b"Trust us")))))),
            "policies",
            '1.2.3; user notice: notice 1, 2 of "Org"; "Trust us"',
        ),
        (
            "2.5.29.32",
            sequence(sequence(oid("1.2.3"), sequence(sequence(NOTICE, sequence())))),
            "policies",
            "1.2.3; user notice: empty",
        ),
        (
            "2.5.29.32",
            sequence(sequence(oid("1.2.3"), sequence(sequence(oid("1.2.4"), number(5)), sequence(CPS)))),
            "policies",
            ("1.2.3; qualifier 1.2.4: 5; "
             "one that cannot be read (no policy qualifier at byte 31): 300a06082b06010505070201"),
        ),
        (
            "2.5.29.33",
            sequence(sequence(oid("1.2.3"), EV)),
            "policy mappings",
            "1.2.3 of the issuer is equivalent to extended validation (2.23.140.1.1) of the subject",
        ),
        (
            "2.5.29.35",
            sequence(der(0x80, b"\xab"), der(0xA1, der(0xA4, NAME)), der(0x82, b"\x0f")),
            "authority key identifier",
            ("ab\nissuer of the issuer's certificate: name CN=Other CA\n"
             "serial number of the issuer's certificate: 0f"),
        ),
        (
            "2.5.29.36",
            sequence(der(0x80, b"\0"), der(0x81, b"\1")),
            "policy constraints",
            "an explicit policy is required at once, policy mapping is inhibited after 1 more certificate",
        ),
        ("2.5.29.37", sequence(oid("1.2.3.4"), oid("1.3.6.1.5.5.7.3.2")), "extended key usage",
         "1.2.3.4, client authentication"),
        ("2.5.29.46", sequence(sequence(der(0xA0, der(0xA0, der(0x86, b"http://a"))))), "freshest CRL", "URI http://a"),
        ("2.5.29.54", number(2), "inhibit any policy", "anyPolicy is not valid after 2 more certificates"),
        (
            "1.3.6.1.5.5.7.1.1",
            sequence(
                sequence(oid("1.3.6.1.5.5.7.48.2"), der(0x86, b"http://a")),
                sequence(oid("1.2.3"), der(0x82, b"b")),
            ),
            "authority information",
            "issuer's certificate URI http://a\n1.2.3 DNS b",
        ),
        (
            "1.3.6.1.5.5.7.1.11",
            sequence(sequence(oid("1.3.6.1.5.5.7.48.5"), der(0x86, b"http://a"))),
            "subject information",
            "CA repository URI http://a",
        ),
        (
            "1.3.6.1.5.5.7.1.24",
            sequence(number(5), number(17), number(42), der(0x0C, b"x")),
            "TLS features",
            ("status_request (5, must staple), status_request_v2 (17, must staple), 42 (of no known meaning),\n"
             "one that cannot be read (no number of a TLS feature at byte 11): 0c0178"),
        ),
        (
            "1.3.6.1.5.5.7.1.3",
            sequence(sequence(oid("0.4.0.1862.1.1")), sequence(oid("1.2.3"), number(1))),
            "qualified statements",
            "qualified certificate (0.4.0.1862.1.1)\n1.2.3: 1",
        ),
        (
            "2.5.29.9",
            sequence(sequence(oid("2.5.4.15"), der(0x31, der(0x0C, b"x") + number(1)))),
            "directory attributes",
            'businessCategory: "x", 1',
        ),
        ("1.3.6.1.5.5.7.48.1.5", der(0x05, b""), "OCSP no check", "its revocation status need not be checked"),
    ],
)  # fmt: skip
def test_every_extension_of_a_certificate_is_described(dotted, value, name, words):
    """RFC 5280 4.2 and those that others added."""
    assert extension_facts(dotted, value)[name] == words


def test_a_critical_extension_is_marked_on_its_last_row():
    """However many rows it has."""
    value = sequence(*(sequence(oid(f"1.2.{number}")) for number in range(3, 6)))
    assert extension_facts("2.5.29.32", value, critical=True)["policies"] == "1.2.3\n1.2.4\n1.2.5 (critical)"


@pytest.mark.parametrize(
    ("dotted", "value", "name"),
    [
        ("2.5.29.15", der(0x04, b"\0"), "key usage"),
        ("2.5.29.19", sequence(number(1), der(0x01, b"\xff")), "CA"),
        ("2.5.29.35", sequence(der(0x83, b"")), "authority key identifier"),
        ("2.5.29.36", sequence(der(0x80, b"")), "policy constraints"),
        ("2.5.29.54", sequence(), "inhibit any policy"),
        ("2.5.29.32", sequence() + b"\0", "policies"),
    ],
)
def test_a_malformed_value_is_shown_as_its_bytes(dotted, value, name):
    """With the position of the fault."""
    words = extension_facts(dotted, value)[name]
    assert words.startswith("cannot be read (")
    assert words.endswith(f": {value.hex()}")
