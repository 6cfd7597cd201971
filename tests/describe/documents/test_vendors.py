"""Descriptions of extensions of vendors and governments."""

from __future__ import annotations

import pytest

from described_files import der, extension_facts, oid, sequence

NETSCAPE = "2.16.840.1.113730.1"
TOOLS = sequence(der(0x0C, b"a"), der(0x0C, b"b"), der(0x0C, b"c"), der(0x0C, b"d"))


@pytest.mark.parametrize(
    ("dotted", "value", "name", "words"),
    [
        (f"{NETSCAPE}.1", der(0x03, b"\0\xc4"), "Netscape type", "SSL client, SSL server, SSL CA"),
        (f"{NETSCAPE}.1", der(0x03, b"\0"), "Netscape type", "nothing"),
        (f"{NETSCAPE}.2", der(0x16, b"http://a"), "Netscape base URL", '"http://a"'),
        (f"{NETSCAPE}.13", der(0x16, b"made by hand"), "Netscape comment", '"made by hand"'),
        ("1.3.6.1.4.1.311.20.2", der(0x1E, "CA".encode("utf-16-be")), "Microsoft template", '"CA"'),
        ("1.3.6.1.4.1.311.21.1", der(0x02, b"\5"), "Microsoft CA version", "5"),
        ("1.3.6.1.4.1.311.21.2", der(0x04, b"\xab"), "Microsoft previous CA", "ab"),
        (
            "1.3.6.1.4.1.311.21.7",
            sequence(oid("1.2.3"), der(0x02, b"\x64"), der(0x02, b"\5")),
            "Microsoft template",
            "1.2.3, major version 100, minor version 5",
        ),
        (
            "1.3.6.1.4.1.311.21.10",
            sequence(sequence(oid("1.3.6.1.5.5.7.3.2")), sequence(oid("1.2.3"), der(0x02, b"\1"))),
            "application policies",
            "client authentication, 1.2.3; 1",
        ),
        ("1.3.6.1.4.1.311.25.2", sequence(der(0x0C, b"S-1-5")), "Microsoft security id", '"S-1-5"'),
        (
            "1.3.6.1.5.5.7.1.7",
            sequence(
                sequence(
                    der(0x04, b"\0\1"),
                    sequence(
                        der(0x03, b"\0\x0a"),
                        sequence(der(0x03, b"\1\xc0\x00\x02"), der(0x03, b"\0\xc0\x00\x03")),
                    ),
                ),
                sequence(der(0x04, b"\0\2\1"), der(0x05, b"")),
                sequence(der(0x04, b"\0\x09"), sequence(der(0x03, b"\0\xff"))),
            ),
            "delegated addresses",
            "IPv4 10.0.0.0/8, IPv4 192.0.2.0-192.0.3.255, IPv6 (SAFI 1): inherited, family 9 00ff/8",
        ),
        (
            "1.3.6.1.5.5.7.1.8",
            sequence(
                der(0xA0, sequence(der(0x02, b"\5"), sequence(der(0x02, b"\7"), der(0x02, b"\x09")))),
                der(0xA1, der(0x05, b"")),
            ),
            "delegated AS numbers",
            "AS 5, AS 7-9, routing domain inherited",
        ),
        (
            "1.3.6.1.5.5.7.1.14",
            sequence(der(0x02, b"\1"), sequence(oid("1.3.6.1.5.5.7.21.1"), der(0x04, b"as is"))),
            "proxy certificate",
            'at most 1 proxies below it, policy language inherit all, policy "as is"',
        ),
        (
            "1.3.6.1.5.5.7.1.14",
            sequence(sequence(oid("1.2.3"))),
            "proxy certificate",
            "any number of proxies, policy language 1.2.3",
        ),
        (
            "1.3.36.8.3.3",
            sequence(
                der(0x82, b"chamber.example"),
                sequence(
                    sequence(
                        der(0xA0, der(0x88, oid("1.2.3")[2:])),
                        der(0xA1, sequence(oid("1.2.4"), der(0x16, b"http://a"), der(0x0C, b"Chamber"))),
                        sequence(
                            sequence(
                                der(0xA0, sequence(oid("1.2.5"))),
                                sequence(der(0x13, b"Doctor")),
                                sequence(oid("1.2.6")),
                                der(0x13, b"9-9"),
                            )
                        ),
                    ),
                    sequence(),
                ),
            ),
            "admissions",
            (
                "admitted by DNS chamber.example\n"
                'admitted by registered identifier 1.2.3; named by 1.2.4, "http://a", "Chamber"; named by 1.2.5; '
                '"Doctor"; 1.2.6; "9-9"\n'
                "one that cannot be read (no professions at byte 91): 3000"
            ),
        ),
        ("1.3.101.1.4.1", sequence(der(0x02, b"\0")), "strong extranet", "version and zones: {0}"),
        ("1.2.643.100.111", der(0x0C, b"tool"), "signing tool", '"tool"'),
        (
            "1.2.643.100.112",
            TOOLS,
            "issuer's signing tools",
            'signing tool "a"\nCA tool "b"\nits certificate "c"\nthe CA tool\'s certificate "d"',
        ),
    ],
)
def test_every_extension_of_a_vendor_is_described(dotted, value, name, words):
    """By its content."""
    assert extension_facts(dotted, value)[name] == words


@pytest.mark.parametrize("bits", [b"\x09\x0a", b"\0" + bytes(5), b"\4\x0a" + bytes(4)])
def test_malformed_address_blocks_are_refused(bits):
    """RFC 3779 2.1.1: no more bits than an address has."""
    value = sequence(sequence(der(0x04, b"\0\1"), sequence(der(0x03, bits))))
    assert extension_facts("1.3.6.1.5.5.7.1.7", value)["delegated addresses"].startswith("cannot be read (")
