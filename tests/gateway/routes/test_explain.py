"""Which rule decides about a certificate, as a handshake would."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.gateway.routes.explain import RuleAnswer, explained
from bothways.trust.verdict import Refused
from gateway_talk import ANYBODY, Setting

BACKEND = 'backend = "127.0.0.1:1"\n'
RULES = """
[[route.deny]]
name = "the retired one"
dns = "old.example"
[[route.allow]]
dns = "other.example"
[[route.allow]]
dns = "client.example"
uri = "spiffe://testing.example/*"
"""


@pytest.mark.parametrize(
    ("names", "may_pass", "rule", "failing"),
    [
        ({}, True, "dns client.example, uri spiffe://testing.example/*", ["dns", "dns", None]),
        ({"dns": ["client.example"]}, False, None, ["dns", "dns", "uri"]),
        ({"dns": ["other.example", "old.example"]}, False, "the retired one", [None, None, "dns"]),
        ({"dns": ["other.example"]}, True, "dns other.example", ["dns", None, "dns"]),
    ],
)
def test_each_rule_is_answered_for_and_the_first_that_holds_decides(
    setting: Setting, names: dict, may_pass: bool, rule: str | None, failing: list[str | None]
) -> None:
    setting.write(BACKEND + RULES)
    who = setting.mutual.identity("client", **names)
    [answer] = explained(setting.load(), who.credentials.chain, datetime.now(UTC))
    assert (answer.may_pass, answer.decision.rule) == (may_pass, rule)
    assert [each.failing for each in answer.rules] == failing
    assert answer.rules[0] == RuleAnswer("deny", "the retired one", failing[0], failing[0] is None)


def test_no_rule_is_applied_to_a_client_that_is_not_trusted(setting: Setting) -> None:
    setting.write(BACKEND + ANYBODY)
    who = setting.mutual.identity("client", "revoked")
    [answer] = explained(setting.load(), who.credentials.chain, datetime.now(UTC))
    assert isinstance(answer.verdict, Refused)
    assert (answer.may_pass, answer.decision, answer.rules) == (False, None, ())
