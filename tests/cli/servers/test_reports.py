"""What a log takes of clients that fail on purpose."""

from __future__ import annotations

import pytest

from bothways.cli.servers.reports import Reports
from bothways.servers import report_limits as source


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_address_has_its_share_of_the_log_and_the_rest_is_counted(clock: Clock) -> None:
    """By /64 in IPv6; what is not told is not even made."""
    reported: list[str] = []
    made: list[int] = []
    reports = Reports(reported.append, clock)
    for number in range(100):
        reports.failed(f"2001:db8::{number:x}", lambda: made.append(1) or ["he failed"])
    assert reported == ["he failed"] * source.AT_ONCE
    assert len(made) == source.AT_ONCE
    reports.count_unreported()
    reports.failed("192.0.2.1", lambda: ["somebody else failed"])
    assert reported[-1] == "somebody else failed\n    81 connections before this ended without a report"
    clock.now += source.EVERY_SECONDS
    reports.failed("2001:db8::1", lambda: ["he failed again"])
    assert reported[-1] == "he failed again"


def test_all_addresses_together_have_theirs(clock: Clock) -> None:
    reported: list[str] = []
    reports = Reports(reported.append, clock)
    for number in range(5000):
        reports.failed(f"192.0.{number // 250}.{number % 250}", lambda: ["failed"])
    assert len(reported) == source.ALL_AT_ONCE
    assert reports.limits.remembered == source.SOURCES


def test_reports_about_verified_clients_are_not_limited(clock: Clock) -> None:
    reported: list[str] = []
    reports = Reports(reported.append, clock)
    for _ in range(500):
        reports.failed("192.0.2.1", lambda: ["ended"], known=True)
    assert len(reported) == 500


def test_a_report_is_cut_in_length_and_in_lines(clock: Clock) -> None:
    reported: list[str] = []
    Reports(reported.append, clock).failed("192.0.2.1", lambda: ["x" * 1_000_000] * 1000)
    assert len(reported[0]) < 41 * 601
