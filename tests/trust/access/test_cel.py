"""Rules that are expressions of CEL: what they may say, whom they let in, and what they cost at most."""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import Any

import pytest

import pki
from bothways import ConfigError
from bothways.trust.access import cel as module
from bothways.trust.access.cel import CelRule
from bothways.trust.access.rule import PeerRule
from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify

pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed: pip install -e '.[dev]'")

ROOT = pki.root("CA")


def verdict_of(*names: str, subject: Any = "ada", **options: Any) -> Trusted:
    issued = pki.leaf(ROOT, subject, alternatives=list(names), **options)
    found = verify(issued.chain, TrustStore([ROOT.der]), purpose=Purpose.CLIENT, name=None, at=pki.NOW)
    assert isinstance(found, Trusted), found
    return found


ADA = verdict_of(
    "DNS:a.batch.example",
    "DNS:*.wild.example",
    "URI:spiffe://e/team/ada",
    "EMAIL:ada@e.example",
    "IP:10.0.0.1",
)


@pytest.mark.parametrize(
    ("expression", "allows", "may_mean"),
    [
        ("true", True, True),
        ("false", False, False),
        ("dns.exists(d, d.endsWith('.batch.example'))", True, True),
        ("dns.all(d, d.endsWith('.batch.example'))", True, True),
        ("'*.wild.example' in dns", False, True),
        ("uri == ['spiffe://e/team/ada'] && uri[0].startsWith('spiffe://e/team/')", True, True),
        ("email[0].contains('@') && ip == ['10.0.0.1']", True, True),
        ("cn == ['ada'] && size(ou) == 0 && subject == 'CN=ada' && issuer == 'CN=CA'", True, True),
        ("key == 'P-256' && key_bits == 256 && lifetime <= 400", True, True),
        ("dns.size() > 1 ? cn[0] == 'x' : cn[0] == 'ada'", True, True),
        ("ou[0] == 'ops'", False, True),
        ("!(ou[0] == 'ops')", False, True),
    ],
)
def test_an_expression_lets_in_where_it_is_true_and_denies_unless_it_is_false(
    expression: str, allows: bool, may_mean: bool
) -> None:
    """An index that is not there is neither. A wildcard name is nobody's beyond doubt."""
    rule = CelRule(expression)
    assert (rule.allows(ADA), rule.may_mean(ADA)) == (allows, may_mean)


def test_the_trust_anchor_is_known_by_its_digest() -> None:
    assert CelRule(f"anchor == '{sha256(ROOT.der).hexdigest()}'").allows(ADA)


def test_several_spiffe_ids_identify_nobody() -> None:
    several = verdict_of("URI:spiffe://e/a", "URI:spiffe://e/b", "URI:urn:c")
    assert not CelRule("'spiffe://e/a' in uri").allows(several)
    assert CelRule("'spiffe://e/a' in uri").may_mean(several)
    assert CelRule("uri == ['urn:c']").allows(several)


def test_a_rule_may_also_have_kinds_which_have_to_match() -> None:
    rule = CelRule("lifetime < 10000", PeerRule(dns="*.batch.example"))
    assert rule.allows(ADA) and rule.may_mean(ADA)
    assert rule.failing(verdict_of("DNS:b.example")) == "dns"
    assert not rule.may_mean(verdict_of("DNS:b.example"))
    assert CelRule("lifetime < 1", PeerRule(dns="*.batch.example")).failing(ADA) == "cel: false"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("dns.exist(d, true)", "undeclared reference to 'exist'"),
        ("nobody == 1", "column 1: undeclared reference to 'nobody'"),
        ("dns == 1", "found no matching overload"),
        ("true &&", "Syntax error"),
        ("size(dns)", "it is of the type INT; a rule has to be true or false"),
        ("dns.all(a, uri.all(b, a == b))", "within another one is not possible"),
        ("dns.all(a, dns.exists(b, true))", "within another one is not possible"),
        ("dns.all(a, a in dns)", "dns within `all` or `exists` is not possible"),
        ("dns.all(a, uri[0] == a)", "uri within `all` or `exists` is not possible"),
        ("cn[0].matches('a*')", "matches is not possible in a rule"),
        ("dns.map(d, d + d).size() > 1", "is not possible in a rule"),
        ("cn[0] + 'a' == 'ba'", "+ is not possible in a rule"),
        ("dns.filter(d, true) == dns", "+ is not possible in a rule"),
        ("string(lifetime) == '1'", "string is not possible in a rule"),
        ("{'a': 1}['a'] == 1", "a map or a message is not possible"),
        ("'" + "a" * 1100 + "' in dns", "at most 512 are possible"),
        ("(" * 100 + "true" + ")" * 100, "recursion limit"),
    ],
)
def test_an_invalid_rule_is_refused_when_it_is_made(expression: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        CelRule(expression)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([f"DNS:{each}.e.example" for each in range(65)], "the certificate has 65 of dns, and at most 64"),
        (["URI:urn:" + "a" * 300], "a uri of the certificate has more than 256 bytes"),
    ],
)
def test_a_certificate_with_more_than_that_is_let_in_by_no_expression(names: list[str], why: str) -> None:
    found = verdict_of(*names)
    rule = CelRule("true")
    assert (rule.allows(found), rule.may_mean(found)) == (False, True)
    assert why in (rule.failing(found) or "")


def test_an_expression_that_is_neither_true_nor_false_accepts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does an exception of the library."""
    rule = CelRule("true")

    class Broken:
        def eval(self, data: object) -> object:
            raise RuntimeError(f"INTERNAL: broken\n{data}")

    object.__setattr__(rule, "_compiled", Broken())
    assert (rule.allows(ADA), rule.may_mean(ADA)) == (False, True)
    assert rule.failing(ADA) == "cel: not evaluated, INTERNAL: broken"


def test_the_worst_expression_about_the_largest_certificate_is_evaluated() -> None:
    """What that costs is in docs/decisions.md."""
    expression = "&&".join(["dns.all(a,subject.contains(a)||true)"] * 13)
    assert len(expression) <= module.MOST_CHARACTERS
    label = ".".join(["a" * 63] * 3)
    largest = verdict_of(*(f"DNS:{label}.{each:02}.{'b' * 45}.example" for each in range(module.MOST_VALUES)))
    rule = CelRule(expression)
    assert rule.allows(largest)


def test_without_the_extra_a_rule_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    with pytest.raises(
        ConfigError, match=r"cel-expr-python, which is not installed: pip install 'bothways\[cel\]'$"
    ):
        CelRule("true")
