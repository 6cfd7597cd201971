"""Who issued our certificate, what lacks above it, and how deep a peer lets a chain be."""

from __future__ import annotations

import pytest

import identities
import pki
from bothways import TrustStore
from bothways.diagnosis import explain
from bothways.diagnosis.situation import AcceptedCertificates, Observed, OwnSide, Situation
from bothways.errors import PeerAlert, Truncated
from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from diagnosis.own_side.test_chain import (
    LATE,
    SPAN,
    alone,
    holder,
    host,
    refused,
    refused_client,
    refused_so,
)
from diagnosis.talks import client, first, talk
from diagnosis.test_stacks import OPENSSL_3_0


def test_a_renewed_ca_is_distinguished_from_a_missing_one() -> None:
    """The server names our CA, and the CA of that name that we both trust signed nothing of ours."""
    new = pki.root("Test Root", own_key=pki.key("P-256", 77), **SPAN)
    found = refused_client(holder(new, key_identifiers=False))
    assert first(found) == ("CA_REPLACED", "ours")


def test_a_server_that_sends_its_leaf_alone_and_is_told_so_by_what_it_trusts_itself() -> None:
    """Its own anchors hold the intermediate."""
    anchors = TrustStore([identities.root().der, identities.middle().der])
    server = identities.server_config(credentials=alone(host()), client_anchors=anchors)
    found = talk(client(), server).servers
    assert first(found) == ("INTERMEDIATE_MISSING", "ours")
    assert "CN=Test Root" not in found.first.text and "CN=Test Intermediate" in found.first.text


def test_a_server_that_names_an_intermediate_alone_may_want_its_root_too() -> None:
    """OpenSSL takes no intermediate for an anchor without X509_V_FLAG_PARTIAL_CHAIN, and says unknown_ca."""
    other = pki.intermediate(identities.root(), "Test Intermediate", own_key=pki.key("P-256", 78), **SPAN)
    found = refused_client(holder(), client_anchors=TrustStore([other.der]))
    assert first(found) == ("PARTIAL_CHAIN", "the peer's")
    assert "it names CN=Test Intermediate, which CN=Test Root issued" in found.first.evidence


def deep() -> pki.Issued:
    """A client two CAs below the root."""
    return holder(pki.intermediate(identities.middle(), "Test Lower", **SPAN))


@pytest.mark.parametrize(
    ("alert", "who", "first_cause", "second"),
    [
        (Alert.UNKNOWN_CA, holder(), "STATUS_UNKNOWN", "CA_REPLACED"),
        (Alert.UNKNOWN_CA, deep(), "DEPTH_LIMIT", "STATUS_UNKNOWN"),
        (Alert.INTERNAL_ERROR, holder(), "DEPTH_LIMIT", "NOT_LET_IN"),
        (Alert.INTERNAL_ERROR, holder(identities.root()), "DEPTH_LIMIT", "NOT_LET_IN"),
    ],
)
def test_a_server_that_names_our_ca_may_have_a_lower_limit_or_no_list(
    alert: Alert, who: pki.Issued, first_cause: str, second: str
) -> None:
    """OpenSSL sends unknown_ca for both, and for a CA whose key changed. Apache sends internal_error."""
    found = refused(alert, who, OPENSSL_3_0, Role.CLIENT)
    names = [name for name, _ in found]
    assert names[:2] == [first_cause, second] and "DEPTH_LIMIT" in names[:4]
    assert ("STATUS_UNKNOWN", "LIKELY") not in found, "nothing but the alert speaks for it"


def test_a_client_of_openssl_may_have_such_limits_too() -> None:
    names = [name for name, _ in refused(Alert.UNKNOWN_CA, host(), OPENSSL_3_0, asked="localhost")]
    assert names == ["CA_NOT_ACCEPTED", "STATUS_UNKNOWN", "DEPTH_LIMIT"]


def test_a_server_that_closes_without_an_alert_may_trust_the_intermediate_alone() -> None:
    """Node.js closes for whatever OpenSSL does not accept: the CAs that the server names are better evidence."""
    who = holder()
    assert refused(None, who, OPENSSL_3_0, Role.CLIENT)[0] == ("NOT_LET_IN", "POSSIBLE")
    named = (identities.middle().certificate.subject.public_bytes(),)
    seen = Observed(
        shown=tuple(who.chain), request=AcceptedCertificates(OPENSSL_3_0, named), progress=Progress.JUDGED
    )
    ours = OwnSide(Role.CLIENT, own=(tuple(who.chain),), anchors=identities.anchors())
    error = Truncated("server", step=StepId("3.3"), progress=Progress.JUDGED)
    assert first(explain(error, Situation(ours, seen))) == ("PARTIAL_CHAIN", "the peer's")


def test_a_client_that_sends_an_expired_leaf_alone_is_told_both() -> None:
    """OpenSSL sends unknown_ca for it; the server sends the intermediate in its own chain."""
    top = identities.root("Alpha")
    middle = pki.intermediate(top, "Omega", **SPAN)
    mine = identities.client_config(
        None, credentials=alone(holder(middle, **LATE)), anchors=TrustStore([top.der])
    )
    server = identities.server_config(
        credentials=identities.credentials(host(middle)), client_anchors=TrustStore([top.der])
    )
    situation = talk(mine, server).client.situation()
    error = PeerAlert(Alert.UNKNOWN_CA, step=StepId("3.3"), peer="server", state="CONNECTED")
    causes = [each.cause.name for each in explain(error, situation).causes]
    assert causes[:2] == ["INTERMEDIATE_MISSING", "EXPIRED"]


def test_java_refuses_a_long_chain_by_handshake_failure_after_the_suite_was_chosen() -> None:
    names = [name for name, _ in refused(Alert.HANDSHAKE_FAILURE, holder(), (), Role.CLIENT)]
    assert "DEPTH_LIMIT" in names and "NO_SHARED_SUITE" not in names
    found = refused_so(Alert.HANDSHAKE_FAILURE, holder(), (), Role.CLIENT).causes
    remedy = next(each.remedy for each in found if each.cause.name == "DEPTH_LIMIT")
    assert "Erlang `depth` 3" in remedy and "maxCertificateChainLength" in remedy and "nginx" not in remedy
    names = [name for name, _ in refused(Alert.HANDSHAKE_FAILURE, holder(), OPENSSL_3_0, Role.CLIENT)]
    assert "DEPTH_LIMIT" not in names and "NO_SHARED_SUITE" not in names


@pytest.mark.parametrize(
    ("role", "firsts"), [(Role.CLIENT, "STATUS_UNKNOWN"), (Role.SERVER, "ANCHOR_EXPIRED")]
)
def test_an_alert_that_we_expired_may_mean_an_expired_root_or_an_old_crl(role: Role, firsts: str) -> None:
    """Servers check revocation; clients have CRLs seldom."""
    who = holder() if role is Role.CLIENT else host()
    names = [
        name for name, _ in refused(Alert.CERTIFICATE_EXPIRED, who, OPENSSL_3_0, role, asked="localhost")
    ]
    others = [each for each in names if each in ("STATUS_UNKNOWN", "ANCHOR_EXPIRED")]
    assert names[0] == "PEERS_CLOCK" and others[0] == firsts and len(others) == 2
