"""Our error inside whatever a library made of it, found in bounded time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

import bothways
import identities
import pki
from bothways import Alert, ConfigError, Fault, PeerAlert, PeerFault, Truncated, explain_failure, failure_of
from bothways.diagnosis.failure import LOOKED_AT, explain_backend
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from hostile.meters import calls_of
from pair import pair

OURS = PeerAlert(Alert.CERTIFICATE_REVOKED, step=None, peer="server")


def caused(error: BaseException) -> BaseException:
    found = ssl.SSLError(1, "text")
    found.__cause__ = error
    return found


def in_context(error: BaseException) -> BaseException:
    found = OSError("in context")
    found.__context__ = error
    found.__suppress_context__ = True
    return found


class Reasoned(Exception):
    """As urllib3's MaxRetryError."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__("Max retries exceeded")
        self.reason = reason


class Held(Exception):
    """As aiohttp's ClientConnectorError, whose properties may raise."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("Cannot connect")
        self.os_error = error

    @property
    def reason(self) -> object:
        raise RuntimeError("no reason")


WRAPPED: dict[str, Callable[[BaseException], BaseException]] = {
    "itself": lambda error: error,
    "cause": caused,
    "context": in_context,
    "argument": lambda error: OSError("no connection", error),
    "reason": Reasoned,
    "attribute": Held,
    "group": lambda error: BaseExceptionGroup("several", [KeyError("x"), error]),
    "group in a group": lambda error: ExceptionGroup(
        "a", [ExceptionGroup("b", [ValueError(), caused(error)])]
    ),
    "as requests has it": lambda error: OSError(Reasoned(caused(error))),
    "ten deep": lambda error: __import__("functools").reduce(lambda held, _: caused(held), range(10), error),
}


@pytest.mark.parametrize("how", WRAPPED)
def test_our_error_is_found_in_any_wrapper(how: str) -> None:
    wrapped = WRAPPED[how](OURS)
    assert failure_of(wrapped) is OURS
    assert explain_failure(wrapped) == explain_failure(OURS)


def test_the_nearest_of_several_errors_is_found() -> None:
    far = Truncated("server")
    wrapped = caused(OURS)
    OURS.__context__ = far
    try:
        assert failure_of(wrapped) is OURS
    finally:
        OURS.__context__ = None


def test_without_an_error_of_ours_the_network_is_explained() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    assert failure_of(refused) is None
    assert failure_of(Reasoned(refused)) is None
    found = explain_failure(Reasoned(refused))
    assert found == explain_failure(refused)
    assert "refused" in found.happened


def test_what_is_no_exception_is_named() -> None:
    """As where the result of `failure_of` is passed on, which is None for errors of others."""
    with pytest.raises(ConfigError, match="error: expected BaseException, not None"):
        explain_failure(failure_of(ValueError("of others")))  # type: ignore[arg-type]


def test_circular_and_many_exceptions_end() -> None:
    one, two = caused(KeyError()), caused(KeyError())
    one.__cause__, two.__cause__ = two, one
    assert failure_of(one) is None
    crowd = ExceptionGroup(
        "many", [ExceptionGroup("many", [KeyError(n) for n in range(100)]) for _ in range(500)]
    )
    began = time.perf_counter()
    assert failure_of(crowd) is None
    assert time.perf_counter() - began < 1
    deep: BaseException = OURS
    for _ in range(LOOKED_AT + 1):
        deep = caused(deep)
    assert failure_of(deep) is None


def test_observations_of_the_connection_are_taken_into_account() -> None:
    from ssl_pair import Pair, client_context, server_context

    late = Pair(client_context(who=False), server_context()).shake_hands().late_refusal()
    assert late is not None
    reported = explain_failure(OSError(late))
    assert "seen" in str(reported)
    assert str(reported) == str(late)
    assert bothways.explain_failure is explain_failure


@pytest.mark.parametrize(
    ("problem", "first", "words"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            "BACKEND_DOWN",
            "behind us, 10.0.0.9:80, does not answer",
        ),
        (TimeoutError(), "BACKEND_DOWN", "behind us, 10.0.0.9:80, does not answer"),
        (ConnectionResetError(104, "Connection reset by peer"), "PEER_STOPPED", "the service behind us"),
        (None, "PEER_STOPPED", "the service behind us"),
        (socket.gaierror(-2, "Name or service not known"), "HOST_UNKNOWN", "misspelled"),
        (OSError(113, "No route to host"), "UNREACHABLE", "10.0.0.9:80"),
    ],
)
def test_a_service_to_which_we_forward_is_told_and_not_the_client(problem, first, words):
    """Its address is in the causes, and no command that would have to know more of it."""
    found = explain_backend(problem, "10.0.0.9:80")
    assert found.causes[0].cause.name == first
    assert words in found.causes[0].text
    assert not any("client" in each.text for each in found.causes)


def test_a_service_that_greets_otherwise_is_told_by_what_it_said():
    """It was to speak first, in the protocol in which the client had been greeted by us."""
    found = explain_backend(StartTLSFailed(StartTLSProblem.ENDED, "SMTP"), "10.0.0.9:80")
    assert found.causes and found.usually == "the client is not at fault: it was accepted"


def test_a_revocation_is_explained_without_a_walk_through_all_crls() -> None:
    """Servers have thousands of them, and explain each refused client."""

    def calls(others: int) -> int:
        times = {"this_update": datetime.now(UTC) - pki.DAY, "next_update": datetime.now(UTC) + pki.DAY}
        names = (pki.name(f"Other {number}") for number in range(others))
        unrelated = [CRL(pki.crl(identities.root(), issuer_name=each, **times)) for each in names]
        crls = CRLStore([*identities.crls(identities.client()), *unrelated])
        server = identities.server_config(revocation=Revocation(crls=crls))
        talk = pair(identities.client_config(identities.client()), server)
        talk.exchange()
        failure = talk.server_failure
        assert isinstance(failure, PeerFault)
        assert failure.fault is Fault.REVOKED
        explain_failure(failure)
        return calls_of(lambda: explain_failure(failure))

    assert calls(400) < 1.2 * calls(10)
