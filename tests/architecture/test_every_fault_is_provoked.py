"""Every row of the table of faults is provoked by a test that sees its alert from the other side.

The tables of negative tests are read, not run, so that this holds whatever part of the tests is chosen: a
table counts only if a test of its module is parametrized with all of it.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import ModuleType

from architecture.sources import modules, nodes
from bothways.faults import Fault
from tamper import Refusal

TESTS = Path(__file__).parents[1]
TABLES = re.compile(
    r"^from tamper import (\([^)]*\bRefusal\b|[^(\n]*\bRefusal\b)|\btamper\.Refusal\(", re.MULTILINE
)


@cache
def modules_with_refusals() -> list[ModuleType]:
    """All test modules below tests/ that have a table of refusals at their top."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if TABLES.search(path.read_text("utf-8")) and path != Path(__file__):
            found.append(importlib.import_module(".".join(path.relative_to(TESTS).with_suffix("").parts)))
    return found


def played(module: ModuleType) -> list[Refusal]:
    """The rows that are parameters of a test in `module`."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    return [row for mark in marks for row in mark.args[1] if isinstance(row, Refusal)]


def listed(module: ModuleType) -> list[Refusal]:
    """The rows in tuples at the top of `module`."""
    tables = [each for each in vars(module).values() if isinstance(each, tuple)]
    return [row for table in tables for row in table if isinstance(row, Refusal)]


def test_every_fault_is_provoked() -> None:
    """A row that nobody can provoke is deleted."""
    provoked = {row.fault.name for module in modules_with_refusals() for row in played(module)}
    assert sorted(set(Fault.__members__) - provoked) == []


def test_every_row_of_every_table_is_played() -> None:
    """A table that no test is parametrized with proves nothing."""
    for module in modules_with_refusals():
        rows = played(module)
        assert rows, f"{module.__name__} has no test of its table"
        assert [str(row) for row in listed(module) if row not in rows] == []


def test_every_row_expects_the_alert_of_its_fault() -> None:
    """The tests say the alert by themselves, once more, and agree with the table of faults."""
    for module in modules_with_refusals():
        for row in played(module):
            in_12 = row.fault.value.tls12
            alerts = (row.fault.alert, in_12[0]) if in_12 is not None else (row.fault.alert,)
            assert row.alert in alerts, f"{module.__name__}: {row}"


def test_no_row_stands_twice() -> None:
    """A name tells one row of one table from all others."""
    for module in modules_with_refusals():
        names = [(row.sender, str(row)) for row in played(module)]
        twice = defaultdict(int)
        for name in names:
            twice[name] += 1
        assert [name for name, times in twice.items() if times > 1] == []


def test_every_fault_is_raised_by_somebody() -> None:
    """A row that no source names is dead, whatever a test says."""
    named = {
        node.attr
        for module, tree in modules().items()
        if module != "bothways.faults"
        for node in nodes(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Fault"
    }
    assert sorted(fault.name for fault in Fault if fault.name not in named) == []
