"""A refusal of a service is explained by what was requested, named and sent, before the text of its answer counts."""

from __future__ import annotations

import pytest

import identities
import pki
from bothways import TrustStore
from bothways.diagnosis import Explanation, explain_answer
from diagnosis.own_side.test_chain import LATE, holder, host
from diagnosis.talks import client, first, talk

NO_HOST = b"<?xml version='1.0'?><stream:stream><stream:error><host-unknown xmlns='x'/>"
NO_SNI = (
    b"HTTP/1.1 403 Forbidden\r\n\r\n<p>Reason: The client software did not provide a hostname using Server Name "
    b"Indication (SNI), which is required to access this server.</p>"
)
UNAUTHORIZED = b'HTTP/1.1 401 Unauthorized\r\n\r\n{"kind":"Status","message":"Unauthorized","code":401}'


def explained(answer: bytes, name: str = "localhost") -> Explanation:
    found = explain_answer(answer, talk(name=name).client.situation())
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_host_that_xmpp_does_not_serve_is_that_of_the_stream_and_not_of_the_connection(name: str) -> None:
    found = explained(NO_HOST, name)
    assert first(found) == ("NAME_NOT_SERVED", "ours")
    assert "`to`" in found.first.text and not found.first.command


def test_a_server_that_misses_the_server_name_is_believed() -> None:
    assert first(explained(NO_SNI, "127.0.0.1")) == ("NO_NAME_SENT", "ours")


@pytest.mark.parametrize("answer", [UNAUTHORIZED, b"HTTP/1.1 403 Forbidden\r\n\r\n"])
def test_our_certificate_is_of_another_ca_of_the_name_that_our_anchor_has(answer: bytes) -> None:
    """As of two clusters whose CAs have one name: the server verifies by one of them, and we have the other's file."""
    of_our_certificate, of_the_server = (
        pki.root("kubernetes", own_key=pki.key("P-256", number), **identities.SPAN) for number in (77, 78)
    )
    config = identities.client_config(
        None,
        anchors=TrustStore([of_the_server.der]),
        credentials=identities.credentials(holder(of_our_certificate, key_identifiers=False)),
    )
    server = identities.server_config(
        credentials=identities.credentials(host(of_the_server, key_identifiers=False)),
        client_anchors=TrustStore([of_our_certificate.der]),
        client_auth="request",
    )
    found = explain_answer(answer, talk(config, server).client.situation())
    assert found is not None and first(found) == ("CA_REPLACED", "ours")
    assert "did not sign it" in found.first.evidence


def test_a_status_that_names_no_credentials_is_not_said_to_mention_them() -> None:
    login = next(each for each in explained(UNAUTHORIZED).causes if each.cause.name == "WANTS_LOGIN")
    assert "mentions" not in login.evidence and "401" in login.evidence
    told = b"HTTP/1.1 401 Unauthorized\r\n\r\nmissing authentication token"
    login = next(each for each in explained(told).causes if each.cause.name == "WANTS_LOGIN")
    assert "mentions credentials" in login.evidence


def test_an_answer_that_is_the_same_for_a_password_and_a_certificate_makes_neither_likely() -> None:
    """MariaDB's 1045: of the account, the password and REQUIRE X509 it names none."""
    denied = b"\xff\x15\x04#28000Access denied for user 'ada'@'localhost' (using password: NO)"
    packet = len(denied).to_bytes(3, "little") + b"\2" + denied
    unsent = talk(identities.client_config(), identities.server_config(client_auth="request"))
    found = explain_answer(packet, unsent.client.situation())
    assert found is not None and {each.weight.name for each in found.causes} == {"POSSIBLE"}
    assert {"NO_CERTIFICATE", "WANTS_LOGIN"} <= {each.cause.name for each in found.causes}


def test_a_time_that_differs_is_one_of_two_clocks() -> None:
    skewed = b"HTTP/1.1 403 Forbidden\r\nDate: Mon, 30 Nov 2026 05:00:00 GMT\r\n\r\n<Code>RequestTimeTooSkewed</Code>"
    found = explained(skewed)
    assert first(found) == ("OUR_CLOCK", "ours") and "2026-11-30 05:00" in found.first.evidence
    assert "PEERS_CLOCK" in [each.cause.name for each in found.causes]


def test_a_filter_for_requests_is_none_of_certificates() -> None:
    blocked = b"HTTP/1.1 403 Forbidden\r\n\r\nThe requested URL was rejected. Your support ID is: 1234"
    assert first(explained(blocked)) == ("LETS_NOT_IN", "the peer's")


@pytest.mark.parametrize(
    ("answer", "is_possible"),
    [(b"HTTP/1.1 403 Forbidden\r\n\r\n", True), (b"a1 NO [AUTHENTICATIONFAILED] no.\r\n", False)],
)
def test_a_server_that_asked_for_no_certificate_may_want_one_later_in_http_alone(
    answer: bytes, is_possible: bool
) -> None:
    config = identities.server_config(client_anchors=None)
    situation = talk(identities.client_config(identities.client()), config).client.situation()
    found = explain_answer(answer, situation)
    assert found is not None
    weights = [each.weight.name for each in found.causes if each.cause.name == "WANTS_CERTIFICATE_LATER"]
    assert weights == (["POSSIBLE"] if is_possible else [])


def test_another_node_of_a_cluster_is_another_server() -> None:
    assert first(explained(b"-MOVED 3999 127.0.0.1:6381\r\n")) == ("OTHER_SERVICE", "ours")


EXPIRED = "x509: certificate has expired or is not yet valid"


@pytest.mark.parametrize(
    ("text", "late", "cause"),
    [
        (EXPIRED, False, "BACKEND_DOWN"),
        (EXPIRED, True, "EXPIRED"),
        ("dial tcp 127.0.0.1:9: connect: connection refused", True, "BACKEND_DOWN"),
    ],
)
def test_a_proxy_that_speaks_of_a_certificate_means_ours_only_where_something_is_wrong_with_it(
    text: str, late: bool, cause: str
) -> None:
    """Go's proxies answer so for the certificate of the service behind them; an application may mean its client's."""
    ours = client(holder(**LATE) if late else None)
    answer = f"HTTP/1.1 500 Internal Server Error\r\n\r\n{text}".encode()
    found = explain_answer(answer, talk(ours).client.situation())
    assert found is not None and found.first.cause.name == cause
    assert "BACKEND_DOWN" in [each.cause.name for each in found.shown_causes]
