"""This machine's clock and entropy, and the process we are."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from bothways.tls.defaults import CLOCK, RANDOMNESS, process_id


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


def test_a_process_knows_its_number() -> None:
    assert process_id() == os.getpid()
