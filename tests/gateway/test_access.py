"""Who of the verified clients may pass."""

from __future__ import annotations

import pytest

from bothways.gateway.access import ANYBODY, Access, AccessRule
from bothways.tls.handshake.access import NO_CERTIFICATE
from bothways.trust.access.rule import PeerRule
from gateway_talk import Setting
from http_callers import peer

CLIENT = AccessRule("the client", PeerRule(dns="client.example"))
OTHER = AccessRule("the other", PeerRule(dns="other.example"))


@pytest.mark.parametrize(
    ("access", "allowed", "rule", "why"),
    [
        (Access((CLIENT,)), True, "the client", "the allow rule the client holds"),
        (Access((OTHER, CLIENT)), True, "the client", "the allow rule the client holds"),
        (Access((OTHER,)), False, None, "no allow rule holds for CN=good client"),
        (Access(()), False, None, "no allow rule holds for CN=good client"),
        (Access(None), True, ANYBODY, "any verified client is allowed"),
        (Access(None, (CLIENT,)), False, "the client", "the deny rule the client holds"),
        (Access((CLIENT,), (CLIENT,)), False, "the client", "the deny rule the client holds"),
        (Access((CLIENT,), (OTHER,)), True, "the client", "the allow rule the client holds"),
    ],
)
def test_deny_rules_come_first_and_nobody_passes_without_a_rule(
    setting: Setting, access: Access, allowed: bool, rule: str | None, why: str
) -> None:
    client = peer(setting.mutual)
    decision = access.decision(client.verdict)
    assert (decision.allowed, decision.rule, decision.why) == (allowed, rule, why)
    refusal = access.refusal(client)
    assert (refusal is None) == allowed
    assert refusal is None or refusal.reason == why


def test_a_client_without_a_certificate_never_passes() -> None:
    assert Access(None).refusal(None) is NO_CERTIFICATE
