"""Refusals by their codes: bounded in number, and in how often a ladder is drawn."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from bothways import Fault, PeerFault, TLSError
from bothways.describe.recorder import Recorder
from bothways.diagnosis.failure import explain_failure
from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.observe.refusals import AT_ONCE, GROUPS, LADDER_LIMIT, RENEW_SECONDS, Refusals
from bothways.gateway.observe.snapshot import documents
from gateway_talk import Setting, until

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def refused(code: str, error: PeerFault | None = None, verdict: str = "refused") -> ConnectionEntry:
    entry = ConnectionEntry("in", "192.0.2.7:5", "192.0.2.7", 0.0, verdict=verdict)
    entry.ending, entry.failure = Ending(code, f"{code} \x1b[31m" + "x" * 1000), error
    return entry


def test_refusals_of_one_code_are_counted_together_and_codes_are_bounded() -> None:
    refusals = Refusals(lambda: 0.0, lambda: NOON)
    for number in range(GROUPS + 10):
        for _ in range(3):
            refusals.note(refused(f"CODE_{number}"), ())
    facts = refusals.facts()
    assert len(facts) == GROUPS and facts[0]["code"] == f"CODE_{GROUPS + 9}"
    assert {each["count"] for each in facts} == {3}
    assert all(len(each["ended"]) <= 400 and each["ended"].isprintable() for each in facts)


def test_alerts_without_a_name_displace_no_other_refusal() -> None:
    """A client chooses their numbers."""
    refusals = Refusals(lambda: 0.0, lambda: NOON)
    refusals.note(refused("REVOKED"), ())
    for number in range(GROUPS * 2):
        refusals.note(refused(f"ALERT_UNKNOWN_{number}"), ())
    assert [each["code"] for each in refusals.facts()] == ["ALERT_OTHER", "REVOKED"]


def test_a_client_that_leaves_or_is_accepted_is_no_refusal() -> None:
    refusals = Refusals(lambda: 0.0, lambda: NOON)
    refusals.note(refused(Code.CLIENT_LEFT.name, verdict="none"), ())
    refusals.note(refused(Code.CLOSED.name, verdict="allowed"), ())
    assert refusals.facts() == []
    refusals.note(refused(Code.ROUTE_GONE.name, verdict="withdrawn"), ())
    assert [each["code"] for each in refusals.facts()] == ["ROUTE_GONE"]


def test_a_refusal_without_a_ladder_has_the_cause_of_the_log() -> None:
    refusals = Refusals(lambda: 0.0, lambda: NOON)
    for code, cause in ((Code.STARTTLS_FAILED, "PLAIN_CLIENT"), (Code.CONNECTIONS_LIMIT, "SERVICE_BUSY")):
        entry = refused("")
        asked = StartTLSFailed(StartTLSProblem.REFUSED, "IMAP", peer="client")
        entry.ending = Ending.of(code, "it did not", asked if code is Code.STARTTLS_FAILED else None)
        refusals.note(entry, ())
        [found] = [each for each in refusals.facts() if each["code"] == code.name]
        assert (found["cause"], found["ladder"]) == (cause, "")
        assert [found["cause"]] == entry.causes


def test_a_ladder_is_drawn_of_one_of_them_and_not_of_each() -> None:
    """Whoever fails on purpose makes us draw once a minute for each code, and a few at once of all codes."""
    now, errors = [0.0], [PeerFault(each, step=None, peer="client") for each in list(Fault)[:20]]
    refusals = Refusals(lambda: now[0], lambda: NOON)
    notes = Recorder().notes

    def drawn() -> int:
        return sum(bool(each["cause"]) for each in refusals.facts())

    for error in errors:
        refusals.note(refused(error.fault.name, error), notes)
    assert drawn() == AT_ONCE
    now[0] += RENEW_SECONDS
    for error in reversed(errors):
        refusals.note(refused(error.fault.name, error), notes)
    assert AT_ONCE < drawn() <= 2 * AT_ONCE
    assert all(len(each["ladder"]) <= LADDER_LIMIT + 10 for each in refusals.facts())


def test_a_refusal_that_cannot_be_explained_is_counted_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a thread nobody would see the error."""

    def explained(*_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr("bothways.gateway.observe.refusals.explain_failure", explained)
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        refusals = Refusals(lambda: 0.0, lambda: NOON, pool.submit, told.append)
        for fault in (Fault.REVOKED, Fault.NO_PATH):
            refusals.note(refused(fault.name, PeerFault(fault, step=None, peer="client")), ())
    assert [(each["code"], each["count"], each["ladder"]) for each in refusals.facts()] == [
        ("NO_PATH", 1, ""),
        ("REVOKED", 1, ""),
    ]
    [line] = told
    assert "cannot be shown on the status page: RuntimeError('a defect')" in line


def test_a_ladder_is_drawn_by_a_thread_so_that_no_client_waits_for_it(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a large chain takes longer than an event loop may be held."""
    drawing: list[threading.Thread] = []

    def explained(*arguments: Any) -> Any:
        drawing.append(threading.current_thread())
        return explain_failure(*arguments)

    monkeypatch.setattr("bothways.gateway.observe.refusals.explain_failure", explained)

    async def talk() -> None:
        status = {"unix": str(setting.folder / "status.sock"), "allow": "any verified client"}
        setting.write('backend = "127.0.0.1:1"\nallow = "any verified client"', status=status)
        async with setting.gateway() as gateway:
            with pytest.raises(TLSError):
                reader, _ = await setting.open(gateway, "unknown_ca")
                await reader.read()
            await until(lambda: drawing)
            while not any(each["ladder"] for row in documents(gateway.board) for each in row["refusals"]):
                await asyncio.sleep(0.01)
                await gateway.refresh()
        assert {each.name for each in drawing} == {"drawing_0"}

    asyncio.run(talk())
