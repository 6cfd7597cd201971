"""Who may: nobody who is not known, and nobody whom no rule names."""

from __future__ import annotations

import logging

import pytest

from bothways import ConfigError
from bothways.http.rules import PeerRules
from bothways.trust import CelRule, PeerRule
from http_callers import peer

MINE = "spiffe://testing.example/client"


def test_an_unauthenticated_client_is_not_allowed():
    assert not PeerRules().allows(None)
    assert not PeerRules(uri=MINE).allows(None)


def test_without_a_rule_everybody_may_who_is_known(mutual):
    assert PeerRules().allows(peer(mutual))


def test_one_of_several_rules_has_to_hold(mutual):
    caller = peer(mutual)
    assert PeerRules(PeerRule(dns="other.example"), uri=MINE).allows(caller)
    assert PeerRules(PeerRule(dns="other.example"), PeerRule(dns="client.example")).allows(caller)
    assert not PeerRules(PeerRule(dns="other.example"), PeerRule(cn="other")).allows(caller)
    assert not PeerRules(dns="client.example", uri="spiffe://testing.example/other").allows(caller)


def test_a_rule_may_be_an_expression(mutual):
    pytest.importorskip("cel_expr_python", reason="cel-expr-python is not installed: pip install -e '.[dev]'")
    holding, other = CelRule("'client.example' in dns"), CelRule("'other.example' in dns")
    assert PeerRules(other, holding).allows(peer(mutual))
    assert PeerRules(other, dns="client.example").allows(peer(mutual))
    assert not PeerRules(other).allows(peer(mutual))
    with pytest.raises(ConfigError, match="^rules: 9 rules with `cel`"):
        PeerRules(*[holding] * 9)


def test_a_refusal_is_logged(mutual, caplog):
    with caplog.at_level(logging.INFO, "bothways"):
        PeerRules(cn="other").allows(peer(mutual), "/pay\n\x1b[1m")
    (line,) = caplog.messages
    assert line == r"CN=good client may not reach /pay\n\x1b[1m: none of these holds: cn other"


@pytest.mark.parametrize("given", [{"rules": ["cn=x"]}, {"kinds": {"name": "x"}}, {"kinds": {"dns": ()}}])
def test_an_invalid_rule_is_refused_when_it_is_made(given):
    with pytest.raises(ConfigError):
        PeerRules(*given.get("rules", ()), **given.get("kinds", {}))
