"""The causes of endings, for programs: every code has one, unless nothing failed; errors have their own."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

import identities
import pki
from bothways import Alert, Fault, PeerAlert, PeerFault, Truncated
from bothways.diagnosis.causes import Cause
from bothways.diagnosis.failure import explain_failure
from bothways.errors import StartTLSFailed, StartTLSProblem, TimedOut
from bothways.gateway.http.messages import RefusedRequest, ServiceFailed
from bothways.gateway.log.causes import BY_CODE, MOST_CAUSES, causes_of
from bothways.gateway.log.endings import Code, Ending, ending_of
from gateway_talk import IN_ORDER

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"


def test_every_code_has_a_cause_unless_nothing_failed() -> None:
    assert set(BY_CODE) == {each.name for each in Code}
    assert {code for code, cause in BY_CODE.items() if cause is None} == IN_ORDER
    assert causes_of(None) == causes_of(Ending.of(Code.CLOSED, "both sides closed")) == ()


def test_the_cause_of_every_code_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `")}
    for code, cause in BY_CODE.items():
        assert f"| {'-' if cause is None else f'`{cause.name}`'} |" in rows[code], code


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (PeerFault(Fault.REVOKED, step=None, peer="client"), Cause.REVOKED),
        (PeerAlert(Alert.CERTIFICATE_EXPIRED, step=None, peer="client"), Cause.EXPIRED),
        (Truncated("client"), Cause.PROBE),
        (StartTLSFailed(StartTLSProblem.ENDED, "SMTP", peer="client"), Cause.PROBE),
        (ConnectionResetError(104, "Connection reset by peer"), Cause.GAVE_UP),
    ],
    ids=repr,
)
def test_an_error_has_the_cause_that_our_diagnosis_names(error: Exception, cause: Cause) -> None:
    """One of the network that knows nothing of a handshake has that of its code."""
    assert causes_of(ending_of(error, is_verified=False))[0] is cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(111, "Connection refused"), Cause.BACKEND_DOWN),
        (FileNotFoundError(2, "No such file or directory"), Cause.BACKEND_DOWN),
        (ConnectionResetError(104, "Connection reset by peer"), Cause.BACKEND_DOWN),
        (TimedOut("no answer"), Cause.BACKEND_DOWN),
        (socket.gaierror(-2, "Name or service not known"), Cause.HOST_UNKNOWN),
        (OSError(113, "No route to host"), Cause.UNREACHABLE),
        (OSError(24, "Too many open files"), Cause.LOCAL_FAILURE),
        (PeerFault(Fault.NAME_MISMATCH, step=None, peer="server"), Cause.WRONG_NAME),
        (Cause.EXPIRED, Cause.EXPIRED),
        (None, Cause.BACKEND_DOWN),
    ],
    ids=repr,
)
def test_a_service_that_cannot_be_used_is_told_by_what_is_known_of_it(
    error: Exception | Cause | None, cause: Cause
) -> None:
    assert causes_of(Ending.of(Code.BACKEND_UNREACHABLE, "", error))[0] is cause


@pytest.mark.parametrize(
    ("name", "cause"), [("localhost", Cause.GAVE_UP), ("other.example", Cause.WRONG_NAME)]
)
def test_a_client_that_leaves_without_a_word_has_no_cause_that_is_only_possible(
    name: str, cause: Cause
) -> None:
    """Its hello, and the end right behind it: only what is known to be wrong with our certificate is named."""
    client = identities.client_config(identities.client()).connection(name)
    server = identities.server_config().connection()
    server.receive(client.data_to_send())
    server.receive_eof()
    assert isinstance(server.failure, Truncated)
    assert causes_of(ending_of(server.failure, is_verified=False))[0] is cause


def test_a_loss_of_a_service_is_told_by_its_tls_even_through_a_reset() -> None:
    lost = ConnectionResetError("the server refused the connection")
    lost.__cause__ = PeerAlert(Alert.CERTIFICATE_REQUIRED, step=None, peer="server")
    assert causes_of(ServiceFailed("lost", why=lost).ending)[0] is Cause.NO_CERTIFICATE
    reset = ConnectionResetError(104, "reset")
    assert causes_of(Ending.of(Code.BACKEND_LOST, "the backend: reset", reset))[0] is Cause.PEER_STOPPED


@pytest.mark.parametrize(
    ("status", "cause"),
    [(400, Cause.PEER_BREAKS_RULES), (408, Cause.NO_REQUEST), (421, Cause.MISDIRECTED),
     (431, Cause.REQUEST_TOO_LARGE), (502, Cause.BACKEND_DOWN), (503, Cause.SERVICE_BUSY), (504, Cause.BACKEND_DOWN)],
)  # fmt: skip
def test_a_request_that_is_refused_has_the_cause_of_its_status(status: int, cause: Cause) -> None:
    assert causes_of(RefusedRequest(status, "text").ending)[0] is cause
    assert causes_of(RefusedRequest(status, "text", Cause.EXPIRED).ending)[0] is Cause.EXPIRED


def two_faults() -> PeerFault:
    """What our server says of a client whose certificate has expired, and is that of a server."""
    past = {
        "not_before": identities.START - timedelta(days=30),
        "not_after": identities.START - timedelta(days=9),
    }
    old = pki.leaf(identities.middle(), "Ada", alternatives=(), usage=("serverAuth",), **past)
    mine = identities.client_config(old).connection("localhost")
    server = identities.server_config().connection()
    for _ in range(3):
        server.receive(mine.data_to_send())
        mine.receive(server.data_to_send())
    assert isinstance(server.failure, PeerFault)
    return server.failure


def test_all_causes_that_people_are_shown_are_told_the_certain_ones_first() -> None:
    """Each fault of a certificate has one, and alternatives where none is certain."""
    two = two_faults()
    told = causes_of(ending_of(two, is_verified=False))
    assert told[:2] == (Cause.EXPIRED, Cause.WRONG_USE)
    alert = PeerAlert(Alert.HANDSHAKE_FAILURE, step=None, peer="client")
    for error in (two, alert, PeerAlert(Alert.UNKNOWN_CA, step=None, peer="client")):
        explanation = explain_failure(error)
        told = causes_of(ending_of(error, is_verified=False))
        assert told[0] is explanation.first.cause
        assert set(told) == {each.cause for each in explanation.shown_causes}
        assert len(set(told)) == len(told) <= MOST_CAUSES
    assert len(causes_of(ending_of(alert, is_verified=False))) > 1


@pytest.mark.parametrize("fault", Fault)
def test_no_fault_has_more_causes_than_a_line_takes(fault: Fault) -> None:
    found = causes_of(ending_of(PeerFault(fault, step=None, peer="client"), is_verified=True))
    assert 1 <= len(found) <= MOST_CAUSES


def test_several_causes_that_were_found_before_are_told_as_they_are() -> None:
    several = (Cause.NO_CERTIFICATE, Cause.CA_NOT_ACCEPTED)
    assert causes_of(Ending.of(Code.BACKEND_REFUSED, "", several)) == several
