"""Each failure of the catalogue is produced with other people's software, and its true cause is named first."""

from __future__ import annotations

import pytest

from bothways.diagnosis import Explanation
from catalogue.database import REQUEST, ask_for_tls
from catalogue.played import play
from catalogue.rows import CATALOGUE, Row
from catalogue.stage import Stage, as_client

pytestmark = [pytest.mark.interop, pytest.mark.network]

DATABASE = [row for row in CATALOGUE if row.program == "postgres"]
OTHERS = [row for row in CATALOGUE if row.program != "postgres"]


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row.name)
def test_the_true_cause_is_named_first(row: Row, stage: Stage) -> None:
    check(row, play(row, stage))


@pytest.mark.parametrize("row", DATABASE, ids=lambda row: row.name)
def test_the_true_cause_is_named_first_for_a_database(row: Row, database_port: int) -> None:
    before, starttls = (None, "") if row.name == "database" else (ask_for_tls, "postgres")
    check(row, as_client(database_port, row.ours(), request=REQUEST, before=before, starttls=starttls))


def check(row: Row, found: Explanation | None) -> None:
    assert found is not None, "it did not fail"
    reported = [(each.cause.name, each.party.value, each.weight.name) for each in found.causes]
    assert reported[0][:2] == (row.cause.name, row.party.value), f"{found}\n{reported}"
    assert {each.name for each in row.also} <= {each.cause.name for each in found.shown_causes}, (
        f"{found}\n{reported}"
    )


def test_the_catalogue_is_large_and_each_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in CATALOGUE]
    assert len(names) == len(set(names)) >= 100
    assert len({row.peer for row in CATALOGUE}) >= 8
    assert len({(row.cause, row.party) for row in CATALOGUE}) >= 40
