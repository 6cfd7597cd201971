"""The order of tests is the same in all processes of a run; what waits comes first, by whole files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from run_order import TESTS, begun_at, ordered


@dataclass(frozen=True)
class Listed:
    """What is asked of a test."""

    name: str
    marks: tuple[str, ...] = field(default=())

    @property
    def path(self) -> Path:
        return TESTS / self.name.partition("::")[0]

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


def made(file: str, count: int, *marks: str) -> list[pytest.Item]:
    return cast("list[pytest.Item]", [Listed(f"{file}::{number}", marks) for number in range(count)])


FILES = [
    made("aio/test_a.py", 3),
    made("cli/test_b.py", 5),
    made("http/test_c.py", 2),
    made("test_d.py", 4),
    made("tls/test_e.py", 20),
    made("trust/test_f.py", 2, "interop"),
]
ALL = [each for tests in FILES for each in tests]


@pytest.mark.parametrize("count", [2, 3, 4, 50])
def test_the_order_is_the_same_wherever_a_process_begins_to_read(count: int) -> None:
    orders = []
    for number in range(count):
        at = begun_at([len(each) for each in FILES], number, count)
        orders.append(ordered([each for tests in FILES[at:] + FILES[:at] for each in tests], count))
    assert all(each == orders[0] for each in orders)
    assert sorted(orders[0], key=ALL.index) == ALL


def test_each_part_begins_with_whole_files_of_tests_that_wait() -> None:
    first, second = FILES[0] + FILES[1], FILES[2] + FILES[5]
    order = ordered(ALL, 2)
    assert order[: len(first)] == first
    assert order[len(ALL) // 2 :][: len(second)] == second


def test_processes_begin_to_read_at_different_folders_and_one_alone_changes_nothing() -> None:
    assert [begun_at([1, 1, 4, 6], number, 3) for number in range(3)] == [0, 2, 3]
    assert [begun_at([3, 3, 3], number, 3) for number in range(3)] == [0, 1, 2]
    assert ordered(ALL[::-1], 1) == ALL[::-1]
