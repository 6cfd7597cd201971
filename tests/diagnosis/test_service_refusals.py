"""A service that says no inside the channel is understood where its no is about certificates or names."""

from __future__ import annotations

import pytest

import identities
from bothways.diagnosis import OwnSide, Situation, explain_answer
from bothways.roles import Role
from diagnosis.talks import client, first, talk

UNSENT = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 No required SSL certificate was sent</title>"
WRONG = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 The SSL certificate error</title>"
FATAL = b"E\0\0\0\x60SFATAL\0VFATAL\0C28000\0M%s\0\0"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (UNSENT, "NO_CERTIFICATE"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "NO_CERTIFICATE"),
        (b"HTTP/2 421 \r\n\r\n", "NAME_NOT_SERVED"),
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


def test_a_server_that_closes_after_its_request_may_not_authorize_us() -> None:
    made = talk()
    assert explain_answer(b"", made.client.situation()) is None
    made.pair.client.send(b"a question")
    found = explain_answer(b"", made.client.situation())
    assert found is not None and first(found) == ("NOT_LET_IN", "ours")
    one_way = identities.server_config(client_anchors=None)
    assert explain_answer(b"", talk(identities.client_config(), one_way).client.situation()) is None


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
