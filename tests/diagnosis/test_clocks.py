"""A clock is called wrong only with evidence; four causes about time are distinguished."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import identities
import pki
from bothways import TrustStore
from bothways.diagnosis import Explanation, Weight
from bothways.diagnosis.clocks import RELEASED
from diagnosis.talks import client, first, talk
from diagnosis.test_own_side import LATE, holder, host, refused_client
from pair import FrozenClock

NOW = identities.START + timedelta(days=1)


def refused_server(issued: pki.Issued, now: Any = NOW, **settings: Any) -> Explanation:
    clock = FrozenClock(now)
    serving = identities.server_config(credentials=identities.credentials(issued), clock=clock)
    return talk(client(clock=clock, **settings), serving).clients


def reported(found: Explanation) -> list[tuple[str, str]]:
    return [(each.cause.name, each.weight.name) for each in found.shown_causes]


def test_an_expired_anchor_is_no_evidence_for_a_wrong_clock() -> None:
    """The server's chain is valid by our clock, so the clock is right."""
    old = pki.root("Test Root", **LATE)
    found = refused_server(
        host(pki.intermediate(old, "Below", **identities.SPAN)), anchors=TrustStore([old.der])
    )
    assert reported(found) == [("ANCHOR_EXPIRED", "CERTAIN")]
    assert (
        "CN=Test Root" in found.first.text
        and found.first.command == "bothways connect localhost:8443 --ca CA"
    )
    assert first(found) == ("ANCHOR_EXPIRED", "ours")


def test_a_server_explains_its_own_expired_anchor_likewise() -> None:
    old = pki.root("Test Root", **LATE)
    clock = FrozenClock(NOW)
    issued = holder(pki.intermediate(old, "Below", **identities.SPAN))
    serving = identities.server_config(client_anchors=TrustStore([old.der]), clock=clock)
    found = talk(client(issued, clock=clock), serving).servers
    assert reported(found) == [("ANCHOR_EXPIRED", "CERTAIN")]


def test_a_client_is_told_that_the_ca_it_knows_for_its_certificate_expired() -> None:
    """OpenSSL and we tell an expired anchor by certificate_expired."""
    old = pki.root("Old Root", **LATE)
    store = TrustStore([identities.root().der, old.der])
    issued = holder(pki.intermediate(old, "Below", **identities.SPAN))
    clock = FrozenClock(NOW)
    serving = identities.server_config(client_anchors=TrustStore([old.der]), clock=clock)
    found = talk(client(issued, anchors=store, clock=clock), serving).clients
    assert first(found) == ("ANCHOR_EXPIRED", "the peer's")


def test_a_certificate_that_expired_is_certain_where_something_else_is_valid() -> None:
    found = refused_server(host(**LATE))
    assert reported(found) == [("EXPIRED", "CERTAIN")]


def test_a_certificate_and_the_ca_above_it_that_both_expired_are_both_reported() -> None:
    """Each has to be renewed; our own certificate is valid, so the clock is right."""
    found = refused_server(host(pki.intermediate(identities.root(), "Outlived", **LATE), **LATE))
    assert [name for name, _ in reported(found)] == ["EXPIRED", "EXPIRED"]
    assert (
        "the server's certificate" in found.shown_causes[0].text
        and "CN=Outlived" in found.shown_causes[1].text
    )
    assert "Causes, each to be corrected, in this order:" in str(found)


def test_a_clock_before_the_release_is_wrong() -> None:
    found = refused_server(host(), RELEASED - timedelta(days=1))
    assert reported(found)[0] == ("OUR_CLOCK", "CERTAIN")
    assert "the date of this release of bothways" in found.first.evidence


@pytest.mark.parametrize("days", [3650, -200])
def test_a_clock_by_which_nothing_is_valid_is_likely_wrong_and_never_certainly(days: int) -> None:
    found = refused_server(host(), identities.START + timedelta(days=days))
    assert first(found) == ("OUR_CLOCK", "ours")
    assert found.first.weight is Weight.LIKELY and "nothing is valid" in found.first.evidence
    assert {each.cause.name for each in found.shown_causes} > {"OUR_CLOCK"}


def test_the_faults_of_a_client_are_in_the_order_of_correction() -> None:
    """Of an unknown CA and expired: renewing it there would change nothing."""
    found = talk(
        client(holder(identities.root("Another Root"), **LATE), clock=FrozenClock(NOW)),
        identities.server_config(clock=FrozenClock(NOW)),
    ).servers
    assert [name for name, _ in reported(found)][:2] == ["CA_NOT_ACCEPTED", "EXPIRED"]
    assert dict(reported(found))["EXPIRED"] == "CERTAIN"


def test_a_client_with_two_faults_is_told_both_whatever_the_alert_says() -> None:
    found = refused_client(holder(identities.root("Another Root"), **LATE), clock=FrozenClock(NOW))
    assert [name for name, _ in reported(found)][:2] == ["CA_NOT_ACCEPTED", "EXPIRED"]


def test_two_certificates_that_are_not_valid_yet_are_evidence_for_a_clock_that_is_behind() -> None:
    """One may have been installed too early; their CAs are valid at that time."""
    old = pki.root("Old Root", not_before=NOW - timedelta(days=900), not_after=NOW + timedelta(days=900))
    span = {"not_before": NOW - timedelta(days=5), "not_after": NOW + timedelta(days=80)}
    early = FrozenClock(NOW - timedelta(days=60))
    server = identities.server_config(credentials=identities.credentials(host(old, **span)))
    for who, first_cause in ((holder(old, **span), "OUR_CLOCK"), (None, "NOT_YET_VALID")):
        mine = {"credentials": identities.credentials(who)} if who is not None else {}
        config = identities.client_config(None, anchors=TrustStore([old.der]), clock=early, **mine)
        assert talk(config, server).clients.first.cause.name == first_cause
