"""What lasts is news once; what was over and begins again is news again."""

from __future__ import annotations

from bothways.trust.reported_once import MOST_TOLD, OVER_SECONDS, LastingProblem, ReportedOnce


def test_a_lasting_problem_is_reported_once_and_again_after_it_was_over() -> None:
    once = ReportedOnce()
    assert once.news({1: "one"}) == ["one"]
    assert once.news({1: "one", 2: "two"}) == ["two"]
    assert once.news({2: "two"}) == []
    assert once.news({1: "one again", 2: "two"}) == ["one again"]
    assert once.news({}) == []


def test_a_problem_is_told_when_it_begins_when_it_changes_and_when_it_is_over() -> None:
    """Ten attempts a second would be ten lines a second; attempts that fail now and then are one problem."""
    told: list[str] = []
    now = 0.0
    problem = LastingProblem(told.append, "over", lambda: now)
    problem.succeeded()
    assert told == []
    for each in ("one", "one", "two", "one", "two"):
        problem.failed(each)
        problem.succeeded()
    assert told == ["one", "two"]
    now = OVER_SECONDS
    for _ in range(3):
        problem.succeeded()
    assert told == ["one", "two", "over"]
    problem.failed("one")
    assert told[3:] == ["one"]


def test_a_problem_that_is_another_one_each_time_does_not_fill_the_log() -> None:
    told: list[str] = []
    problem = LastingProblem(told.append, "over")
    for number in range(1000):
        problem.failed(f"<object at {number:x}>")
    assert len(told) == MOST_TOLD
