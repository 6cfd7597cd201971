"""How often something is told of an address."""

from __future__ import annotations

from bothways.servers.report_limits import ALL_AT_ONCE, AT_ONCE, SOURCES, Allowance, ReportLimits


def test_an_allowance_is_taken_at_once_and_comes_back_by_and_by() -> None:
    allowance = Allowance(3, 10.0)
    assert [allowance.take(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(at) for at in (109.9, 110.0, 110.1, 120.0)] == [False, True, False, True]
    assert [allowance.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_an_address_has_its_share_and_all_of_them_together_theirs() -> None:
    limits = ReportLimits(lambda: 1000.0)
    assert sum(limits.may_report("192.0.2.1") for _ in range(100)) == AT_ONCE
    others = sum(limits.may_report(f"198.51.{number >> 8}.{number & 255}") for number in range(2 * SOURCES))
    assert others == ALL_AT_ONCE - AT_ONCE
