"""Of failures that are drawn the cause is known by construction: it is told first, and a second fault beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from bothways.diagnosis import Explanation
from catalogue.drawn_rows import Drawn, drawn, every, write
from catalogue.row import CLIENT, SERVER
from catalogue.stage import REQUEST, Stage, as_client, as_server

pytestmark = [pytest.mark.interop, pytest.mark.network]

SAMPLE, ALL = 30, 100_000


@dataclass
class Score:
    """How many were told rightly, by what was first, and which were not; both by what the peer is."""

    first: Counter[str] = field(default_factory=Counter)
    count: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shares = (f"{name} {self.first[name]}/{count}" for name, count in sorted(self.count.items()))
        total = f"{self.first.total()} of {self.count.total()}"
        return f"the cause was first in {total} drawn failures: {', '.join(shares)}"


def test_the_cause_of_drawn_failures_is_reported_first(stage: Stage, request: pytest.FixtureRequest) -> None:
    """The share in which it is first is printed; none may be missing from what is told."""
    score = Score()
    for row in drawn(ALL if request.config.getoption("--full") else SAMPLE):
        write(stage.folder, row)
        try:
            found = play(row, stage)
        except TimeoutError:
            score.missed.append(f"{row.name}: the client did not come")
            continue
        judge(row, found, score)
    print(f"\n{score}")
    assert not score.missed, "\n".join(score.missed)


def play(row: Drawn, stage: Stage) -> Explanation | None:
    """Produce a failure, and have it explained to us."""
    ours = {"versions": (row.version,), **row.settings}
    if row.faulty == row.role:
        ours["credentials"] = row.person().credentials
    if row.role != CLIENT:
        if row.faulty == SERVER:
            ours["client_auth"] = "none"
        return as_server(ours, lambda port: stage.calling(row.command, "", port, row.setup))
    port = stage.start(row.command, row.setup)
    try:
        return as_client(
            port, ours, request=row.other.request or REQUEST, before=row.other.before, patience=3
        )
    finally:
        if "WHO" in row.other.command + row.other.setup:
            stage.stop(row.command, row.setup)


def judge(row: Drawn, found: Explanation | None, score: Score) -> None:
    """Count what is first, and note what is not told."""
    peer = f"{row.other.name} ({'us' if row.role == row.faulty else 'them'} as {row.faulty})"
    score.count[peer] += 1
    if found is None:
        score.missed.append(f"{row.name}: it did not fail")
        return
    reported = [each.cause for each in found.shown_causes]
    score.first[peer] += reported[0] in row.firsts
    if reported[0] not in row.firsts or not row.reported <= set(reported):
        wanted, got = ([each.name for each in causes] for causes in (row.causes, reported))
        score.missed.append(f"{row.name}: wanted {wanted}, told {got}; {found.happened}")


def test_there_are_many_drawn_cases_and_each_has_a_name() -> None:
    names = [row.name for row in every()]
    assert len(names) == len(set(names)) >= 3000
