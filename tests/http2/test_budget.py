"""How much a peer may cost."""

from __future__ import annotations

import pytest

from bothways.http2.budget import COST_AT_ONCE, COST_PER_SECOND, Budget
from bothways.http2.violations import Rule, Violation


def test_a_budget_comes_back_by_time_and_by_what_is_brought() -> None:
    now = 0.0
    budget = Budget(lambda: now)
    budget.spend(COST_AT_ONCE)
    with pytest.raises(Violation) as raised:
        budget.spend(1.0)
    assert raised.value.rule is Rule.FLOOD
    now = 1.0
    budget.spend(COST_PER_SECOND - 1)
    budget.earn(10.0)
    budget.spend(10.0)
    with pytest.raises(Violation):
        budget.spend(1.0)
