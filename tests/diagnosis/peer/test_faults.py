"""A side that refuses a peer gets what the peer, or it itself, has to change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

import identities
import pki
from bothways import Credentials, TrustStore
from bothways.diagnosis import HandshakeFacts, Weight, explain
from bothways.diagnosis.situation import Observed, OwnSide, Situation
from bothways.errors import PeerFault
from bothways.faults import Fault
from bothways.roles import Role, StepId
from diagnosis.own_side.test_chain import LATE, SPAN, alone, holder, host
from diagnosis.talks import client, first, talk
from pair import FrozenClock

SERVERS: list[tuple[str, Any]] = [
    ("CA_NOT_ACCEPTED", host(identities.root("Another Root"))),
    ("INTERMEDIATE_MISSING", alone(host())),
    ("SELF_SIGNED", pki.leaf(None, "localhost", ca=None, **identities.SPAN)),
    ("EXPIRED", host(**LATE)),
    ("WRONG_NAME", host(alternatives=["DNS:elsewhere.example"])),
    ("NO_ALTERNATIVE_NAME", host(alternatives=())),
    ("WRONG_USE", host(usage=("clientAuth",))),
    ("WEAK_KEY", host(key_kind="RSA-1024")),
    ("CA_REPLACED", host(pki.root("Test Root", own_key=pki.key("P-256", 77), **identities.SPAN))),
    ("NOT_YET_VALID", host(not_before=identities.START + timedelta(days=30))),
    ("OUR_CLOCK", host(not_before=identities.START + timedelta(days=1, minutes=30))),
]


@pytest.mark.parametrize(("cause", "who"), SERVERS, ids=[row[0] for row in SERVERS])
def test_a_client_says_what_is_wrong_with_the_servers_certificate(cause: str, who: Any) -> None:
    credentials = who if isinstance(who, Credentials) else identities.credentials(who)
    clock = FrozenClock(identities.START + timedelta(days=1))
    found = talk(client(clock=clock), identities.server_config(credentials=credentials, clock=clock)).clients
    assert found.first.cause.name == cause
    assert found.first.text and found.first.remedy


def test_a_chain_that_ends_at_a_root_of_its_own_is_reported_as_that() -> None:
    other = identities.root("Another Root")
    issued = host(other)
    whole = Credentials.from_pem(issued.chain_pem, issued.key_pem)
    whole.chain = (*whole.chain, other.der)
    assert first(talk(client(), identities.server_config(credentials=whole)).clients)[0] == "ROOT_NOT_TRUSTED"


def test_environments_that_do_not_belong_together_are_noticed() -> None:
    issued = host(identities.root("Example Sandbox CA"))
    anchors = TrustStore([identities.root("Example Production CA").der])
    found = talk(
        client(anchors=anchors), identities.server_config(credentials=identities.credentials(issued))
    ).clients
    assert found.first.cause.name == "WRONG_ENVIRONMENT"
    assert "of test" in found.first.text and "of production" in found.first.text


@pytest.mark.parametrize("years", [-20, 20])
def test_a_clock_by_which_all_is_out_of_date_is_called_wrong(years: int) -> None:
    """The server's certificate is, and so are ours and every CA that we trust."""
    clock = FrozenClock(identities.START + timedelta(days=365 * years))
    found = talk(client(clock=clock)).clients
    assert first(found) == ("OUR_CLOCK", "ours")
    assert ("our own certificate" if years > 0 else "this release") in found.first.evidence


def test_a_server_says_what_is_wrong_with_the_client() -> None:
    assert first(talk(identities.client_config()).servers) == ("NO_CERTIFICATE", "the peer's")
    assert first(talk(client(holder(usage=("serverAuth",)))).servers) == ("WRONG_USE", "the peer's")
    assert first(talk(client(identities.stranger())).servers) == ("CA_NOT_ACCEPTED", "the peer's")
    only = {"versions": ("1.2",)}
    assert (
        talk(client(**only), identities.server_config(versions=("1.3",))).servers.first.cause.name
        == "NO_SHARED_VERSION"
    )
    dated = {"insecure_rsa_key_transport": True, "suites": ("TLS_RSA_WITH_AES_128_GCM_SHA256",)}
    assert talk(client(**dated, versions=("1.2",))).servers.first.cause.name == "ONLY_KEY_TRANSPORT"


PLAIN = [
    (b"HTTP/1.1 400 Bad Request\r\n", "SPEAKS_HTTP"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "SPEAKS_SSH"),
    (b"220 mail.example ESMTP\r\n", "SPEAKS_MAIL"),
    (b"* OK IMAP4rev1\r\n", "SPEAKS_MAIL"),
    (b"J\0\0\0\x0a8.0.33\0", "SPEAKS_DATABASE"),
    (b"E\0\0\0\x8aSFATAL", "SPEAKS_DATABASE"),
    (b"\x80\x2e\x01\x00\x02", "OLD_SSL"),
    (bytes.fromhex("000012040000000000") + bytes(18), "SPEAKS_HTTP2"),
    (b"hello there", "SPEAKS_PLAIN"),
]


@pytest.mark.parametrize(("answer", "cause"), PLAIN, ids=[cause for _, cause in PLAIN])
def test_another_protocol_of_a_server_is_named(answer: bytes, cause: str) -> None:
    config = identities.client_config()
    observed = HandshakeFacts(config, "localhost")
    connection = config.connection("localhost", observer=observed)
    connection.receive(answer)
    assert connection.failure is not None
    assert explain(connection.failure, observed.situation()).first.cause.name == cause


def test_input_beyond_our_own_limits_is_not_called_a_breach_of_the_protocol() -> None:
    """RFC 9846 4 allows messages of 16 MiB; that we read no such thing is our choice."""
    config = identities.client_config()
    observed = HandshakeFacts(config, "localhost")
    connection = config.connection("localhost", observer=observed)
    connection.receive(bytes.fromhex("1603030004 02ffffff"))
    assert isinstance(connection.failure, PeerFault)
    assert connection.failure.fault is Fault.MESSAGE_TOO_LONG
    first = explain(connection.failure, observed.situation()).first
    assert first.cause.name == "BEYOND_OUR_LIMITS"
    assert "16777215 bytes, more than our limit" in first.text


def test_a_bundle_of_cas_behind_a_certificate_is_told_as_such() -> None:
    facts = {"message": "certificate", "length": 157646, "limit": 65536}
    found = explain(PeerFault(Fault.MESSAGE_TOO_LONG, step=None, peer="server", facts=facts))
    assert first(found) == ("CHAIN_TOO_LARGE", "the peer's")
    assert "defect" not in found.usually


def test_a_server_is_given_no_command_that_would_call_its_client() -> None:
    """A client listens nowhere."""
    made = talk(identities.client_config(None, credentials=alone(holder())))
    assert all("50000" not in each.command for each in made.servers.causes)


def test_an_address_written_as_a_dns_name_is_told_from_the_address() -> None:
    """RFC 9525 6.2: a dNSName is never compared with an address."""
    config, serving = (
        client(),
        identities.server_config(credentials=identities.credentials(host(alternatives=["DNS:8.8.8.8"]))),
    )
    found = talk(config, serving, "8.8.8.8").clients
    assert found.first.text == (
        "the server's certificate is for the DNS name 8.8.8.8, not for the address of the same letters"
    )


def test_a_product_that_inspects_tls_is_known_by_its_name_and_not_to_be_trusted_for_it() -> None:
    found = talk(
        client(),
        identities.server_config(
            credentials=identities.credentials(host(identities.root("Zscaler Root CA")))
        ),
    ).clients
    assert first(found) == ("DEVICE_BETWEEN", "between us")
    assert "zscaler" in found.first.evidence


def test_an_intermediate_that_is_not_the_issuer_is_told_from_one_that_is_missing() -> None:
    """What was sent leads to an anchor, and did not issue the leaf."""
    other = pki.intermediate(identities.root(), "Another Intermediate", **identities.SPAN)
    issued = host()
    credentials = Credentials.from_pem(issued.pem, issued.key_pem)
    credentials.chain = (*credentials.chain, other.der)
    found = talk(client(), identities.server_config(credentials=credentials)).clients
    assert first(found) == ("WRONG_INTERMEDIATE", "the peer's")
    assert "CN=Another Intermediate" in found.first.text


def test_a_ca_that_may_not_issue_server_certificates_is_the_cause_and_not_the_leaf() -> None:
    """Its extended key usage bounds what is below it."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    narrow = pki.intermediate(identities.root(), "For Clients", extra=[(usage, False)], **identities.SPAN)
    found = talk(client(), identities.server_config(credentials=identities.credentials(host(narrow)))).clients
    assert found.first.cause.name == "WRONG_USE"
    assert found.first.text.startswith("the CA CN=For Clients in the server's chain is for ")


@pytest.mark.parametrize(
    ("issuer", "root"),
    [
        ("Corp Issuing", "Corp Root"),
        ("Internal CA 2", "Internal Root CA"),
        ("Globex Issuing", "Globex Root"),
        ("Northwind Lower", "Northwind Root"),
        ("Public Services CA", "Public Services Root"),
    ],
)
def test_a_leaf_alone_lacks_its_intermediate_whatever_words_its_ca_is_called_by(
    issuer: str, root: str
) -> None:
    """The name of the CA that issued it resembles that of a trust anchor, on either side."""
    top = identities.root(root)
    middle = pki.intermediate(top, issuer, **SPAN)
    anchors = TrustStore([top.der])
    found = talk(client(anchors=anchors), identities.server_config(credentials=alone(host(middle)))).clients
    assert first(found) == ("INTERMEDIATE_MISSING", "the peer's")
    mine = identities.client_config(None, credentials=alone(holder(middle)))
    found = talk(mine, identities.server_config(client_anchors=anchors)).clients
    assert first(found) == ("INTERMEDIATE_MISSING", "ours")


def test_a_leaf_alone_of_another_owner_is_of_a_ca_that_is_not_trusted() -> None:
    """Words such as "Corp" do not make two owners one."""
    middle = pki.intermediate(identities.root("Acme Corp Root"), "Acme Corp Lower", **SPAN)
    anchors = TrustStore([identities.root("Globex Corp Root").der])
    found = talk(client(anchors=anchors), identities.server_config(credentials=alone(host(middle)))).clients
    assert first(found) == ("CA_NOT_ACCEPTED", "the peer's")


@pytest.mark.parametrize(("anchor", "told"), [(holder(), True), (identities.root("Globex Corp Root"), False)])
def test_a_trust_anchor_that_is_no_ca_is_told(anchor: pki.Issued, told: bool) -> None:
    """A certificate of a client was configured in the place of its CA."""
    found = talk(client(anchors=TrustStore([anchor.der]))).clients
    assert ("is no certificate of a CA" in found.first.evidence) == told


@pytest.mark.parametrize("names", [["DNS:localhost"], ["DNS:elsewhere.example"]])
def test_a_client_whose_own_file_has_the_servers_intermediate_knows_that_it_is_missing(
    names: list[str],
) -> None:
    """The names of the two CAs have nothing in common; a wrong name is told too."""
    top = identities.root("Alpha")
    middle = pki.intermediate(top, "Omega", **SPAN)
    mine = identities.client_config(
        None, credentials=identities.credentials(holder(middle)), anchors=TrustStore([top.der])
    )
    server = identities.server_config(credentials=alone(host(middle, alternatives=names)))
    found = talk(mine, server).clients
    assert first(found) == ("INTERMEDIATE_MISSING", "the peer's")
    assert "our own file" in found.first.evidence
    assert ("WRONG_NAME" in [each.cause.name for each in found.causes]) == (names != ["DNS:localhost"])


def test_a_server_is_told_that_an_expired_client_lacks_its_intermediate_too() -> None:
    """Two independent faults."""
    clock = FrozenClock(identities.START + timedelta(days=1))
    mine = identities.client_config(None, credentials=alone(holder(**LATE)), clock=clock)
    found = talk(mine, identities.server_config(clock=clock)).servers
    assert [each.cause.name for each in found.causes][:2] == ["INTERMEDIATE_MISSING", "EXPIRED"]


def test_an_expired_leaf_alone_of_an_unknown_ca_may_lack_an_intermediate() -> None:
    """That it has expired says nothing of who issued it: both alternatives are shown, and our clock's."""
    clock = FrozenClock(identities.START + timedelta(days=1))
    middle = pki.intermediate(identities.root("Omega"), "Alpha", **SPAN)
    mine = identities.client_config(None, credentials=alone(holder(middle, **LATE)), clock=clock)
    found = talk(mine, identities.server_config(clock=clock)).servers
    shown = [each.cause.name for each in found.shown_causes]
    assert shown == ["CA_NOT_ACCEPTED", "EXPIRED", "INTERMEDIATE_MISSING", "OUR_CLOCK"]


@pytest.mark.parametrize(("got", "party"), [("TLSv1_2", "ours"), ("TLSv1_1", "the peer's")])
def test_a_version_that_we_do_not_have_is_none_that_we_could_allow(got: str, party: str) -> None:
    """We offer TLS 1.3 alone, and the server chose another."""
    error = PeerFault(
        Fault.UNOFFERED_VERSION, step=StepId("1.2"), peer="server", facts={"got": got, "offered": ["TLSv1_3"]}
    )
    ours = OwnSide(Role.CLIENT, versions=(0x0304,), address="localhost:1")
    assert first(explain(error, Situation(ours))) == ("NO_SHARED_VERSION", party)


@pytest.mark.parametrize(("got", "command"), [("http/1.1", "--alpn http/1.1"), ("spdy/3", "--alpn PROTOCOL")])
def test_a_protocol_that_we_did_not_offer_is_one_that_the_server_has(got: str, command: str) -> None:
    """RFC 7301 3.2 forbids the answer; Apache without HTTP/2 has always given it."""
    facts = {"got": (got,), "offered": ("h2",)}
    error = PeerFault(Fault.UNOFFERED_APPLICATION_PROTOCOL, step=StepId("2.1"), peer="server", facts=facts)
    found = explain(error, Situation(OwnSide(Role.CLIENT, address="localhost:1")))
    assert first(found) == ("NO_SHARED_PROTOCOL", "ours") and command in found.first.command
    assert "PEER_BREAKS_RULES" in [each.cause.name for each in found.causes]


def test_a_chain_with_the_ca_first_is_in_the_wrong_order_and_its_key_is_the_right_one() -> None:
    """The proof is by the key of the second certificate."""
    error = PeerFault(Fault.BAD_CERTIFICATE_VERIFY, step=StepId("2.4"), peer="server", facts={})
    ders = [each.der for each in (identities.middle(), host())]
    for chain, order in ((ders, True), (ders[::-1], False)):
        found = explain(error, Situation(OwnSide(Role.CLIENT), Observed(chain=tuple(chain))))
        assert first(found) == ("KEY_MISMATCH", "the peer's")
        assert ("first in its file" in found.first.remedy) is order


def test_a_service_that_sends_our_hello_back_has_no_tls() -> None:
    """As the echo service does (RFC 862); a server that sends any other message out of turn breaks the protocol."""
    config = identities.client_config()
    observed = HandshakeFacts(config, "localhost")
    connection = config.connection("localhost", observer=observed)
    connection.receive(connection.data_to_send())
    assert connection.failure is not None
    found = explain(connection.failure, observed.situation())
    assert [each.cause.name for each in found.causes] == ["SPEAKS_PLAIN"]
    assert "sends back what it gets" in found.usually and found.first.weight is Weight.LIKELY
    other = PeerFault(Fault.UNEXPECTED_MESSAGE, step=None, peer="server", facts={"got": "finished"})
    assert explain(other).first.cause.name == "PEER_BREAKS_RULES"
