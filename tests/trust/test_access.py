"""Rules about peers: what holds, what only looks as if, and rules that could never hold."""

from __future__ import annotations

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

import pki
from bothways import ConfigError, TrustStore
from bothways.trust import Purpose, Trusted, verify
from bothways.trust.access import AnyOf, PeerRule
from bothways.trust.access_kinds import COMPILERS

ROOT = pki.root("Access Root")


def trusted(*alternatives: str, subject: x509.Name | None = None, name: str = "Ada") -> Trusted:
    issued = pki.leaf(ROOT, subject or name, alternatives=alternatives, usage=("clientAuth",))
    verdict = verify(
        [issued.der], TrustStore.from_pem(ROOT.pem), purpose=Purpose.CLIENT, name=None, at=pki.NOW
    )
    assert isinstance(verdict, Trusted)
    return verdict


def subject(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


ALLOWED = [
    ({"dns": "api.example.com"}, ["DNS:api.example.com"]),
    ({"dns": "API.Example.com"}, ["DNS:other.example", "DNS:api.EXAMPLE.com"]),
    ({"dns": ["a.example", "b.example"]}, ["DNS:b.example"]),
    ({"dns": "*.example.com"}, ["DNS:api.example.com"]),
    ({"uri": "urn:shop:7"}, ["URI:urn:other", "URI:urn:shop:7"]),
    ({"uri": "spiffe://example.org"}, ["URI:spiffe://example.org"]),
    ({"uri": "spiffe://example.org/ns/a/sa/b"}, ["URI:spiffe://example.org/ns/a/sa/b"]),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns/any-1/sa/b"]),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a"]),
    ({"uri": "spiffe://example.org/**"}, ["URI:spiffe://example.org/ns/a/..b/...c"]),
    ({"cn": "Ada"}, []),
    ({"cn": "Ada", "dns": "a.example"}, ["DNS:a.example"]),
]
REFUSED = [
    ({"dns": "api.example.com"}, [], "dns"),
    ({"dns": "api.example.com"}, ["DNS:api.example.com.evil.example"], "dns"),
    ({"dns": "api.example.com"}, ["DNS:*.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:a.b.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:*.example.com"], "dns"),
    ({"dns": "*.example.com"}, ["DNS:evilexample.com"], "dns"),
    ({"dns": "api.example.com"}, ["URI:https://api.example.com", "EMAIL:a@api.example.com"], "dns"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/A"], "uri"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/a/"], "uri"),
    ({"uri": "spiffe://example.org/a"}, ["URI:spiffe://example.org/a", "URI:urn:other"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns/a/x/sa/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/sa/b"}, ["URI:spiffe://example.org/ns//sa/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/b"}, ["URI:spiffe://example.org/ns/../b"], "uri"),
    ({"uri": "spiffe://example.org/ns/*/b"}, ["URI:spiffe://example.org/ns/%2e%2e/b"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a/../../admin"], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/.."], "uri"),
    ({"uri": "spiffe://example.org/ns/**"}, ["URI:spiffe://example.org/ns/a?x"], "uri"),
    ({"uri": "spiffe://example.org/**"}, ["URI:spiffe://example.org.evil.example/a"], "uri"),
    ({"uri": "urn:a"}, ["URI:urn:a:b"], "uri"),
    ({"cn": "ada"}, [], "cn"),
    ({"cn": "Ada", "dns": "a.example"}, ["DNS:b.example"], "dns"),
    ({"cn": "Bob", "dns": "a.example"}, ["DNS:a.example"], "cn"),
]


@pytest.mark.parametrize(("given", "alternatives"), ALLOWED)
def test_a_rule_allows_the_peers_that_it_names(given, alternatives):
    rule = PeerRule(**given)
    assert rule.allows(trusted(*alternatives))
    assert rule.failing(trusted(*alternatives)) is None


@pytest.mark.parametrize(("given", "alternatives", "kind"), REFUSED)
def test_a_similar_name_is_not_allowed(given, alternatives, kind):
    """All given kinds must match, and a wildcard of a certificate matches no rule."""
    rule = PeerRule(**given)
    assert not rule.allows(trusted(*alternatives))
    assert rule.failing(trusted(*alternatives)) == kind


def test_attributes_of_the_subject_are_compared_exactly():
    unit, common = NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME
    both = trusted(subject=subject((unit, "Payments"), (unit, "Core"), (common, "Ada")))
    assert PeerRule(ou="Core").allows(both)
    assert PeerRule(ou=["Audit", "Payments"], cn="Ada").allows(both)
    assert not PeerRule(ou="payments").allows(both)
    assert not PeerRule(ou="Ada").allows(both)
    assert not PeerRule(cn="Core").allows(both)
    assert not PeerRule(ou="Core").allows(trusted())


def test_a_subject_with_two_common_names_matches_no_cn_rule():
    two = trusted(subject=subject((NameOID.COMMON_NAME, "Ada"), (NameOID.COMMON_NAME, "Admin")))
    assert not PeerRule(cn="Ada").allows(two)
    assert not PeerRule(cn="Admin").allows(two)


def test_an_issuer_is_compared_by_the_rules_for_names():
    """RFC 5280 7.1: neither case nor the kind of string make another name."""
    assert PeerRule(issuer="CN=Access Root").allows(trusted())
    assert PeerRule(issuer="CN=ACCESS  root").allows(trusted())
    assert not PeerRule(issuer="CN=Access Root,O=Other").allows(trusted())
    assert not PeerRule(issuer="CN=Ada").allows(trusted())


def test_a_fingerprint_is_that_of_the_certificate():
    one, other = trusted(), trusted()
    digest = one.path[0].fingerprint(SHA256())
    for text in (digest.hex(), digest.hex(":").upper()):
        assert PeerRule(fingerprint=text).allows(one)
        assert not PeerRule(fingerprint=text).allows(other)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"dns": ""},
        {"dns": []},
        {"dns": "*"},
        {"dns": "*.com"},
        {"dns": "a.*.example"},
        {"dns": "*x.example.com"},
        {"dns": "not a name"},
        {"dns": 7},
        {"dns": [None]},
        {"uri": "no-uri"},
        {"uri": "https://example.com/*"},
        {"uri": "urn:with space"},
        {"uri": "spiffe://"},
        {"uri": "spiffe://*/a"},
        {"uri": "spiffe://Example.org/a"},
        {"uri": "spiffe://example.org/"},
        {"uri": "spiffe://example.org/a*"},
        {"uri": "spiffe://example.org/**/a"},
        {"uri": "spiffe://example.org/../a"},
        {"cn": "\ufffd"},
        {"issuer": "nobody"},
        {"fingerprint": "abcd"},
        {"fingerprint": "g" * 64},
    ],
)
def test_a_rule_that_could_never_hold_is_refused_when_it_is_made(given):
    with pytest.raises((ConfigError, TypeError)):
        PeerRule(**given)


def test_a_rule_is_shown_as_its_requirements():
    rule = PeerRule(uri=["spiffe://a/b", "spiffe://a/c"], cn="Ada")
    assert str(rule) == "uri spiffe://a/b or spiffe://a/c, cn Ada"
    assert rule == PeerRule(cn=("Ada",), uri=("spiffe://a/b", "spiffe://a/c"))


def test_a_rule_is_read_as_it_is_written_on_a_command_line():
    """Of one kind; an equals sign in the value is part of it."""
    assert PeerRule.parse("dns=a.example") == PeerRule(dns="a.example")
    assert PeerRule.parse("issuer=CN=a,O=b") == PeerRule(issuer="CN=a,O=b")
    for wrong in ("", "=", "dns", "dns=", "=a.example", "name=a", "_tests=a", "dns =a.example"):
        with pytest.raises(ConfigError, match="expected KIND=VALUE"):
            PeerRule.parse(wrong)


@pytest.mark.parametrize("seed", range(8))
def test_rules_are_compared_together_with_the_result_of_each_alone(seed: int) -> None:
    """Those that differ by one kind become one."""
    draw = random.Random(seed)
    cases = [(given, alternatives) for given, alternatives, *_ in (*ALLOWED, *REFUSED)]
    rules = [PeerRule(**given) for given, _ in draw.sample(cases, 4)]
    rules += [PeerRule(**{"issuer": "CN=Access Root", **given}) for given, _ in draw.sample(cases, 3)]
    rules += [PeerRule(**{"issuer": "CN=Other", **given}) for given, _ in draw.sample(cases, 3)]
    together = AnyOf(rules)
    for _, alternatives in draw.sample(cases, 10):
        verdict = trusted(*alternatives)
        assert together.allows(verdict) == any(each.allows(verdict) for each in rules)


def test_rules_of_each_kind_are_joined_without_loss() -> None:
    """The weakest of several limits holds, as where each is compared alone."""
    verdict = trusted("IP:192.0.2.7", "EMAIL:ada@a.example")
    for holding, other in (
        ({"lifetime": "20000"}, {"lifetime": "1"}),
        ({"key": "P-256"}, {"key": "RSA-3072"}),
        ({"ip": "192.0.2.0/28"}, {"ip": "192.0.2.16/28"}),
        ({"email": "*@a.example"}, {"email": "ada@b.example"}),
        ({"dn": "CN=Ada"}, {"dn": "O=Ada"}),
    ):
        assert AnyOf([PeerRule(**other), PeerRule(**holding)]).allows(verdict)
        assert not AnyOf([PeerRule(**other), PeerRule(**other)]).allows(verdict)


def test_rules_are_joined_only_where_they_require_the_same_otherwise() -> None:
    """A name of one rule does not go with the issuer of another."""
    rules = [
        PeerRule(dns="a.example", issuer="CN=Access Root"),
        PeerRule(dns="b.example", issuer="CN=Other"),
        PeerRule(dns=["c.example", "d.example"], issuer="CN=Access Root"),
    ]
    allowed = [each for each in "abcd" if AnyOf(rules).allows(trusted(f"DNS:{each}.example"))]
    assert allowed == ["a", "c", "d"]


def test_every_kind_of_rule_has_its_place_among_those_that_name_a_peer() -> None:
    """A rule of each kind can be one of several."""
    for kind in COMPILERS:
        value = {
            "ip": "192.0.2.1",
            "policy": "1.2.3",
            "key": "RSA",
            "lifetime": "1",
            "email": "a@b.example",
        }.get(kind)
        digest = "0" * 64 if kind in ("fingerprint", "spki", "anchor") else None
        name = "CN=A" if kind in ("issuer", "subject", "dn") else None
        uri = "urn:a" if kind == "uri" else None
        assert not AnyOf([PeerRule(**{kind: value or digest or name or uri or "a.example"})]).allows(
            trusted()
        )
