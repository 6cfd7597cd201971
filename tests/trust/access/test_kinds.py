"""Each kind of rule: what holds, what only looks as if, what is in doubt, and what could never hold."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

import pki
from bothways import ConfigError, TrustStore
from bothways.trust import Purpose, Trusted, verify
from bothways.trust.access.kinds import MOST_URIS
from bothways.trust.access.rule import PeerRule

ROOT = pki.root("Access Root")
POLICY, OTHER, ANY = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0"


def policies(*identifiers: str) -> dict[str, Any]:
    found = [x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in identifiers]
    return {"extra": [(x509.CertificatePolicies(found), False)]}


def trusted(*alternatives: str, by: pki.Issued = ROOT, subject: Any = "Ada", **options: Any) -> Trusted:
    issued = pki.leaf(by, subject, alternatives=alternatives, usage=("clientAuth",), **options)
    chain = [issued.der] if by is ROOT else [issued.der, by.der]
    verdict = verify(chain, TrustStore.from_pem(ROOT.pem), purpose=Purpose.CLIENT, name=None, at=pki.NOW)
    assert isinstance(verdict, Trusted)
    return verdict


def subject(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


MAILS = ["EMAIL:Ada@Example.com", "EMAIL:ada@sub.example.com"]


@pytest.mark.parametrize(
    ("given", "alternatives", "holds"),
    [
        ({"email": "Ada@example.COM"}, MAILS, True),
        ({"email": "ada@example.com"}, MAILS, False),
        ({"email": "*@example.com"}, MAILS, True),
        ({"email": "*@sub.example.com"}, MAILS, True),
        ({"email": "*@le.com"}, MAILS, False),
        ({"email": "Ada@example.com"}, ["URI:mailto:Ada@example.com"], False),
        ({"ip": "192.0.2.7"}, ["IP:192.0.2.7"], True),
        ({"ip": "192.0.2.0/24"}, ["IP:192.0.2.7"], True),
        ({"ip": ["10.0.0.0/8", "2001:db8::/32"]}, ["IP:2001:db8::1"], True),
        ({"ip": "192.0.2.8"}, ["IP:192.0.2.7"], False),
        ({"ip": "0.0.0.0/0"}, ["IP:2001:db8::1"], False),
        ({"ip": "192.0.2.7"}, ["DNS:a.example"], False),
    ],
)
def test_addresses_are_compared_by_what_they_mean(given: dict, alternatives: list[str], holds: bool) -> None:
    """RFC 5280 7.5: the domain of a mail address is compared without case, the local part with it."""
    assert PeerRule(**given).allows(trusted(*alternatives)) == holds


def test_parts_of_the_subject_and_all_of_it_are_compared() -> None:
    mine = subject(
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.ORGANIZATION_NAME, "Example"),
        (NameOID.SERIAL_NUMBER, "42"),
        (NameOID.COMMON_NAME, "Ada"),
    )
    verdict = trusted(subject=mine)
    for given in (
        {"dn": "O=Example"},
        {"dn": ["O=Other", "serialNumber=42"]},
        {"subject": "CN=ADA,2.5.4.5=42,O=example,C=DE"},
    ):
        assert PeerRule(**given).allows(verdict), given
    for given in (
        {"dn": "O=example"},
        {"dn": "L=Example"},
        {"subject": "CN=Ada,O=Example"},
        {"subject": "CN=Ada"},
    ):
        assert not PeerRule(**given).allows(verdict), given


def test_keys_anchors_and_lifetimes_are_those_of_the_path() -> None:
    verdict = trusted()
    spki = verdict.path[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert PeerRule(spki=sha256(spki).hexdigest()).allows(verdict)
    assert not PeerRule(spki=sha256(ROOT.der).hexdigest()).allows(verdict)
    assert PeerRule(anchor=sha256(ROOT.der).hexdigest().upper()).allows(verdict)
    assert not PeerRule(anchor=sha256(spki).hexdigest()).allows(verdict)
    short = trusted(not_before=pki.NOW - timedelta(hours=1), not_after=pki.NOW + timedelta(days=1))
    assert PeerRule(lifetime="2").allows(short)
    assert not PeerRule(lifetime="1").allows(short)
    assert PeerRule(lifetime=["1", "2"]).allows(short)


@pytest.mark.parametrize(
    ("kind", "holding", "others"),
    [
        ("P-256", ["P-256"], ["P-384", "RSA", "RSA-2048"]),
        ("P-384", ["P-384"], ["P-256"]),
        ("P-521", ["P-521"], ["P-256"]),
        ("Ed25519", ["Ed25519"], ["Ed448", "RSA"]),
        ("Ed448", ["Ed448"], ["Ed25519", "RSA"]),
        ("RSA-2048", ["RSA", "RSA-2048"], ["RSA-3072", "P-256"]),
    ],
)
def test_a_key_is_of_its_kind_and_an_rsa_key_long_enough(
    kind: str, holding: list[str], others: list[str]
) -> None:
    verdict = trusted(key_kind=kind)
    assert [each for each in holding + others if PeerRule(key=each).allows(verdict)] == holding


@pytest.mark.parametrize(
    ("leaf", "ca", "holds"),
    [
        ((POLICY,), (POLICY,), True),
        ((POLICY, OTHER), (ANY,), True),
        ((POLICY,), (OTHER,), False),
        ((POLICY,), None, False),
        ((ANY,), (POLICY,), False),
        (None, (POLICY,), False),
    ],
)
def test_a_policy_has_to_be_that_of_the_whole_path(
    leaf: tuple[str, ...] | None, ca: tuple[str, ...] | None, holds: bool
) -> None:
    """RFC 5280 6.1: below the anchor; a leaf that claims it by itself has it not."""
    by = pki.intermediate(ROOT, "Access CA", **(policies(*ca) if ca else {}))
    verdict = trusted(by=by, **(policies(*leaf) if leaf else {}))
    assert PeerRule(policy=[POLICY, "1.2.3"]).allows(verdict) == holds


DOUBT = [
    (
        {"cn": "Mallory"},
        {"subject": subject((NameOID.COMMON_NAME, "Ada"), (NameOID.COMMON_NAME, "Mallory"))},
        [],
    ),
    (
        {"dn": "CN=Mallory"},
        {"subject": subject((NameOID.COMMON_NAME, "Ada"), (NameOID.COMMON_NAME, "Mallory"))},
        [],
    ),
    ({"uri": "spiffe://a/b"}, {}, ["URI:spiffe://a/b", "URI:urn:other"]),
    ({"uri": "spiffe://a/*"}, {}, ["URI:spiffe://a/b", "URI:spiffe://a/c"]),
    ({"dns": "old.example.com"}, {}, ["DNS:*.example.com"]),
    ({"dns": "*.example.com"}, {}, ["DNS:*.example.com"]),
]


@pytest.mark.parametrize(("given", "options", "alternatives"), DOUBT)
def test_a_rule_that_denies_holds_in_doubt_and_one_that_allows_does_not(
    given: dict, options: dict, alternatives: list[str]
) -> None:
    """Several names do not bypass a deny rule."""
    rule, verdict = PeerRule(**given), trusted(*alternatives, **options)
    assert rule.may_mean(verdict)
    assert not rule.allows(verdict)


def test_a_rule_that_denies_by_a_pattern_holds_for_more_uris_than_it_compares() -> None:
    """Nobody gets around it by so many names that to compare them would take long."""
    most = [f"URI:spiffe://a/{at}" for at in range(MOST_URIS)]
    rule = PeerRule(uri="spiffe://b/*")
    assert not rule.may_mean(trusted(*most))
    assert rule.may_mean(trusted(*most, "URI:urn:x"))
    assert not PeerRule(uri="spiffe://b/c").may_mean(trusted(*most, "URI:urn:x"))


def test_a_rule_that_denies_holds_for_nobody_else() -> None:
    verdict = trusted("DNS:a.example.com", "URI:urn:x")
    for given in ({"cn": "Mallory"}, {"dn": "O=x"}, {"uri": "urn:y"}, {"dns": "b.example.com"}, {"ou": "x"}):
        assert not PeerRule(**given).may_mean(verdict), given
    for given in (
        {"cn": "Ada"},
        {"dn": "CN=Ada"},
        {"uri": "urn:x"},
        {"dns": "*.example.com"},
        {"key": "P-256"},
    ):
        assert PeerRule(**given).may_mean(verdict), given
    assert not PeerRule(cn="Ada", dns="b.example.com").may_mean(verdict)


@pytest.mark.parametrize(
    "given",
    [
        {"email": "nobody"},
        {"email": "@example.com"},
        {"email": "a*@example.com"},
        {"email": "a@b@example.com"},
        {"email": "a@not a name"},
        {"ip": "example.com"},
        {"ip": "192.0.2.7/24"},
        {"ip": "*"},
        {"subject": "nobody"},
        {"dn": "Example"},
        {"dn": "X=Example"},
        {"dn": "O="},
        {"spki": "00"},
        {"anchor": "x" * 64},
        {"policy": "policy"},
        {"policy": ANY},
        {"policy": "1"},
        {"key": "RSA-1"},
        {"key": "rsa"},
        {"key": "DSA"},
        {"lifetime": "0"},
        {"lifetime": "a week"},
        {"lifetime": "-1"},
        {"lifetime": "9999999"},
    ],
)
def test_a_rule_that_could_never_match_is_refused_when_it_is_made(given: dict) -> None:
    with pytest.raises(ConfigError):
        PeerRule(**given)
