"""One script under way: what it waits for, until when, and what becomes of an answer that does not come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bothways import UsageError
from bothways.iana import SignatureScheme
from bothways.roles import Version
from bothways.tls.crypto.signing import sign
from bothways.tls.events import ChecksWanted, Event, EvidenceWanted, SignatureWanted, Warned
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.script import Agreed, Enter, Script, Wait
from bothways.tls.handshake.steps import Step
from bothways.tls.runner import ScriptRunner
from bothways.trust import Fetch
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.verdict import EvidenceRequest
from pair import NOON, FrozenClock
from tls.handshake.conversations import credentials, identity

CERTIFICATE = credentials("localhost").certificate
ANY: Any = None
WANT = EvidenceRequest("crl", ANY, ANY, ("http://crl.example/",))
EVIDENCE = EvidenceWanted((WANT,), Fetch(by_caller=True), NOON, 5.0)
SIGNATURE = SignatureWanted(SignatureScheme.ecdsa_secp256r1_sha256, b"data", CERTIFICATE)
CHECKS = ChecksWanted((lambda: None,))
GOOD = sign(SIGNATURE.scheme, identity("localhost").key, b"data")


def waiting(*waits: Wait | Enter | Agreed) -> Script[list[Any]]:
    """Say each of these, and return what came for them."""
    came = []
    for each in waits:
        came.append((yield each))
    return came


def runner(
    *waits: Wait | Enter | Agreed, **options: Any
) -> tuple[ScriptRunner[list[Any]], FrozenClock, list[Any]]:
    """A script that was begun, its clock, and what it came to."""
    clock, results = FrozenClock(), list[Any]()

    def finished(result: list[Any]) -> Sequence[Event]:
        results.append(result)
        return (Warned("done"),)  # type: ignore[arg-type]

    made = ScriptRunner(waiting(*waits), clock, finished, **options)
    assert made.resume() == (() if waits[0] == WAIT else (waits[0].request,))  # type: ignore[union-attr]
    return made, clock, results


WAIT = Wait(Step.WAIT_CV)


def test_a_message_is_waited_for_without_a_request_and_without_a_time() -> None:
    """The deadline of a handshake is its connection's."""
    made, _, results = runner(WAIT)
    assert made.request is made.answer_by is None and not made.is_done
    assert made.resume("message") == (Warned("done"),)  # type: ignore[arg-type]
    assert made.is_done and results == [["message"]]


def test_steps_and_agreements_are_passed_on_and_not_waited_at() -> None:
    """In their order, the wait at last."""
    heard: list[Any] = []
    agreed = Agreed(Negotiated(Version.TLS13))
    made = ScriptRunner(
        waiting(Enter(Step.SIGNING), agreed, WAIT), FrozenClock(), lambda _: (), apply_step=heard.append
    )
    assert made.resume() == ()
    assert heard == [Enter(Step.SIGNING), agreed, WAIT]


@pytest.mark.parametrize(
    ("request_", "patience", "seconds"),
    [
        (EVIDENCE, None, 5.0),
        (EVIDENCE, 30.0, 5.0),
        (CHECKS, None, None),
        (CHECKS, 30.0, 30.0),
        (SIGNATURE, None, None),
        (SIGNATURE, 30.0, 30.0),
    ],
)
def test_an_answer_is_waited_for_as_long_as_its_request_says_or_its_owner(
    request_: Any, patience: float | None, seconds: float | None
) -> None:
    """Without either there is no time of its own."""
    made, clock, _ = runner(Wait(Step.JUDGING, request_), patience=patience)
    assert made.request is request_
    assert made.answer_by == (None if seconds is None else clock.monotonic() + seconds)
    clock.pass_time((seconds or 1000.0) - 0.5)
    assert not made.is_late
    clock.pass_time(0.5)
    assert made.is_late is (seconds is not None)


def test_evidence_that_is_late_is_missing_with_the_time_that_it_had() -> None:
    """It stands in the reason for a refusal."""
    made, clock, results = runner(Wait(Step.JUDGING, EVIDENCE))
    clock.pass_time(5)
    made.continue_without_answer()
    ((found,),) = results[0]
    assert isinstance(found, Missing)
    assert found.problem == "http://crl.example/: no answer within 5 seconds"


@pytest.mark.parametrize("request_", [CHECKS, SIGNATURE], ids=["checks", "a signature"])
def test_late_checks_and_late_signature_count_as_missing(request_: Any) -> None:
    """What was not checked is wanted again, what was not signed is not shown: the script says so."""
    made, clock, results = runner(Wait(Step.JUDGING, request_), patience=3.0)
    clock.pass_time(3)
    made.continue_without_answer()
    assert results == [[None]]


@pytest.mark.parametrize(
    ("request_", "answer", "problem"),
    [
        (SIGNATURE, GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "was not made by the private key of our certificate"),
        (SIGNATURE, None, "was not made by the private key of our certificate"),
        (SIGNATURE, [b"signature"], "was not made by the private key of our certificate"),
        (EVIDENCE, [], "expected 1 answers, one for each request, or None"),
        (EVIDENCE, b"one", "expected 1 answers, one for each request, or None"),
        (EVIDENCE, ["text"], "str is no evidence; expected bytes, or None without it"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_the_script_waits_on(
    request_: Any, answer: Any, problem: str
) -> None:
    """A mistake of our own side ends nothing."""
    made, _, results = runner(Wait(Step.SIGNING, request_))
    with pytest.raises(UsageError, match=problem):
        made.read(answer)
    assert made.request is request_ and results == []


def test_a_fitting_answer_resumes_the_script() -> None:
    """A signature as it is; evidence for each want, read; nothing for checks, which keep their results."""
    made, _, results = runner(Wait(Step.SIGNING, SIGNATURE), Wait(Step.JUDGING, EVIDENCE))
    assert made.resume(made.read(GOOD)) == (EVIDENCE,)
    made.resume(made.read(None))
    assert results[0][0] == GOOD
    assert results[0][1] == [Missing("http://crl.example/: it could not be obtained")]
    made, _, results = runner(Wait(Step.JUDGING, CHECKS))
    made.resume(made.read(None))
    assert results == [[None]]


def test_an_owner_that_can_do_without_a_signature_takes_none() -> None:
    """After the handshake a certificate need not be shown."""
    made, _, results = runner(Wait(Step.SIGNING, SIGNATURE), patience=3.0)
    made.resume(made.read(None))
    assert results == [[None]]


def test_a_script_that_is_closed_waits_for_nothing() -> None:
    """The end of a connection."""
    made, _, results = runner(Wait(Step.JUDGING, EVIDENCE))
    made.close()
    assert made.request is made.answer_by is None and not made.is_late and results == []
