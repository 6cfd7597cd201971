"""When evidence is fetched again: at a random time within limits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bothways.trust.evidence.jitter import fraction, renewal_time, retry_time
from pki import DAY, NOW

HOUR = timedelta(hours=1)
LEAST, MIDDLE, MOST = bytes(4), b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"


@pytest.mark.parametrize(("drawn", "number"), [(LEAST, 0.0), (MIDDLE, 0.5), (MOST, 1 - 2**-32)])
def test_a_fraction_is_made_of_four_random_bytes(drawn: bytes, number: float) -> None:
    def random(size: int) -> bytes:
        assert size == len(drawn)
        return drawn

    assert fraction(random) == number


def test_a_renewal_is_between_a_half_and_three_quarters_of_the_time() -> None:
    assert renewal_time(NOW, NOW + DAY, lambda _: LEAST) == NOW + 12 * HOUR
    assert renewal_time(NOW, NOW + DAY, lambda _: MIDDLE) == NOW + 15 * HOUR
    assert NOW + 17 * HOUR < renewal_time(NOW, NOW + DAY, lambda _: MOST) <= NOW + 18 * HOUR


def test_a_wait_is_between_a_half_and_all_of_it() -> None:
    assert retry_time(NOW, HOUR, lambda _: LEAST) == NOW + HOUR / 2
    assert NOW + HOUR - timedelta(seconds=1) < retry_time(NOW, HOUR, lambda _: MOST) <= NOW + HOUR
