"""A service that says no inside the channel is understood where its no is about certificates or names."""

from __future__ import annotations

import pytest

import identities
from bothways.diagnosis import OwnSide, Situation, Weight, explain_answer, explain_ended
from bothways.diagnosis.services.refusals import explain_other_protocol
from bothways.errors import Truncated
from bothways.roles import Progress, Role
from diagnosis.talks import client, first, talk

UNSENT = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 No required SSL certificate was sent</title>"
WRONG = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 The SSL certificate error</title>"
FATAL = b"E\0\0\0\x60SFATAL\0VFATAL\0C28000\0M%s\0\0"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (UNSENT, "NO_CERTIFICATE"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "NO_CERTIFICATE"),
        (b"HTTP/2 421 \r\n\r\n", "MISDIRECTED"),
        (FATAL % b"connection requires a valid client certificate", "NO_CERTIFICATE"),
    ],
)
def test_a_client_without_a_certificate_is_told_that_one_is_wanted(answer: bytes, cause: str) -> None:
    server = identities.server_config(client_auth="request")
    found = explain_answer(answer, talk(identities.client_config(), server).client.situation())
    assert found is not None
    assert first(found) == (cause, "ours")


def test_a_client_with_a_certificate_is_told_what_may_be_wrong_with_it() -> None:
    situation = talk(client(identities.stranger())).client.situation()
    found = explain_answer(WRONG, situation)
    assert found is not None and first(found) == ("CA_NOT_ACCEPTED", "ours")
    for answer in (b"HTTP/1.1 403 Forbidden\r\n", FATAL % b'"trust" authentication failed for user "ada"'):
        found = explain_answer(answer, talk().client.situation())
        assert found is not None and first(found) == ("NOT_LET_IN", "ours")


@pytest.mark.parametrize(
    ("answer", "led_by", "causes"),
    [
        (b"\x20\x02\x00\x05", "WANTS_LOGIN", ["WANTS_LOGIN", "NOT_LET_IN", "REFUSED_BY_SERVICE"]),
        (b"\x20\x02\x00\x04", "WANTS_LOGIN", ["WANTS_LOGIN", "NOT_LET_IN", "REFUSED_BY_SERVICE"]),
        (b"-NOPERM this user has no permissions\r\n", "NOT_LET_IN", ["NOT_LET_IN", "REFUSED_BY_SERVICE"]),
    ],
)
def test_a_service_that_answers_after_verification_trusts_our_ca_and_has_not_stopped(
    answer: bytes, led_by: str, causes: list[str]
) -> None:
    situation = talk().client.situation()
    found = explain_answer(answer, situation)
    assert found is not None and [each.cause.name for each in found.causes] == causes
    ended = explain_ended(answer, Truncated("server", progress=Progress.ACCEPTED), situation)
    assert ended.first.cause.name == led_by
    assert not {"CA_NOT_ACCEPTED", "PEER_STOPPED", "CUT"} & {each.cause.name for each in ended.causes}


def test_a_line_that_is_no_refusal_of_us_is_quoted_where_the_connection_failed() -> None:
    """As Redis answers a command that is not complete, and ends without close_notify."""
    situation = talk().client.situation()
    said = b"+PONG\r\n-ERR wrong number of arguments\r\n"
    assert explain_answer(said, situation) is None
    found = explain_ended(said, Truncated("server", progress=Progress.ACCEPTED), situation)
    assert first(found) == ("REFUSED_BY_SERVICE", "the peer's")
    assert "-ERR wrong number of arguments" in found.first.evidence
    assert "PEER_STOPPED" in [each.cause.name for each in found.causes]


def test_dovecot_calls_a_certificate_none_where_it_has_no_crl() -> None:
    text = b"a1 NO [ALERT] Client didn't present valid SSL certificate\r\n"
    found = explain_answer(text, talk().client.situation())
    assert found is not None and first(found) == ("STATUS_UNKNOWN", "the peer's")
    assert "ssl_require_crl" in found.first.text
    unsent = talk(identities.client_config(), identities.server_config(client_auth="request"))
    found = explain_answer(text, unsent.client.situation())
    assert found is not None and "STATUS_UNKNOWN" not in {each.cause.name for each in found.causes}


def test_a_server_that_closes_after_its_request_may_not_authorize_us() -> None:
    made = talk()
    assert explain_answer(b"", made.client.situation()) is None
    made.pair.client.send(b"a question")
    found = explain_answer(b"", made.client.situation())
    assert found is not None and first(found) == ("NOT_LET_IN", "ours")
    one_way = identities.server_config(client_anchors=None)
    assert explain_answer(b"", talk(identities.client_config(), one_way).client.situation()) is None


@pytest.mark.parametrize(("offered", "told"), [(("http/1.1",), True), (("h2", "http/1.1"), False)])
def test_a_server_that_chose_no_protocol_may_serve_http_2_alone(offered: tuple[str, ...], told: bool) -> None:
    """Go lets a client in that offers http/1.1 alone, and closes on its request."""
    server = identities.server_config(client_anchors=None)
    made = talk(identities.client_config(None, alpn=offered), server)
    made.pair.client.send(b"a question")
    found = explain_answer(b"", made.client.situation())
    assert found is not None
    assert ("NO_SHARED_PROTOCOL" in {each.cause.name for each in found.causes}) is told


def test_a_server_that_did_not_ask_wants_one_later() -> None:
    server = identities.server_config(client_anchors=None)
    found = explain_answer(b"HTTP/1.1 403 Forbidden\r\n\r\n", talk(client(), server).client.situation())
    assert found is not None and first(found) == ("WANTS_CERTIFICATE_LATER", "the peer's")


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n",
        b"E\0\0\0\x10SERROR\0Mno table\0\0",
        b"E\0\0",
        b"hello",
    ],
)
def test_other_replies_are_not_explained(data: bytes) -> None:
    assert explain_answer(data, talk().client.situation()) is None


def test_the_text_of_a_service_is_escaped() -> None:
    found = explain_answer(b"HTTP/1.1 403 \x1b[31m\xff\r\n", talk().client.situation())
    assert found is not None
    assert "\x1b" not in str(found) and str(found).isascii()


@pytest.mark.parametrize("status", [401, 403, 421, 495, 496])
@pytest.mark.parametrize("role", Role)
def test_a_refusal_has_a_cause_whatever_is_known_of_us(status: int, role: Role):
    """Where nothing speaks for any other, the service itself is."""
    found = explain_answer(f"HTTP/1.1 {status} x\r\n\r\n".encode(), Situation(OwnSide(role)))
    assert found is not None
    assert found.causes and str(found)


@pytest.mark.parametrize(
    "body",
    [
        b"the client certificate has expired",
        b"403.13 certificate revoked",
        b"Cannot perform Post-Handshake Authentication",
        b"no user for this certificate",
    ],
)
def test_a_text_takes_away_no_cause_that_was_seen_in_the_handshake(body: bytes) -> None:
    """The server names its CAs, and ours is not one of them: whatever a page says, that has to be corrected."""
    found = explain_answer(
        b"HTTP/1.1 403 Forbidden\r\n\r\n" + body, talk(client(identities.stranger())).client.situation()
    )
    assert found is not None
    assert "CA_NOT_ACCEPTED" in [each.cause.name for each in found.shown_causes]
    assert not any(each.weight is Weight.CERTAIN for each in found.causes)


def test_a_service_that_requires_no_certificate_refuses_for_another_reason() -> None:
    """It asks everybody for one."""
    unsent = talk(identities.client_config(), identities.server_config(client_auth="request"))
    for body, weight in ((b"no", "LIKELY"), (b"a certificate is not required here", "POSSIBLE")):
        found = explain_answer(b"HTTP/1.1 403 Forbidden\r\n\r\n" + body, unsent.client.situation())
        assert found is not None
        known = {each.cause.name: each.weight.name for each in found.causes}
        assert known["NO_CERTIFICATE"] == weight


def test_a_request_that_is_not_performed_is_the_services_own_matter() -> None:
    """RFC 4511 A.2: unwillingToPerform is sent for many reasons, and its text is quoted."""
    unwilling = b"0\x1f\x02\x01\x01a\x1a\n\x015\x04\x00\x04\x13no global knowledge"
    found = explain_answer(unwilling, talk().client.situation())
    assert found is not None and first(found) == ("REFUSED_BY_SERVICE", "the peer's")
    assert "no global knowledge" in found.first.evidence


def test_a_server_of_http_2_alone_says_that_no_protocol_was_agreed() -> None:
    """As Node.js answers in HTTP/1; where a protocol was agreed such a text is no reason."""
    said = b"HTTP/1.0 403 Forbidden\r\n\r\n<p>Missing ALPN Protocol, expected `h2` to be available."
    found = explain_answer(said, talk().client.situation())
    assert found is not None and first(found) == ("NO_SHARED_PROTOCOL", "ours")
    assert found.first.command.endswith("--alpn h2")
    agreed = talk(client(alpn=("h2",)), identities.server_config(alpn=("h2",)))
    other = explain_answer(said, agreed.client.situation())
    assert other is not None and other.first.cause.name == "REFUSED_BY_SERVICE"


BY_ADDRESS = b'HTTP/1.1 403 Forbidden\r\n\r\n{"message":"IP address 127.0.0.1 is not allowed"}'


@pytest.mark.parametrize(("auth", "cause"), [("require", "LIKELY"), ("none", "LIKELY"), ("request", None)])
def test_missing_certificate_names_a_proxy_if_the_server_requested_none_or_got_ours(
    auth: str, cause: str | None
) -> None:
    """nginx says so in answer to a connection on which it asked for a certificate."""
    mine = client() if auth == "require" else identities.client_config()
    server = identities.server_config(
        client_auth=auth, client_anchors=None if auth == "none" else identities.anchors()
    )
    situation = talk(mine, server).client.situation()
    found = explain_answer(UNSENT, situation)
    assert found is not None
    known = {each.cause.name: each.weight.name for each in found.causes}
    assert known.get("FORWARDED_WITHOUT_CERTIFICATE") == cause
    assert (found.first.cause.name == "FORWARDED_WITHOUT_CERTIFICATE") is (cause is not None)
    wrong = explain_answer(WRONG, situation)
    assert wrong is not None
    assert ("FORWARDED_WITHOUT_CERTIFICATE" in [each.cause.name for each in wrong.causes]) is (
        auth != "request"
    )


def test_an_answer_that_speaks_of_our_address_is_about_that() -> None:
    """No certificate changes it."""
    found = explain_answer(BY_ADDRESS, talk().client.situation())
    assert found is not None and first(found) == ("LETS_NOT_IN", "the peer's")


def test_a_service_that_begins_the_negotiated_http_2_is_not_called_another_service() -> None:
    """It ended before it answered."""
    config = identities.client_config(identities.client(), alpn=("h2",))
    situation = talk(config, identities.server_config(alpn=("h2",))).client.situation()
    settings = b"\0\0\0\4\0\0\0\0\0"
    found = explain_other_protocol(settings, situation)
    assert found is not None and found.first.cause.name == "PEER_STOPPED"
    names = {each.cause.name for each in found.causes}
    assert {"SERVICE_BUSY", "BACKEND_DOWN"} <= names and "OTHER_SERVICE" not in names
