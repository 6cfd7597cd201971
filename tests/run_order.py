"""The order of tests where several processes run them (pytest-xdist with `--dist worksteal`).

Each process begins with an equal part of the list, from its beginning; one that has nothing left takes the second half
of what another has. So a part begins with tests that start programs and wait for them, by whole files, since a process
makes the fixtures of a file anew; tests that only calculate come last, in any pieces, and keep all processors busy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate, groupby, islice
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Folders whose tests start no program, open no socket and make nothing that is dear, but for those that are marked.
CALCULATING = {"describe", "diagnosis", "fuzz", "ladder", "starttls", "tls", "trust", "vectors"}
MARKS = ("interop", "network")


def process() -> tuple[int, int]:
    """The number of this process, from 0, and how many there are; 0 and 1 where one runs all tests."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(name.removeprefix("gw")), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def begun_at(sizes: Sequence[int], number: int, count: int) -> int:
    """Where process `number` of `count` begins to read folders that have so many files, so that each begins elsewhere.

    The first that reads a file rewrites its assertions and keeps them (pytest), and the others read these.
    """
    *before, total = 0, *accumulate(sizes)
    return max(at for at, files in enumerate(before) if files * count <= total * number)


def rotated(found: list[pytest.Item | pytest.Collector]) -> list[pytest.Item | pytest.Collector]:
    """The files and folders of the tests from where this process begins to read."""
    sizes = [sum(1 for _ in each.path.rglob("test_*.py")) or 1 for each in found]
    at = begun_at(sizes, *process())
    return found[at:] + found[:at]


def ordered(items: Sequence[pytest.Item], count: int) -> list[pytest.Item]:
    """The tests in the order in which `count` processes run them: the same in each, wherever it began to read."""
    if count == 1:
        return list(items)
    waiting, calculating = [], []
    by_file = sorted(items, key=lambda item: item.path.parts)
    for _, group in groupby(by_file, key=lambda item: item.path):
        tests = list(group)
        if any(map(waits, tests)):
            waiting.append(tests)
        else:
            calculating += tests
    rest, found = iter(calculating), []
    for number, part in enumerate(parts(waiting, count)):
        found += part
        found += islice(rest, max(0, len(items) * (number + 1) // count - len(found)))
    return [*found, *rest]


def waits(item: pytest.Item) -> bool:
    """Whether a test may wait for other programs or for peers."""
    folder = item.path.parent.parts[len(TESTS.parts) :][:1]
    return not CALCULATING.issuperset(folder) or any(item.get_closest_marker(mark) for mark in MARKS)


def parts(files: list[list[pytest.Item]], count: int) -> list[list[pytest.Item]]:
    """Whole files in `count` parts, of neighbours and about as many tests each."""
    total, before = sum(map(len, files)), 0
    found: list[list[pytest.Item]] = [[] for _ in range(count)]
    for tests in files:
        found[before * count // total] += tests
        before += len(tests)
    return found
