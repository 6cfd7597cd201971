"""This machine's clock and entropy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bothways.tls.defaults import CLOCK, RANDOMNESS


def test_the_time_of_day_has_its_zone() -> None:
    before = datetime.now(UTC)
    assert before <= CLOCK.now() <= datetime.now(UTC)
    assert CLOCK.now().utcoffset() == timedelta(0)


def test_seconds_never_run_backwards() -> None:
    first, second = CLOCK.monotonic(), CLOCK.monotonic()
    assert first <= second


def test_entropy_is_never_the_same() -> None:
    assert RANDOMNESS.random(32) != RANDOMNESS.random(32)
    assert len(RANDOMNESS.random(7)) == 7
