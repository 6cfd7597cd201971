"""Whatever ends a connection has causes, in every place and for both sides."""

from __future__ import annotations

import socket
from itertools import product
from string import Formatter
from typing import Any

import pytest

import identities
from bothways.diagnosis import (
    Cause,
    Explanation,
    Observed,
    OwnSide,
    Party,
    Situation,
    explain,
    explain_verdict,
)
from bothways.diagnosis.situation import AcceptedCertificates
from bothways.errors import InternalError, PeerAlert, PeerFault, Truncated
from bothways.faults import Fault
from bothways.iana import Alert
from bothways.roles import Progress, Role, StepId
from bothways.tls.handshake.alert_meanings import meaning_of
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify as judge
from pair import NOON

CHAIN = tuple(identities.client().chain)
HELLO, CHOSEN, JUDGED, ACCEPTED = Progress
# A server has shown its certificate when it has chosen.
POSSIBLE = {Role.CLIENT: tuple(Progress), Role.SERVER: (HELLO, JUDGED, ACCEPTED)}
# How far a conversation can have come: what was sent and received by then.
SEEN = {
    Role.CLIENT: (
        Observed(),
        Observed(sent=("ClientHello",)),
        Observed(sent=("ClientHello",), received=("ServerHello",), version=0x0304, progress=CHOSEN),
        Observed(
            sent=("ClientHello", "Certificate"),
            received=("ServerHello",),
            request=AcceptedCertificates(),
            shown=(),
            progress=JUDGED,
        ),
        Observed(
            sent=("ClientHello", "Certificate"),
            received=("ServerHello",),
            request=AcceptedCertificates(),
            shown=CHAIN,
            progress=JUDGED,
        ),
        Observed(sent=("ClientHello", "Finished"), received=("ServerHello",), data=True, progress=ACCEPTED),
    ),
    Role.SERVER: (
        Observed(),
        Observed(received=("ClientHello",)),
        Observed(
            received=("ClientHello",), sent=("ServerHello", "Certificate"), shown=CHAIN, progress=JUDGED
        ),
        Observed(
            received=("ClientHello", "Finished"),
            sent=("ServerHello", "Certificate"),
            shown=CHAIN,
            progress=ACCEPTED,
        ),
    ),
}


def situations(role: Role) -> list[tuple[Situation, Progress]]:
    """A side that brought something, and one of which nothing is known, each as far as one can have come."""
    config = (
        identities.client_config(identities.client()) if role is Role.CLIENT else identities.server_config()
    )
    full, bare = OwnSide.of(config, "localhost", address="localhost:8443"), OwnSide(role)
    seen = [(Situation(full, each), each.progress) for each in SEEN[role]]
    return seen + [(Situation(bare), progress) for progress in POSSIBLE[role]]


def check(found: Explanation) -> None:
    """Every placeholder is filled in, and each cause says what to do."""
    assert found.causes and found.happened and not found.happened.endswith(".")
    for each in found.causes:
        assert each.text and each.remedy and not each.text.endswith((":", ": ", "."))
        for text in (each.text, each.remedy, each.evidence, each.command):
            assert "?" not in text and "{" not in text and text.isascii(), text


def facts_of(fault: Fault) -> dict[str, object]:
    """A value for each blank of a row."""
    names = {name for _, name, _, _ in Formatter().parse(fault.sentence + fault.hint) if name}
    values: dict[str, object] = dict.fromkeys(names, "something")
    times = dict.fromkeys(names & {"not_after", "not_before", "now", "revoked_at"}, NOON)
    return {**values, **times, **({"seconds": 30.0} if "seconds" in names else {})}


@pytest.mark.parametrize("role", Role)
def test_every_fault_is_explained_at_every_step(role: Role) -> None:
    for (situation, progress), fault in product(situations(role), Fault):
        error = PeerFault(fault, step=StepId("1.2"), peer=role.peer, progress=progress, facts=facts_of(fault))
        check(explain(error, situation))


@pytest.mark.parametrize("role", Role)
def test_every_alert_is_explained_at_every_step(role: Role) -> None:
    for (situation, progress), alert in product(situations(role), Alert):
        error = PeerAlert(alert, step=StepId("3"), peer=role.peer, progress=progress)
        found = explain(error, situation)
        check(found)
        assert found.first.cause is not Cause.PRIVATE_ALERT
        assert found.usually == meaning_of(alert, role, progress)[0] != ""


def test_an_undefined_alert_is_explained_as_such() -> None:
    for number in set(range(256)) - set(Alert):
        found = explain(PeerAlert(number, step=StepId("1.2"), peer="server", state="WAIT_SH"))
        check(found)
        assert found.first.cause is Cause.PRIVATE_ALERT


@pytest.mark.parametrize("role", Role)
def test_a_closed_connection_is_explained_at_every_step(role: Role) -> None:
    for situation, progress in situations(role):
        for error in (Truncated(role.peer, progress=progress), ConnectionResetError(104, "reset")):
            found = explain(error, situation)
            check(found)
            assert found.usually


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        OSError(113, "No route to host"),
        OSError(24, "Too many open files"),
        BrokenPipeError(32, "Broken pipe"),
        InternalError(),
    ],
    ids=repr,
)
def test_every_network_error_is_explained_at_every_step(error: Exception, role: Role) -> None:
    for situation, _ in situations(role):
        check(explain(error, situation))


def test_a_verdict_without_a_connection_is_explained_too() -> None:
    """`bothways verify`."""
    issued, anchors, now = (
        identities.server(),
        identities.anchors(),
        identities.END + (identities.END - identities.START),
    )
    asked: dict[str, Any] = {"purpose": Purpose.CLIENT, "name": None, "at": now}
    verdict = judge(issued.chain, anchors, **asked)
    assert isinstance(verdict, Refused)
    found = explain_verdict(verdict, issued.chain, anchors, **asked)
    check(found)
    assert "(step 3.3b; " in found.happened
    assert {each.cause.name for each in found.causes} >= {"OUR_CLOCK", "EXPIRED"}


def test_an_error_alone_is_explained_too() -> None:
    """Without a observed there is less to go by, and still an answer."""
    found = explain(PeerAlert(Alert.UNKNOWN_CA, step=StepId("3.3a"), peer="server", progress=JUDGED))
    assert (found.first.cause, found.first.party) == (Cause.CA_NOT_ACCEPTED, Party.OURS)
    found = explain(Truncated("server", step=StepId("1.2")))
    assert found.first.cause is Cause.SPEAKS_PLAIN
