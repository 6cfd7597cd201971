"""Certificates as `ssl` tells them: each is given to OpenSSL too, and both say the same."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

import pki
from bothways.adapters import peercert
from bothways.adapters.peercert import peer_cert
from bothways.oids import ATTRIBUTES

OTHER = {
    "UPN": ("1.3.6.1.4.1.311.20.2.3", b"\x0c\x05a@b.c"),
    "SRV": ("1.3.6.1.5.5.7.8.7", b"\x16\x05_a.bc"),
    "mailbox": ("1.3.6.1.5.5.7.8.9", "\x0c\x06\u00fc@b.c".encode()),
    "unknown": ("1.2.3.4.5", b"\x0c\x01a"),
    "no string": ("1.3.6.1.4.1.311.20.2.3", b"\x02\x01\x05"),
}


def by_openssl(der: bytes, folder: Path) -> dict[str, object]:
    path = folder / "cert.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(der))
    reported: dict[str, object] = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]
    return reported


def everything() -> pki.Issued:
    points = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(
                [pki.alternative(f"URI:http://crl.example/{n}"), pki.alternative("DN:CRL")], None, None, None
            )
            for n in (1, 2)
        ]
    )
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(method, pki.alternative(f"URI:http://pki.example/{n}"))
            for n, method in enumerate(
                (
                    AuthorityInformationAccessOID.OCSP,
                    AuthorityInformationAccessOID.CA_ISSUERS,
                    AuthorityInformationAccessOID.OCSP,
                )
            )
        ]
    )
    return pki.leaf(
        pki.root("Root"),
        "everything",
        alternatives=[
            "DNS:*.a.example",
            "IP:192.0.2.1",
            "IP:2001:db8::af",
            "URI:spiffe://a/b",
            "EMAIL:a@b.ex",
            "DN:Me",
        ],
        extra=[(points, False), (access, False)],
    )


def named(*attributes: tuple[x509.ObjectIdentifier, str]) -> pki.Issued:
    return pki.issue(
        x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes]), pki.root("Root")
    )


def with_other(identifier: str, value: bytes) -> pki.Issued:
    name = x509.OtherName(x509.ObjectIdentifier(identifier), value)
    extension = x509.SubjectAlternativeName([name, x509.RegisteredID(NameOID.COMMON_NAME)])
    return pki.issue("other", pki.root("Root"), extra=[(extension, False)])


CASES = {
    "a plain one": lambda: pki.leaf(pki.root("Root"), "plain"),
    "no names but the subject": lambda: pki.leaf(pki.root("Root"), "none", alternatives=()),
    "a CA": lambda: pki.root("Root"),
    "everything": everything,
    "many attributes": lambda: named(
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Bavaria"),
        (NameOID.LOCALITY_NAME, "M\u00fcnchen"),
        (NameOID.ORGANIZATION_NAME, "\u682a\u5f0f\u4f1a\u793e"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "one"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "two"),
        (NameOID.DOMAIN_COMPONENT, "example"),
        (NameOID.USER_ID, "ada"),
        (NameOID.EMAIL_ADDRESS, "ada@example.org"),
        (NameOID.SERIAL_NUMBER, "7"),
        (NameOID.JURISDICTION_COUNTRY_NAME, "DE"),
        (x509.ObjectIdentifier("1.2.3.4.5.6"), "unknown"),
    ),
    "two in one relative name": lambda: pki.issue(
        x509.Name(
            [
                x509.RelativeDistinguishedName(
                    [
                        x509.NameAttribute(NameOID.COMMON_NAME, "both"),
                        x509.NameAttribute(NameOID.SURNAME, "and"),
                    ]
                )
            ]
        ),
        pki.root("Root"),
    ),
    **{f"other name: {what}": (lambda pair=pair: with_other(*pair)) for what, pair in OTHER.items()},
}


@pytest.mark.parametrize("what", CASES)
def test_the_dict_of_a_certificate_is_that_of_ssl(what: str, tmp_path: Path) -> None:
    """The same keys in the same order, and the same texts."""
    der = CASES[what]().der
    theirs = by_openssl(der, tmp_path)
    ours = peer_cert(der)
    assert ours == theirs
    assert list(ours) == list(theirs)


def test_attributes_have_the_long_names_of_openssl() -> None:
    for number in ATTRIBUTES:
        try:
            name = ssl._ssl.txt2obj(number, name=False)[2]  # type: ignore[attr-defined]
        except ValueError:
            assert number in peercert.UNNAMED, number
            continue
        assert peercert.LONG_NAMES.get(number, ATTRIBUTES[number]) == name


def test_each_caller_gets_its_own_dict() -> None:
    """Who changes it changes nobody else's."""
    der = pki.leaf(pki.root("Root"), "own").der
    peer_cert(der).clear()
    assert peer_cert(der)["version"] == 3


def test_without_a_certificate_there_is_no_dict() -> None:
    with pytest.raises(ValueError, match="cut off"):
        peer_cert(b"\x30\x00")
