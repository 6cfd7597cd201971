"""What lasts is news once; what was over and begins again is news again."""

from __future__ import annotations

from bothways.trust.reported_once import ReportedOnce


def test_a_lasting_problem_is_reported_once_and_again_after_it_was_over() -> None:
    once = ReportedOnce()
    assert once.news({1: "one"}) == ["one"]
    assert once.news({1: "one", 2: "two"}) == ["two"]
    assert once.news({2: "two"}) == []
    assert once.news({1: "one again", 2: "two"}) == ["one again"]
    assert once.news({}) == []
