"""Of failures that are drawn the cause is known by construction: it is told first, and a second fault beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from bothways.diagnosis import Cause, Explanation
from catalogue import people
from catalogue.drawn_rows import Drawn, drawn, every, write
from catalogue.row import CLIENT
from catalogue.stage import REQUEST, Stage, as_client, as_server

pytestmark = [pytest.mark.interop, pytest.mark.network]

SAMPLE, ALL = 40, 10_000
# A fault that comes before all others: nothing else helps until it is mended.
BEFORE_ALL = (Cause.CA_NOT_ACCEPTED, Cause.INTERMEDIATE_MISSING)


@dataclass
class Score:
    """How many were told rightly, by what was first, and which were not."""

    first: int = 0
    count: int = 0
    missed: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("drawn")
    people.write(folder)
    made = Stage(folder, lambda: "go-peer")
    yield made
    made.close()


def test_the_cause_of_drawn_failures_is_told_first(stage: Stage, request: pytest.FixtureRequest) -> None:
    """The share in which it is first is printed; none may be missing from what is told."""
    score = Score()
    for row in drawn(ALL if request.config.getoption("--full") else SAMPLE):
        write(stage.folder, row)
        judge(row, play(row, stage), score)
    print(f"\nthe cause was first in {score.first} of {score.count} drawn failures")
    assert not score.missed, "\n".join(score.missed)


def play(row: Drawn, stage: Stage) -> Explanation | None:
    """Produce a failure, and have it explained to us."""
    if row.role != CLIENT:
        return as_server({}, lambda port: stage.calling(row.command, "", port))
    port = stage.start(row.command, row.setup)
    ours = {"versions": (row.version,)} | (
        {"credentials": row.person().credentials} if row.faulty == CLIENT else {}
    )
    return as_client(port, ours, request=row.request or REQUEST)


def judge(row: Drawn, found: Explanation | None, score: Score) -> None:
    """Count what is first, and note what is not told."""
    score.count += 1
    if found is None:
        score.missed.append(f"{row.name}: it did not fail")
        return
    wanted = row.causes
    certain = [each for each in wanted if each in BEFORE_ALL] or list(wanted)
    told = [each.cause for each in found.told]
    score.first += told[0] in certain
    if told[0] not in certain or not set(wanted) <= set(told):
        score.missed.append(
            f"{row.name}: wanted {[each.name for each in wanted]}, told {[each.name for each in told]}"
        )


def test_what_can_be_drawn_is_much_and_each_has_a_name() -> None:
    names = [row.name for row in every()]
    assert len(names) == len(set(names)) >= 200
