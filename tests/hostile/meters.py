"""What is counted of work, the same in every run: calls of functions, memory, and the steps of the budgets."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import pytest

from bothways.trust.work import WorkBudget

T = TypeVar("T")
_COUNTED = frozenset({"call", "c_call"})
# A key agreement is one call of a function, and takes as long as so many.
KEY_AGREEMENT = 500


class Calls:
    """Counts calls of functions, ours and built-in ones, and each time that a generator goes on.

    A key agreement counts as `KEY_AGREEMENT` of them; signatures are paid for by the budget of a verification.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: FrameType, event: str, argument: Any) -> None:
        if event in _COUNTED:
            self.count += 1
            if event == "c_call" and argument.__name__ == "exchange":
                self.count += KEY_AGREEMENT

    def during(self, work: Callable[[], T]) -> T:
        """Count what happens while `work` runs."""
        sys.setprofile(self)
        try:
            return work()
        finally:
            sys.setprofile(None)


def calls_of(work: Callable[[], Any]) -> int:
    """How many calls `work` takes."""
    calls = Calls()
    calls.during(work)
    return calls.count


@contextmanager
def traced() -> Iterator[None]:
    """Within, the memory of Python objects is traced; what was rubbish before is gone."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def memory_of(work: Callable[[], T]) -> tuple[int, int, T]:
    """The most memory that Python objects took at once while `work` ran, what of it stayed, and the result."""
    with traced():
        before, _ = tracemalloc.get_traced_memory()
        result = work()
        after, peak = tracemalloc.get_traced_memory()
    return peak - before, after - before, result


@contextmanager
def budgets() -> Iterator[list[WorkBudget]]:
    """Within, every budget that is made is kept here, so that what was spent of it can be added up."""
    made: list[WorkBudget] = []
    begin = WorkBudget.__init__

    def noted(work: WorkBudget, *arguments: Any, **named: Any) -> None:
        begin(work, *arguments, **named)
        made.append(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkBudget, "__init__", noted)
        yield made


def price_of(works: list[WorkBudget]) -> float:
    """What was paid in several budgets together, in microseconds of the table."""
    return sum(step.price.microseconds * count for work in works for step, count in work.spent.items())
