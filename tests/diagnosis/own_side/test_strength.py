"""Keys of ours that are too short by rules of a peer that are stricter than ours."""

from __future__ import annotations

import pytest

import identities
from bothways.diagnosis import explain
from bothways.errors import PeerAlert
from bothways.iana import Alert
from bothways.roles import Role, StepId
from diagnosis.own_side.test_chain import holder, host, refused
from diagnosis.talks import first, talk
from diagnosis.test_stacks import JAVA, OPENSSL_3_0

AT_LEVEL_3 = OPENSSL_3_0[:10]


def test_a_key_below_a_strict_security_level_is_a_cause_without_other_faults() -> None:
    """OpenSSL's bad_certificate for ee key too small."""
    config = identities.client_config(None, credentials=identities.credentials(holder(key_kind="RSA-2048")))
    situation = talk(config).client.situation()
    error = PeerAlert(Alert.BAD_CERTIFICATE, step=StepId("3.3"), peer="server", state="CONNECTED")
    assert first(explain(error, situation)) == ("WEAK_KEY", "ours")


@pytest.mark.parametrize("alert", [Alert.BAD_CERTIFICATE, None])
def test_openssl_at_level_3_wants_stronger_keys_and_shows_it_by_its_schemes(alert: Alert | None) -> None:
    who = host(key_kind="RSA-2048")
    assert refused(alert, who, AT_LEVEL_3, asked="localhost")[0] == ("WEAK_KEY", "LIKELY")
    assert ("WEAK_KEY", "LIKELY") not in refused(alert, who, OPENSSL_3_0, asked="localhost")
    assert "WEAK_KEY" not in [name for name, _ in refused(alert, host(), AT_LEVEL_3, asked="localhost")]


@pytest.mark.parametrize("alert", [Alert.CERTIFICATE_UNKNOWN, Alert.BAD_CERTIFICATE])
def test_rules_of_java_may_ask_for_more_than_2048_bits(alert: Alert) -> None:
    """jdk.certpath.disabledAlgorithms: it says no more than of every other reason."""
    short = [name for name, _ in refused(alert, holder(key_kind="RSA-2048"), JAVA, Role.CLIENT)]
    assert "WEAK_KEY" in short and short.index("WEAK_KEY") < short.index("NOT_ACCEPTED")
    assert "WEAK_KEY" not in [name for name, _ in refused(alert, holder(), JAVA, Role.CLIENT)]
