"""What a service says of our certificate is weighed against what our own verification finds, and never certain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

import identities
from bothways.diagnosis import Explanation, Weight, explain_answer
from diagnosis.own_side.test_chain import LATE, holder
from diagnosis.talks import client, first, talk

NOW = datetime.now(UTC)


def http(body: str, *headers: str, status: int = 403) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} Words", *headers, "", body)).encode()


def explained(answer: bytes, who=None) -> Explanation:
    found = explain_answer(answer, talk(client(who)).client.situation())
    assert found is not None
    assert not any(each.weight is Weight.CERTAIN for each in found.causes)
    return found


def names(found: Explanation) -> list[str]:
    return [each.cause.name for each in found.causes]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("CERT_HAS_EXPIRED", "PEERS_CLOCK"),
        ("CERT_NOT_YET_VALID", "PEERS_CLOCK"),
        (
            "certificate has expired or is not yet valid: current time 2039-01-01T00:00:00Z is after",
            "PEERS_CLOCK",
        ),
        ("CERT_REVOKED", "REVOKED"),
        ("unable to get certificate CRL", "STATUS_UNKNOWN"),
        ("certificate signed by unknown authority", "CA_NOT_ACCEPTED"),
        ("incompatible key usage", "WRONG_USE"),
        ("EE certificate key too weak", "WEAK_KEY"),
        ("invalid CA certificate", "NOT_A_CA"),
        ("permitted subtree violation", "NAME_NOT_ALLOWED"),
        ("certificate chain too long", "DEPTH_LIMIT"),
        ("incomplete certificate chain", "INTERMEDIATE_MISSING"),
        ("certificate signature failure", "CA_REPLACED"),
    ],
)
def test_the_reason_that_a_service_names_leads_where_we_find_nothing_wrong(text: str, cause: str) -> None:
    """In HTTP and in any other protocol; the text is quoted as the server's word."""
    for answer in (http(text), b"550 5.7.1 " + text.encode() + b"\r\n"):
        found = explained(answer)
        assert found.first.cause.name == cause
        assert found.first.evidence.startswith("it answers ")


def test_a_date_at_which_our_certificate_is_not_valid_counts_whatever_the_answer_says() -> None:
    """A server that verifies by a wrong clock, and lets us in without rights, says 403 and no more."""
    ahead, right = (f"Date: {format_datetime(NOW + each)}" for each in (timedelta(days=9999), timedelta(0)))
    for status in (401, 403):
        assert names(explained(http("Forbidden", ahead, status=status)))[0] == "PEERS_CLOCK"
        assert "PEERS_CLOCK" not in names(explained(http("Forbidden", right, status=status)))
    login = explained(http("", ahead, "WWW-Authenticate: Bearer", status=401))
    assert login.first.cause.name == "WANTS_LOGIN" and "PEERS_CLOCK" in names(login)


NAMELESS = (
    "x509: certificate relies on legacy Common Name field, use SANs instead",
    "certificate has no SAN",
    "No subject alternative names present",
    "no subjectAltName in certificate",
    "Subject Alternative Name is missing",
)


@pytest.mark.parametrize("text", NAMELESS)
def test_a_service_that_misses_a_name_is_held_against_our_certificate(text: str) -> None:
    """It has none, or has names of another kind than the service looks for."""
    found = explained(http(text), holder())
    assert found.first.cause.name == "NO_ALTERNATIVE_NAME"
    assert "our certificate has no subjectAltName" in found.first.evidence and "2017" not in found.first.text
    named = explained(http(text), holder(alternatives=["DNS:ada.example"]))
    assert named.first.cause.name == "WRONG_NAME" and "ada.example" in named.first.text


def test_an_answer_that_names_two_reasons_has_both() -> None:
    """403.13 of IIS, which sends it most often where it cannot reach a CRL."""
    found = explained(http("certificate was revoked, or the revocation status could not be determined"))
    assert names(found)[:2] == ["REVOKED", "STATUS_UNKNOWN"]


def test_the_time_of_the_answer_says_whose_clock_is_wrong() -> None:
    """Its own words count before the Date of whoever passes them on; a server that is right needs no clock set."""
    right, wrong = (f"Date: {format_datetime(NOW + each)}" for each in (timedelta(0), timedelta(days=9999)))
    assert "PEERS_CLOCK" not in names(explained(http("certificate has expired", right)))
    found = explained(http("certificate has expired", wrong))
    assert first(found) == ("PEERS_CLOCK", "the peer's") and "Date" in found.first.evidence
    said = (
        "certificate has expired or is not yet valid: current time 2039-01-01T00:00:00Z is after 2038-01-01"
    )
    found = explained(http(said, right))
    assert first(found) == ("PEERS_CLOCK", "the peer's") and "2039-01-01" in found.first.evidence
    ahead = f"Date: {format_datetime(NOW + timedelta(minutes=9))}"
    found = explained(http("certificate has expired", ahead))  # by that clock too it has not
    assert found.first.cause.name == "ANCHOR_EXPIRED" and "PEERS_CLOCK" not in names(found)
    same = f"current time {NOW:%Y-%m-%dT%H:%M:%SZ} is after 2020-01-01T00:00:00Z"
    found = explained(
        http(f"certificate has expired or is not yet valid: {same}", wrong.replace("Date", "X"))
    )
    assert found.first.cause.name == "ANCHOR_EXPIRED" and "PEERS_CLOCK" not in names(found)


def test_causes_that_our_own_verification_finds_come_first() -> None:
    """Our certificate expired, whatever a text says of it."""
    situation = talk(
        client(holder(**LATE)), identities.server_config(client_auth="request")
    ).client.situation()
    for text in ("CERT_HAS_EXPIRED", "CERT_REVOKED", "incompatible key usage"):
        found = explain_answer(http(text), situation)
        assert found is not None and first(found) == ("EXPIRED", "ours")
        assert "PEERS_CLOCK" not in names(found)


def test_a_text_about_a_certificate_that_was_not_requested_is_about_another_party() -> None:
    server = identities.server_config(client_anchors=None)
    situation = talk(client(), server).client.situation()
    for text in ("CERT_HAS_EXPIRED", "CERT_REVOKED", "unable to get local issuer certificate"):
        found = explain_answer(http(text), situation)
        assert found is not None and first(found) == ("FORWARDED_WITHOUT_CERTIFICATE", "the peer's")
