"""Rules about peers: what holds, what only looks as if, and rules that could never hold."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from bothways import ConfigError
from bothways.trust.access.rule import PeerRule
from trust.rule_cases import ALLOWED, REFUSED, trusted


def subject(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


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
