"""The causes on our side of a refusal, by what is known of our own configuration."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import identities
import pki
from bothways import Credentials, PeerRule, TrustStore
from bothways.diagnosis import Explanation, Files, HandshakeFacts, Weight, explain
from bothways.diagnosis.situation import AcceptedCertificates, HelloOffer, Observed, OwnSide, Situation
from bothways.errors import PeerAlert, Truncated
from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation.policy import Revocation
from diagnosis.talks import client, first, talk
from diagnosis.test_stacks import GNUTLS, GO, JAVA, OPENSSL_3_0
from pair import FrozenClock

SPAN = identities.SPAN
LATE = {"not_before": identities.START - timedelta(days=90), "not_after": identities.START}


def holder(by: pki.Issued | None = None, name: str = "Ada", **options: Any) -> pki.Issued:
    """A client's certificate with something about it."""
    chosen = {"alternatives": (), "usage": ("clientAuth",), **SPAN} | options
    return pki.leaf(identities.middle() if by is None else by, name, **chosen)


def host(by: pki.Issued | None = None, **options: Any) -> pki.Issued:
    """A server's certificate with something about it."""
    chosen = {"alternatives": ["DNS:localhost"], "usage": ("serverAuth",), **SPAN} | options
    return pki.leaf(identities.middle() if by is None else by, "host", **chosen)


def alone(issued: pki.Issued) -> Credentials:
    """The leaf without those above it."""
    return Credentials.from_pem(issued.pem, issued.key_pem)


def refused_client(who: Any, **server: Any) -> Explanation:
    mine = who if isinstance(who, Credentials) else identities.credentials(who)
    return talk(identities.client_config(None, credentials=mine), identities.server_config(**server)).clients


CLIENTS = [
    ("CA_NOT_ACCEPTED", "ours", holder(identities.root("Another Root"))),
    ("INTERMEDIATE_MISSING", "ours", alone(holder())),
    ("WRONG_ENVIRONMENT", "ours", holder(identities.root("Example Production CA"))),
    ("EXPIRED", "ours", holder(**LATE)),
    ("WRONG_USE", "ours", holder(usage=("serverAuth",))),
    ("WEAK_KEY", "ours", holder(key_kind="RSA-1024")),
    ("SELF_SIGNED", "ours", pki.leaf(None, "Ada", ca=None, alternatives=(), **SPAN)),
]


@pytest.mark.parametrize(("cause", "whose", "who"), CLIENTS, ids=[row[0] for row in CLIENTS])
def test_a_client_is_told_what_is_wrong_with_its_certificate(cause: str, whose: str, who: Any) -> None:
    anchors = [identities.root()]
    if cause == "WRONG_ENVIRONMENT":
        anchors = [identities.root("Example Sandbox CA")]
    trusted = TrustStore([each.der for each in anchors])
    found = refused_client(who, client_anchors=trusted)
    assert first(found) == (cause, whose)
    assert found.first.evidence


@pytest.mark.parametrize("trusted", ["Test Root", "Another Root"])
def test_a_client_whose_own_crl_lists_its_certificate_is_told_so_beside_other_faults(trusted: str) -> None:
    """Whatever the server refused first, and whether we trust the CA of our certificate or not."""
    late = holder(**LATE)
    config = identities.client_config(
        late,
        anchors=TrustStore.from_pem(identities.root(trusted).pem),
        revocation=Revocation(crls=CRLStore(identities.crls(late)[1:])),
    )
    for who, causes in ((late, ["EXPIRED", "REVOKED"]), (holder(**LATE), ["EXPIRED"])):
        seen = Observed(shown=tuple(who.chain), request=AcceptedCertificates())
        found = explain(
            PeerAlert(Alert.BAD_CERTIFICATE, step=StepId("3.3"), peer="server", progress=Progress.JUDGED),
            Situation(OwnSide.of(config, "localhost"), seen),
        )
        faults = [each for each in found.causes if each.weight is Weight.LIKELY and each.cause.name in causes]
        assert [each.cause.name for each in faults] == causes and found.first.cause.name == "EXPIRED"
        assert len(causes) == 1 or "a CRL that we have ourselves" in faults[1].evidence


def test_a_client_without_a_certificate_is_told_who_may_issue_one() -> None:
    found = talk(identities.client_config()).clients
    assert first(found) == ("NO_CERTIFICATE", "ours")
    assert "CN=Test Root" in found.first.evidence


def test_a_client_whose_certificate_was_not_sent_is_told_why() -> None:
    key = holder(key_kind="Ed25519")
    found = refused_client(key, schemes=("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"))
    assert first(found) == ("NO_SHARED_SCHEME", "ours")
    assert "ED25519" in found.first.text and "ecdsa_secp256r1_sha256" in found.first.text
    both = [
        identities.credentials(holder(identities.root(name))) for name in ("Another Root", "A Third Root")
    ]
    found = talk(identities.client_config(None, credentials=both)).clients
    assert first(found) == ("CERTIFICATE_WITHHELD", "ours")
    assert "Another Root" in found.first.text


SERVERS = [
    ("WRONG_NAME", host(alternatives=["DNS:elsewhere.example"])),
    ("NO_ALTERNATIVE_NAME", host(alternatives=())),
    ("EXPIRED", host(**LATE)),
    ("WRONG_USE", host(usage=("clientAuth",))),
    ("CA_NOT_ACCEPTED", host(identities.root("Another Root"))),
]


@pytest.mark.parametrize(("cause", "who"), SERVERS, ids=[row[0] for row in SERVERS])
def test_a_server_is_told_what_is_wrong_with_its_certificate(cause: str, who: pki.Issued) -> None:
    found = talk(client(), identities.server_config(credentials=identities.credentials(who))).servers
    assert first(found) == (cause, "ours")


def test_a_clock_is_suspected_when_the_certificate_is_sound() -> None:
    fresh = holder(not_before=identities.START + timedelta(hours=23))
    config = identities.client_config(None, credentials=identities.credentials(fresh))
    late = FrozenClock(identities.END + timedelta(days=1))
    found = talk(config, identities.server_config(clock=late)).clients
    assert first(found) == ("PEERS_CLOCK", "the peer's")
    assert "valid from" in found.first.evidence


def test_our_own_clock_is_suspected_when_all_that_we_have_is_out_of_date() -> None:
    early = FrozenClock(identities.START - timedelta(days=3650))
    found = talk(client(clock=early)).clients
    assert first(found) == ("OUR_CLOCK", "ours")


def test_a_client_certificate_that_may_not_sign_is_found_by_ourselves() -> None:
    """As that of a CA: OpenSSL says unsupported_certificate, Java certificate_unknown, GnuTLS internal_error."""
    authority = pki.intermediate(identities.middle(), "Ada", **SPAN)
    config = identities.client_config(None, credentials=identities.credentials(authority))
    situation = talk(config).client.situation()
    for alert in (Alert.UNSUPPORTED_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN, Alert.INTERNAL_ERROR):
        error = PeerAlert(alert, step=StepId("3.3"), peer="server", progress=Progress.JUDGED)
        assert first(explain(error, situation)) == ("WRONG_KEY_USAGE", "ours")


@pytest.mark.parametrize(("named", "cause"), [(True, "DEPTH_LIMIT"), (False, "NOT_LET_IN")])
def test_internal_error_is_of_a_depth_where_the_server_names_its_cas(named: bool, cause: str) -> None:
    """As Apache does; an application that refuses by a callback of its own may name none."""
    situation = talk(
        identities.client_config(None, credentials=identities.credentials(holder()))
    ).client.situation()
    assert situation.observed.request is not None
    asked = situation.observed.request if named else replace(situation.observed.request, authorities=())
    error = PeerAlert(Alert.INTERNAL_ERROR, step=StepId("3.3"), peer="server", progress=Progress.JUDGED)
    seen = replace(situation, observed=replace(situation.observed, request=asked))
    assert explain(error, seen).first.cause.name == cause


def test_commands_name_the_files_that_were_given() -> None:
    config = identities.client_config(identities.client())
    observed = HandshakeFacts(
        config, "localhost", address="localhost:1", files=Files("me.pem", "me.key", "ca.pem")
    )
    config.connection("localhost", observer=observed)
    error = PeerAlert(Alert.HANDSHAKE_FAILURE, step=StepId("1.2"), peer="server", state="WAIT_SH")
    commands = [each.command for each in explain(error, observed.situation()).causes]
    assert (
        "bothways connect localhost:1 --cert me.pem --key me.key --probe --ca ca.pem --name NAME" in commands
    )


# -- by the implementation that the peer seems to be -----------------------------------------------------------


def refused(
    alert: Alert | None,
    who: pki.Issued,
    schemes: tuple[int, ...] = (),
    role: Role = Role.SERVER,
    asked: str | None = None,
    local: str = "",
    days: int = 0,
) -> list[tuple[str, str]]:
    """The causes, and their weights, for what refused a chain of ours without a word or by an alert."""
    found = refused_so(alert, who, schemes, role, asked, local, days)
    return [(each.cause.name, each.weight.name) for each in found.causes]


def refused_so(
    alert: Alert | None,
    who: pki.Issued,
    schemes: tuple[int, ...] = (),
    role: Role = Role.SERVER,
    asked: str | None = None,
    local: str = "",
    days: int = 0,
) -> Explanation:
    """The same, explained."""
    seen = Observed(shown=tuple(who.chain), progress=Progress.JUDGED)
    if role is Role.CLIENT:
        named = tuple(each.certificate.subject.public_bytes() for each in who.above)
        seen = replace(seen, request=AcceptedCertificates(schemes, named))
    else:
        seen = replace(seen, offer=HelloOffer(schemes=schemes, server_name=asked))
    peer, step = ("client", StepId("2.3")) if role is Role.SERVER else ("server", StepId("3.3"))
    if alert is None:
        error: Exception = Truncated(peer, step=step, progress=Progress.JUDGED)
    else:
        error = PeerAlert(alert, step=step, peer=peer, state="x", progress=Progress.JUDGED)
    ours = OwnSide(role, own=(tuple(who.chain),), anchors=identities.anchors(), local=local)
    now = datetime.now(UTC) + timedelta(days=days)
    return explain(error, Situation(ours, seen, now))


@pytest.mark.parametrize("role", list(Role))
def test_bad_certificate_of_openssl_is_no_unknown_issuer(role: Role) -> None:
    """What is valid by our clock is not yet valid by the peer's; for an issuer it sends unknown_ca."""
    who = host() if role is Role.SERVER else holder()
    causes = refused(Alert.BAD_CERTIFICATE, who, OPENSSL_3_0, role, asked="localhost")
    assert causes[0] == ("PEERS_CLOCK", "LIKELY")
    other = refused(Alert.BAD_CERTIFICATE, who, GNUTLS, role, asked="localhost")
    assert other[0] != ("PEERS_CLOCK", "LIKELY")


def test_how_far_a_clock_is_behind_is_known_as_the_least_only() -> None:
    found = refused_so(Alert.BAD_CERTIFICATE, holder(), OPENSSL_3_0, Role.CLIENT, days=30).first
    assert found.cause.name == "PEERS_CLOCK"
    assert re.search(r"its clock would be at least \d+ days behind", found.evidence)


@pytest.mark.parametrize(
    ("local", "alternatives", "first_cause"),
    [
        ("192.0.2.7", ["DNS:localhost", "IP:192.0.2.7"], "WRONG_NAME"),
        ("192.0.2.7", ["DNS:localhost", "IP:192.0.2.8"], "WRONG_NAME"),
        ("192.0.2.7", ["DNS:localhost", "DNS:192.0.2.7"], "WRONG_NAME"),
        ("2001:db8::7", ["DNS:localhost", "IP:2001:db8::7"], "WRONG_NAME"),
    ],
)
def test_the_address_at_which_a_client_reached_us_is_evidence_for_the_name_that_it_wants(
    local: str, alternatives: list[str], first_cause: str
) -> None:
    """RFC 6066 3: who connects by address sends no server name."""
    who = host(alternatives=alternatives)
    assert refused(Alert.BAD_CERTIFICATE, who, OPENSSL_3_0, local=local, days=30)[0] == (
        first_cause,
        "LIKELY",
    )


def test_a_client_that_connected_by_address_compares_a_name_rather_than_that_its_clock_is_weeks_behind() -> (
    None
):
    """OpenSSL says bad_certificate of both; of a new certificate a clock that is a little behind says it too."""
    for days, first_cause in ((0, "PEERS_CLOCK"), (30, "WRONG_NAME")):
        found = refused(
            Alert.BAD_CERTIFICATE, host(alternatives=["DNS:localhost", "IP:192.0.2.7"]), OPENSSL_3_0,
            local="192.0.2.7", days=days,
        )  # fmt: skip
        assert found[0] == (first_cause, "LIKELY")
        assert {"PEERS_CLOCK", "WRONG_NAME"} <= {name for name, _ in found}


def test_a_client_of_gnutls_that_reached_us_by_address_has_a_wrong_name_before_an_unknown_ca() -> None:
    """It says bad_certificate of both."""
    who = host(alternatives=["DNS:localhost"])
    assert refused(Alert.BAD_CERTIFICATE, who, GNUTLS, local="192.0.2.7")[0] == ("WRONG_NAME", "LIKELY")
    assert refused(Alert.BAD_CERTIFICATE, who, GNUTLS, asked="localhost")[0][0] == "CA_NOT_ACCEPTED"


def test_a_client_that_reached_us_at_an_address_of_our_certificate_has_no_wrong_name_first() -> None:
    """Node.js closes without an alert for whatever it does not accept."""
    who = host(identities.root("Another Root"), alternatives=["DNS:localhost", "IP:192.0.2.7"])
    assert refused(None, who, OPENSSL_3_0, local="192.0.2.7")[0][0] == "CA_NOT_ACCEPTED"


@pytest.mark.parametrize(("days", "first_cause"), [(80, "PEERS_CLOCK"), (400, "STATUS_UNKNOWN")])
def test_certificate_expired_of_openssl_may_be_a_crl_that_is_out_of_date(days: int, first_cause: str) -> None:
    """Both are shown; a clock that is ahead by months is the rarer."""
    ends = {"not_before": identities.START, "not_after": identities.START + timedelta(days=days)}
    who = holder(pki.root("Lasting Root", **ends), **ends)
    causes = refused(Alert.CERTIFICATE_EXPIRED, who, OPENSSL_3_0, Role.CLIENT)
    assert causes[0] == (first_cause, "LIKELY")
    assert {("PEERS_CLOCK", "LIKELY"), ("STATUS_UNKNOWN", "LIKELY")} == set(causes[:2])
    assert refused(Alert.CERTIFICATE_EXPIRED, who, GO, Role.CLIENT)[0] == ("PEERS_CLOCK", "LIKELY")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["URI:spiffe://example.org/team/ada"], "add us: spiffe://example.org/team/ada"),
        (["URI:https://ada.example/"], "add us: CN=Ada"),
    ],
)
def test_the_client_to_add_is_named_by_its_spiffe_id_if_it_has_one(names: list[str], told: str) -> None:
    found = refused_client(holder(alternatives=names), allow=PeerRule(dns="else.example"))
    assert told in "\n".join(found.lines())


def test_access_denied_of_gnutls_may_be_any_fault_that_we_cannot_see() -> None:
    names = [name for name, _ in refused(Alert.ACCESS_DENIED, holder(), GNUTLS, Role.CLIENT)]
    assert names[:3] == ["PEERS_CLOCK", "REVOKED", "NOT_LET_IN"]
    assert refused(Alert.ACCESS_DENIED, holder(), (), Role.CLIENT)[0][0] == "NOT_LET_IN"


def test_a_client_with_gnutls_may_have_found_our_certificate_revoked() -> None:
    """It sends bad_certificate for that too; OpenSSL has an alert for it, and a CRL of ours says nothing."""
    found = refused(Alert.BAD_CERTIFICATE, host(), GNUTLS, asked="localhost")
    assert dict(found)["REVOKED"] == "POSSIBLE" and found[0][0] == "CA_NOT_ACCEPTED"
    assert dict(refused(None, host(), GNUTLS, asked="localhost"))["REVOKED"] == "POSSIBLE"
    for alert in (None, Alert.BAD_CERTIFICATE):
        assert "REVOKED" not in dict(refused(alert, host(), OPENSSL_3_0, asked="localhost"))


def test_a_server_of_another_kind_may_lack_a_crl_for_us() -> None:
    """Erlang's ssl says bad_certificate where it cannot determine the status; Go has no CRLs."""
    unknown = refused(Alert.BAD_CERTIFICATE, holder(), (0x0807, 0x0403), Role.CLIENT)
    assert dict(unknown)["STATUS_UNKNOWN"] == "POSSIBLE" and len(unknown) <= 4
    assert "STATUS_UNKNOWN" not in dict(refused(Alert.BAD_CERTIFICATE, holder(), GO, Role.CLIENT))


def test_no_peer_says_which_certificate_of_a_chain_is_revoked() -> None:
    error = PeerAlert(Alert.CERTIFICATE_REVOKED, step=StepId("3.3"), peer="server", state="x")
    ours = OwnSide(Role.CLIENT)
    chain = explain(error, Situation(ours, Observed(shown=tuple(holder().chain)))).first
    leaf = explain(error, Situation(ours, Observed(shown=(holder(identities.root()).der,)))).first
    assert "or the CA CN=Test Intermediate that issued it" in chain.text and "another CA" in chain.remedy
    assert leaf.text == "our certificate was revoked" and "another CA" not in leaf.remedy


def test_a_fault_of_a_ca_is_corrected_there_and_not_by_a_new_leaf() -> None:
    late = pki.intermediate(identities.root(), "Test Late", **LATE)
    found = refused_client(holder(late))
    assert first(found) == ("EXPIRED", "ours")
    assert (
        "CN=Test Late in our chain" in found.first.text and "that CA's new certificate" in found.first.remedy
    )


@pytest.mark.parametrize(
    ("alert", "weight"),
    [
        (Alert.CERTIFICATE_REQUIRED, "CERTAIN"),
        (Alert.BAD_CERTIFICATE, "LIKELY"),
        (Alert.CERTIFICATE_UNKNOWN, "LIKELY"),
        (Alert.ACCESS_DENIED, "LIKELY"),
        (Alert.HANDSHAKE_FAILURE, "LIKELY"),
        (Alert.INTERNAL_ERROR, "LIKELY"),
    ],
)
def test_missing_certificate_is_certain_if_the_alert_has_no_other_meaning(alert: Alert, weight: str) -> None:
    """Go says bad_certificate for whatever a function of the application refuses, such as the server name."""
    seen = Observed(request=AcceptedCertificates(OPENSSL_3_0, ()), shown=(), progress=Progress.JUDGED)
    error = PeerAlert(alert, step=StepId("3.3"), peer="server", state="x", progress=Progress.JUDGED)
    found = explain(error, Situation(OwnSide(Role.CLIENT), seen)).first
    assert (found.cause.name, found.weight.name) == ("NO_CERTIFICATE", weight)


@pytest.mark.parametrize(
    ("alert", "who", "cause", "weight"),
    [
        (Alert.CERTIFICATE_EXPIRED, holder(**LATE), "EXPIRED", "CERTAIN"),
        (Alert.UNSUPPORTED_CERTIFICATE, holder(usage=("serverAuth",)), "WRONG_USE", "CERTAIN"),
        (Alert.BAD_CERTIFICATE, holder(key_kind="RSA-1024"), "WEAK_KEY", "LIKELY"),
        (Alert.CERTIFICATE_UNKNOWN, holder(**LATE), "EXPIRED", "LIKELY"),
    ],
)
def test_a_fault_of_ours_is_certain_where_the_alert_is_for_it_alone(
    alert: Alert, who: pki.Issued, cause: str, weight: str
) -> None:
    """OpenSSL sends bad_certificate for many: that our key is weak does not show that it was the reason."""
    assert dict(refused(alert, who, OPENSSL_3_0, Role.CLIENT))[cause] == weight


def test_java_says_one_alert_for_all_and_asks_for_no_revocation_status_by_default() -> None:
    names = [name for name, _ in refused(Alert.CERTIFICATE_UNKNOWN, holder(), JAVA, Role.CLIENT)]
    assert names.index("PEERS_CLOCK") < names.index("NOT_LET_IN") and "STATUS_UNKNOWN" not in names
    assert "STATUS_UNKNOWN" in [
        name for name, _ in refused(Alert.CERTIFICATE_UNKNOWN, holder(), (), Role.CLIENT)
    ]


def test_what_a_client_refuses_by_a_wrong_name_in_the_hello_is_not_certain() -> None:
    """OpenSSL's s_client compares no names: it says bad_certificate since its clock is behind."""
    found = refused(Alert.BAD_CERTIFICATE, host(), OPENSSL_3_0, asked="other.example")
    assert found[0] == ("WRONG_NAME", "LIKELY") and "PEERS_CLOCK" in [name for name, _ in found]


def test_apache_says_handshake_failure_where_it_gets_no_ocsp_response_for_our_certificate() -> None:
    found = [name for name, _ in refused(Alert.HANDSHAKE_FAILURE, holder(), OPENSSL_3_0, Role.CLIENT)]
    assert "STATUS_UNKNOWN" in found


def test_gnutls_says_decode_error_in_tls_1_2_for_a_message_without_a_certificate() -> None:
    seen = Observed(request=AcceptedCertificates(GNUTLS, ()), shown=(), progress=Progress.JUDGED)
    error = PeerAlert(
        Alert.DECODE_ERROR, step=StepId("3"), peer="server", state="x", progress=Progress.JUDGED
    )
    found = explain(error, Situation(OwnSide(Role.CLIENT), seen))
    assert first(found) == ("NO_CERTIFICATE", "ours") and found.first.weight.name == "LIKELY"
    sent = replace(seen, shown=tuple(holder().chain))
    assert "NO_CERTIFICATE" not in [
        each.cause.name for each in explain(error, Situation(OwnSide(Role.CLIENT), sent)).causes
    ]
