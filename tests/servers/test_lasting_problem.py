"""What fails again and again is told without filling the log."""

from __future__ import annotations

from bothways.servers.lasting_problem import MOST_TOLD, OVER_SECONDS, LastingProblem


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
