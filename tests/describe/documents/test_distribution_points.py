"""Descriptions of distribution points."""

from __future__ import annotations

from cryptography import x509

import pki
from described_files import der, extension_facts, facts, oid, one, sequence

POINTS = "2.5.29.31"
URI = der(0x86, b"http://a.example/1.crl")
RELATIVE = der(0xA1, sequence(oid("2.5.4.3"), der(0x0C, b"part")))


def test_a_distribution_point_is_described_with_its_reasons_and_its_issuer():
    """RFC 5280 4.2.1.13: a row for each point."""
    full = sequence(der(0xA0, der(0xA0, URI)), der(0x81, b"\1\x42"))
    issuer = der(0xA2, der(0xA4, pki.name("Other CA").public_bytes()))
    relative = sequence(der(0xA0, RELATIVE), issuer)
    shown = extension_facts(POINTS, sequence(full, relative, sequence()))["CRL distribution points"].split(
        "\n"
    )
    assert shown == [
        "URI http://a.example/1.crl; for keyCompromise, certificateHold",
        "relative to the issuer's name: CN=part; issued by CN=Other CA",
        "a distribution point without a name",
    ]


def test_an_undecodable_point_hides_no_other():
    """It is reported with the position of the fault."""
    broken = sequence(der(0xA0, der(0xA7, b"")))
    good = sequence(der(0xA0, der(0xA0, URI)))
    shown = extension_facts(POINTS, sequence(broken, good))["CRL distribution points"].split("\n")
    assert shown[0].startswith("one that cannot be read (no name of a distribution point at byte 6)")
    assert shown[1] == "URI http://a.example/1.crl"


def scope(point: x509.IssuingDistributionPoint | x509.UnrecognizedExtension) -> str:
    return facts(one(pki.crl(pki.root(), point=point)))["scope"]


def test_the_scope_of_a_crl_is_described():
    """RFC 5280 5.2.5: which certificates, which reasons, whose."""
    assert scope(pki.issuing_point(["URI:http://a.example/"], users=True)) == (
        "URI http://a.example/\nonly end-entity certificates (critical)"
    )
    assert scope(pki.issuing_point(cas=True)) == "only CA certificates (critical)"
    assert scope(pki.issuing_point(attributes=True)) == "only attribute certificates (critical)"
    assert scope(pki.issuing_point(reasons=["key_compromise", "superseded"], indirect=True)) == (
        "only for these reasons: keyCompromise, superseded\n"
        "indirect: it revokes certificates of other issuers too (critical)"
    )
    nothing = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.28"), sequence(der(0x81, b"\0")))
    assert scope(nothing) == "all certificates of the issuer (critical)"


def test_reasons_without_a_name_are_shown_by_their_number():
    """Bit 0 is unused, and others are not defined."""
    point = sequence(der(0x81, b"\x06\x80\x40"))
    assert extension_facts(POINTS, sequence(point))["CRL distribution points"] == "for bit 0, bit 9"
