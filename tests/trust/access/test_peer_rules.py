"""Several rules about peers together, and rules as they are written on a command line."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from bothways import ConfigError
from bothways.trust import PeerRule
from bothways.trust.access.cel import MOST_CHARACTERS, MOST_EXPRESSIONS, MOST_TOGETHER, CelRule
from bothways.trust.access.kinds import COMPILERS
from bothways.trust.access.peer_rules import AnyOf, parsed_rule
from trust.rule_cases import ALLOWED, REFUSED, trusted

NEEDS_CEL = pytest.mark.skipif(
    find_spec("cel_expr_python") is None, reason="cel-expr-python is not installed: pip install -e '.[dev]'"
)


def test_a_rule_is_read_as_it_is_written_on_a_command_line():
    """Of one kind; an equals sign in the value is part of it."""
    assert parsed_rule("dns=a.example") == PeerRule(dns="a.example")
    assert parsed_rule("issuer=CN=a,O=b") == PeerRule(issuer="CN=a,O=b")
    for wrong in ("", "=", "dns", "dns=", "=a.example", "name=a", "_tests=a", "cel=", "dns =a.example"):
        with pytest.raises(ConfigError, match="expected KIND=VALUE"):
            parsed_rule(wrong)


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


@NEEDS_CEL
def test_an_expression_is_a_rule_of_the_kind_cel() -> None:
    rule = parsed_rule("cel=dns == ['a.example']")
    assert rule == CelRule("dns == ['a.example']")
    with pytest.raises(ConfigError, match="no expression of CEL about a certificate"):
        parsed_rule("cel=dns = 1")


@NEEDS_CEL
def test_an_expression_is_one_of_several_rules() -> None:
    rules = AnyOf([PeerRule(dns="a.example"), CelRule("'b.example' in dns"), PeerRule(dns="c.example")])
    assert [each for each in "abcd" if rules.allows(trusted(f"DNS:{each}.example"))] == ["a", "b", "c"]
    assert not AnyOf([CelRule("'*.b.example' in dns")]).allows(trusted("DNS:*.b.example"))


@NEEDS_CEL
def test_so_many_expressions_are_possible_that_all_together_cost_little() -> None:
    AnyOf([CelRule("true")] * MOST_EXPRESSIONS)
    with pytest.raises(ConfigError, match=f"at most {MOST_EXPRESSIONS} of {MOST_TOGETHER} characters"):
        AnyOf([PeerRule(cn="a"), *[CelRule("true")] * (MOST_EXPRESSIONS + 1)])
    with pytest.raises(ConfigError, match="2 rules with `cel` of 1024 characters"):
        AnyOf([CelRule("true".rjust(MOST_CHARACTERS))] * 2)
