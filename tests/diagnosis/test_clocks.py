"""A clock is called wrong only with evidence; four causes about time are distinguished."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

import identities
import pki
from bothways import TrustStore
from bothways.diagnosis import Explanation, Weight
from bothways.diagnosis.clocks import RELEASED
from bothways.errors import PeerFault
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from diagnosis.own_side.test_chain import LATE, holder, host, refused_client
from diagnosis.talks import client, first, talk
from pair import FrozenClock

NOW = identities.START + timedelta(days=1)
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def refused_server(issued: pki.Issued, now: Any = NOW, **settings: Any) -> Explanation:
    clock = FrozenClock(now)
    serving = identities.server_config(credentials=identities.credentials(issued), clock=clock)
    return talk(client(clock=clock, **settings), serving).clients


def reported(found: Explanation) -> list[tuple[str, str]]:
    return [(each.cause.name, each.weight.name) for each in found.shown_causes]


def test_an_expired_anchor_is_no_evidence_for_a_wrong_clock() -> None:
    """It leads, and our clock is doubted as far as nothing but it says that the anchor expired."""
    old = pki.root("Test Root", **LATE)
    found = refused_server(
        host(pki.intermediate(old, "Below", **identities.SPAN)), anchors=TrustStore([old.der])
    )
    assert reported(found) == [("ANCHOR_EXPIRED", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]
    assert (
        "CN=Test Root" in found.first.text
        and found.first.command == "bothways connect localhost:8443 --ca CA"
    )
    assert first(found) == ("ANCHOR_EXPIRED", "ours")


def test_an_expired_anchor_is_ours_in_every_sentence() -> None:
    """The server has sent nothing that expired."""
    old = pki.root("Test Root", **LATE)
    below = host(pki.intermediate(old, "Below", **identities.SPAN))
    clock = FrozenClock(NOW)
    serving = identities.server_config(credentials=identities.credentials(below), clock=clock)
    made = talk(client(clock=clock, anchors=TrustStore([old.der])), serving)
    error = made.pair.client_failure
    assert isinstance(error, PeerFault) and error.facts["anchor"] == "CN=Test Root"
    assert "leads to our trust anchor CN=Test Root, which expired on" in str(error)
    assert "among our trust anchors" in error.hint and "renew the peer" not in str(error)
    assert str(error.reasons[0]).startswith("our trust anchor CN=Test Root expired on")
    assert "a trust anchor that is ours" in made.clients.usually


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        (
            {"not_before": NOW + timedelta(days=9), "not_after": NOW + timedelta(days=99)},
            "is not valid before",
        ),
        ({"key_kind": "RSA-1024", **identities.SPAN}, "has a key that is too weak: RSA of 1024 bits"),
        (
            {"usage": ("clientAuth",), **identities.SPAN},
            "may not be used for serverAuth: it allows clientAuth",
        ),
        ({"key_usage": ("crl_sign",), **identities.SPAN}, "has a key usage that lacks keyCertSign"),
        ({"path_length": 0, **identities.SPAN}, "allows 0 CA certificates below it, and there are more"),
        ({"ca": False, **identities.SPAN}, "is not a CA"),
        ({"extra": [(STRANGE, True)], **identities.SPAN}, "has the critical extension 1.3.6.1.4.1.55555.1"),
    ],
    ids=["early", "weak", "for clients", "not for signing", "above too many", "no CA", "strange"],
)
def test_whatever_is_wrong_with_an_anchor_lies_with_us(options: dict[str, Any], detail: str) -> None:
    anchor = pki.root("Test Root", **options)
    below = pki.intermediate(anchor, "Below", **identities.SPAN)
    found = refused_server(host(below), anchors=TrustStore([anchor.der]))
    weight = "LIKELY" if detail == "is not valid before" else "CERTAIN"
    assert reported(found)[0] == ("ANCHOR_UNUSABLE", weight) and first(found)[1] == "ours"
    assert ("OUR_CLOCK" in dict(reported(found))) == (weight == "LIKELY")
    assert detail in found.first.text


def test_an_anchor_that_a_peer_sends_as_its_own_certificate_is_the_peers() -> None:
    """Trusted itself, it is still what the peer has to renew."""
    alone = host(**LATE)
    assert reported(refused_server(alone, anchors=TrustStore([alone.der]))) == SAID_BY_OUR_CLOCK


def test_a_server_explains_its_own_expired_anchor_likewise() -> None:
    old = pki.root("Test Root", **LATE)
    clock = FrozenClock(NOW)
    issued = holder(pki.intermediate(old, "Below", **identities.SPAN))
    serving = identities.server_config(client_anchors=TrustStore([old.der]), clock=clock)
    found = talk(client(issued, clock=clock), serving).servers
    assert reported(found) == [("ANCHOR_EXPIRED", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]


def test_a_client_is_told_that_the_ca_it_knows_for_its_certificate_expired() -> None:
    """OpenSSL and we tell an expired anchor by certificate_expired."""
    old = pki.root("Old Root", **LATE)
    store = TrustStore([identities.root().der, old.der])
    issued = holder(pki.intermediate(old, "Below", **identities.SPAN))
    clock = FrozenClock(NOW)
    serving = identities.server_config(client_anchors=TrustStore([old.der]), clock=clock)
    found = talk(client(issued, anchors=store, clock=clock), serving).clients
    assert first(found) == ("ANCHOR_EXPIRED", "the peer's")


@pytest.mark.parametrize(("knows", "weight"), [("nothing", "LIKELY"), ("a later one", "POSSIBLE")])
def test_an_anchor_of_the_peer_that_we_do_not_have_may_have_expired(knows: str, weight: str) -> None:
    """Its alert says no more, and what we have of that CA is not what the server has."""
    own_key = pki.key("P-256", 77)
    old = pki.root("Old Root", own_key=own_key, **LATE)
    later = pki.root("Old Root", own_key=own_key, **identities.SPAN)
    store = TrustStore([identities.root().der, *([later.der] if knows == "a later one" else [])])
    issued = holder(pki.intermediate(old, "Below", **identities.SPAN))
    clock = FrozenClock(NOW)
    serving = identities.server_config(client_anchors=TrustStore([old.der]), clock=clock)
    found = talk(client(issued, anchors=store, clock=clock), serving).clients
    assert ("ANCHOR_EXPIRED", weight) in [(each.cause.name, each.weight.name) for each in found.causes]
    assert "EXPIRED" not in [each.cause.name for each in found.causes]


SAID_BY_OUR_CLOCK = [("EXPIRED", "LIKELY"), ("OUR_CLOCK", "POSSIBLE")]


def test_a_cause_that_depends_on_our_clock_alone_is_not_certain() -> None:
    """A clock that is ahead finds the same, whatever else is valid by it."""
    found = refused_server(host(**LATE))
    assert reported(found) == SAID_BY_OUR_CLOCK
    assert found.first.command == "" and "our clock says" in found.first.evidence


@pytest.mark.parametrize("made", ["an anchor", "a CRL"])
def test_a_certificate_expired_for_certain_where_something_of_ours_was_made_after_its_end(made: str) -> None:
    """Whatever our clock shows, the time was later."""
    start, since = identities.START, NOW - timedelta(hours=6)
    ended = {"not_before": start, "not_after": start + timedelta(hours=12)}
    anchors: list[bytes] = [identities.root().der]
    asked: dict[str, Any] = {}
    if made == "an anchor":
        anchors.append(pki.root("Another Root", not_before=since, not_after=identities.END).der)
    else:
        crls = [
            pki.crl(by, this_update=since, next_update=since + timedelta(days=9))
            for by in (identities.root(), identities.middle())
        ]
        asked["revocation"] = Revocation(crls=CRLStore(map(CRL, crls)))
    issued = host(**ended)
    found = refused_server(issued, anchors=TrustStore(anchors), **asked)
    assert reported(found) == [("EXPIRED", "CERTAIN")]
    assert "later than its end" in found.first.evidence


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_certificate_that_is_not_valid_yet_raises_doubts_about_our_clock_on_both_sides(role: str) -> None:
    later = NOW + timedelta(days=21)
    if role == "client":
        found = refused_server(host(not_before=later))
    else:
        found = talk(
            client(holder(not_before=later), clock=FrozenClock(NOW)),
            identities.server_config(clock=FrozenClock(NOW)),
        ).servers
    assert reported(found) == [("NOT_YET_VALID", "LIKELY"), ("OUR_CLOCK", "LIKELY")]


def test_a_certificate_and_the_ca_above_it_that_both_expired_are_both_reported() -> None:
    """Each has to be renewed, unless our clock is wrong."""
    found = refused_server(host(pki.intermediate(identities.root(), "Outlived", **LATE), **LATE))
    assert [name for name, _ in reported(found)] == ["EXPIRED", "EXPIRED", "OUR_CLOCK"]
    assert (
        "the server's certificate" in found.shown_causes[0].text
        and "CN=Outlived" in found.shown_causes[1].text
    )
    assert "Causes, in the order in which to correct them:" in str(found)


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
    assert dict(reported(found))["EXPIRED"] == "LIKELY"


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


@pytest.mark.parametrize(
    ("issued", "expected"),
    [
        (timedelta(days=2), [("OUR_CLOCK", "LIKELY"), ("STATUS_UNKNOWN", "LIKELY")]),
        (timedelta(hours=-73), [*[("STATUS_UNKNOWN", "LIKELY")] * 2, ("OUR_CLOCK", "POSSIBLE")]),
        (timedelta(days=-9), [("STATUS_UNKNOWN", "CERTAIN")]),
    ],
    ids=["later", "just outdated", "outdated before our certificate was issued"],
)
def test_a_crl_that_is_not_valid_yet_raises_doubts_about_our_clock(
    issued: timedelta, expected: list[tuple[str, str]]
) -> None:
    """The certificates are valid by it; one that is out of date is that for certain where its end is long past."""
    begins = NOW + issued
    made = [
        pki.crl(by, this_update=begins, next_update=begins + timedelta(days=3))
        for by in (identities.root(), identities.middle())
    ]
    found = refused_server(host(), revocation=Revocation(crls=CRLStore(map(CRL, made))))
    assert reported(found)[: len(expected)] == expected
