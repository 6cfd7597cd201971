"""Where a handshake stands: steps in their order, choices as they are made, and errors that say where they arose."""

from __future__ import annotations

import pytest

from bothways.faults import Blame, Fault, Reason
from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId, Version
from bothways.tls.events import Note, Progressed
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.position import Position
from bothways.tls.handshake.script import Agreed, Enter, Wait
from bothways.tls.handshake.steps import Step
from tls.handshake.contexts import SUITE, context

IN_13, IN_12 = Negotiated(Version.TLS13, SUITE), Negotiated(Version.TLS12)
TO_THE_END = (Step.WAIT_SH, Step.WAIT_EE, Step.WAIT_CERT_CR, Step.WAIT_CV, Step.WAIT_FINISHED, Step.JUDGING)


def client_at(step: Step, notes: list[Note] | None = None) -> Position:
    """A client of TLS 1.3 that has come as far as this."""
    position = Position(context(Role.CLIENT, notes))
    for each in TO_THE_END:
        position.apply(Wait(each))
        if each is Step.WAIT_SH:
            position.apply(Agreed(IN_13))
        if each is step:
            break
    return position


def test_the_negotiated_version_selects_the_table_of_steps() -> None:
    """The version is chosen after the first step."""
    position = Position(context(Role.CLIENT))
    position.apply(Wait(Step.WAIT_SH))
    assert position.version is None and position.negotiated is None
    position.apply(Agreed(IN_12))
    assert position.version is Version.TLS12
    position.apply(Wait(Step.WAIT_SERVER_CERT))
    assert position.rule.expected == "certificate"


def test_a_wait_for_an_answer_at_the_same_step_is_no_step() -> None:
    """A judgement may wait several times; a step that is not the next is a defect of ours."""
    position = client_at(Step.JUDGING)
    position.apply(Wait(Step.JUDGING, object()))  # type: ignore[arg-type]
    assert position.step is Step.JUDGING
    position.apply(Enter(Step.SIGNING))
    with pytest.raises(TypeError, match="WAIT_CV may not follow SIGNING"):
        position.apply(Wait(Step.WAIT_CV))


@pytest.mark.parametrize(
    ("role", "negotiated", "known"),
    [
        (Role.CLIENT, IN_13, False),
        (Role.CLIENT, IN_12, True),
        (Role.SERVER, IN_13, True),
        (Role.SERVER, IN_12, True),
    ],
)
def test_a_side_knows_at_the_end_of_the_handshake_whether_it_is_accepted(
    role: Role, negotiated: Negotiated, known: bool
) -> None:
    """RFC 9846 4.5.3: a client of TLS 1.3 is not."""
    notes: list[Note] = []
    position = Position(context(role, notes))
    position.step = Step.JUDGING if negotiated is IN_13 or role is Role.SERVER else Step.WAIT_SERVER_FINISHED
    position.complete(negotiated)
    assert position.confirmed is known
    assert position.progress is (Progress.ACCEPTED if known else Progress.JUDGED)
    position.confirm()
    assert position.progress is Progress.ACCEPTED
    reported = [note.progress for note in notes if isinstance(note, Progressed)]
    assert reported == [Progress.ACCEPTED] if known else [Progress.JUDGED, Progress.ACCEPTED]


def test_a_fault_names_the_check_that_failed_and_the_step() -> None:
    """More exact than the step, where the fault tells it."""
    reasons = (Reason(Fault.CERTIFICATE_EXPIRED, 0), Reason(Fault.NO_PATH, 0))
    error = client_at(Step.JUDGING).fault(Blame(Fault.CERTIFICATE_EXPIRED, {"not_after": 1}, reasons, 3))
    assert (error.step, error.state, error.peer) == (StepId.SERVER_VALIDITY, "JUDGING", "server")
    assert (error.reasons, error.left_out, error.progress) == (reasons, 3, Progress.CHOSEN)
    assert client_at(Step.WAIT_CV).fault(Blame(Fault.UNDECODABLE, {})).step is StepId.SERVER_SIGNATURE


def test_a_refusal_names_what_the_peer_refused_by_its_alert() -> None:
    """And what that means for whoever is refused there."""
    position = client_at(Step.JUDGING)
    position.complete(IN_13)
    error = position.refusal(Alert.UNKNOWN_CA, asked_later=False)
    assert (error.step, error.state, error.progress) == (StepId.CLIENT_PATH, "CONNECTED", Progress.JUDGED)
    assert "finds no path from our certificate" in error.meaning
    position.confirm()
    assert position.refusal(Alert.UNKNOWN_CA, asked_later=False).step is StepId.APPLICATION_DATA
    assert position.refusal(Alert.UNKNOWN_CA, asked_later=True).step is StepId.CLIENT_PATH


def test_a_cut_names_the_step_or_what_is_not_known_yet() -> None:
    """RFC 9846 6.1; before a client of TLS 1.3 is confirmed it may be a refusal without words."""
    assert client_at(Step.WAIT_EE).truncation().step is StepId.SERVER_HELLO
    assert client_at(Step.WAIT_EE).truncation(in_record=True).in_record
    position = client_at(Step.JUDGING)
    position.complete(IN_13)
    assert position.truncation().step is StepId.CLIENT_AUTHENTICATION
    position.confirm()
    assert position.truncation().step is StepId.APPLICATION_DATA
