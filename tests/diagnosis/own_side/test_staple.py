"""OCSP responses that a client misses: by what it asked for, what we sent, and what our certificate requires."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from bothways.diagnosis import Explanation, Weight, explain
from bothways.diagnosis.failure import explain_departure
from bothways.diagnosis.observer import situation_of
from bothways.diagnosis.situation import HelloOffer, Observed, OwnSide, Situation
from bothways.errors import PeerAlert, Truncated
from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.history import FailureFacts
from diagnosis.own_side.test_chain import host
from diagnosis.test_stacks import GNUTLS, GO, OPENSSL_3_0
from pair import pair
from tls.handshake import conversations, conversations12
from tls.handshake.conversations import asking, credentials, good_status

MUST_STAPLE = [(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)]


def facts(version: str, *, asks: bool, staples: bool) -> FailureFacts:
    """What our server knows of a client that says nothing behind its handshake, or leaves for lack of a staple."""
    own = good_status(credentials("localhost")) if staples else None
    policy = {"revocation": asking()} if asks else {}
    talks = conversations12 if version == "1.2" else conversations
    talk = pair(talks.client_config(**policy), talks.server_config(staples=own))
    talk.exchange()
    found = talk.server.history.facts()
    assert found is not None
    return found


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("staples", [True, False])
def test_requested_and_sent_staples_are_known_after_the_handshake(
    version: str, asks: bool, staples: bool
) -> None:
    found = facts(version, asks=asks, staples=staples)
    seen = situation_of(found).observed
    assert seen.offer is not None
    assert (seen.offer.wants_staple, seen.stapled) == (asks, asks and staples)
    why = explain_departure(found, local="127.0.0.1")
    assert why is not None
    told = [each.cause.name for each in why.causes]
    assert ("STAPLE_MISSING" in told) is (asks and not staples)
    assert why.first.weight is Weight.POSSIBLE


def refused(
    alert: Alert | None,
    schemes: tuple[int, ...],
    *,
    must: bool = False,
    wants: bool = True,
    sent: bool = False,
) -> Explanation:
    """The causes where a client refused us, by an alert or without a word."""
    who = host(extra=MUST_STAPLE if must else [])
    offer = HelloOffer(schemes=schemes, server_name="localhost", wants_staple=wants)
    seen = Observed(shown=tuple(who.chain), progress=Progress.JUDGED, offer=offer, stapled=sent)
    error = Truncated("client", step=StepId("2.3"), progress=Progress.JUDGED)
    ours = OwnSide(Role.SERVER, own=(tuple(who.chain),))
    if alert is None:
        return explain(error, Situation(ours, seen))
    by_alert = PeerAlert(alert, step=StepId("2.3"), peer="client", progress=Progress.JUDGED)
    return explain(by_alert, Situation(ours, seen))


def test_openssl_asks_only_where_it_is_told_to_so_it_comes_first() -> None:
    found = refused(None, OPENSSL_3_0)
    assert (found.first.cause.name, found.first.weight) == ("STAPLE_MISSING", Weight.POSSIBLE)
    assert "status_request" in found.first.evidence and "we sent none" in found.first.evidence
    for schemes in (GNUTLS, GO):
        names = [each.cause.name for each in refused(None, schemes).causes]
        assert names[0] != "STAPLE_MISSING" and "STAPLE_MISSING" in names
    for other in (refused(None, OPENSSL_3_0, wants=False), refused(None, OPENSSL_3_0, sent=True)):
        assert "STAPLE_MISSING" not in [each.cause.name for each in other.causes]


@pytest.mark.parametrize("alert", [None, Alert.BAD_CERTIFICATE])
def test_a_certificate_that_requires_a_staple_is_refused_without_one(alert: Alert | None) -> None:
    found = refused(alert, GNUTLS, must=True)
    assert (found.first.cause.name, found.first.weight) == ("STAPLE_MISSING", Weight.LIKELY)
    assert "the certificate itself requires" in found.first.text
    for other in (
        refused(alert, GNUTLS, must=True, sent=True),
        refused(alert, GNUTLS, must=True, wants=False),
    ):
        assert "STAPLE_MISSING" not in [each.cause.name for each in other.causes]


def test_the_alert_about_a_staple_is_for_the_one_that_was_sent_or_for_none() -> None:
    alert = Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    assert [each.cause.name for each in refused(alert, OPENSSL_3_0).causes] == ["STAPLE_MISSING"]
    assert [each.cause.name for each in refused(alert, OPENSSL_3_0, sent=True).causes] == ["BAD_STAPLE"]
    both = refused(alert, OPENSSL_3_0, wants=False)  # a second certificate of a session, or nothing known
    assert [each.cause.name for each in both.causes] == ["STAPLE_MISSING", "BAD_STAPLE"]


def test_a_session_that_was_resumed_shows_no_certificate_and_misses_no_staple() -> None:
    found = facts("1.3", asks=True, staples=False)
    situation = situation_of(found)
    seen = replace(situation.observed, shown=None)
    error = Truncated("client", progress=Progress.ACCEPTED)
    causes = explain(error, replace(situation, observed=seen)).causes
    assert "STAPLE_MISSING" not in [each.cause.name for each in causes]
