"""Serial numbers and times in the forms of OpenSSL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.describe.openssl_text import serial_text, time_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "00"),
        (0xA, "0A"),
        (0xAB, "AB"),
        (0xABC, "0ABC"),
        (2**64, "010000000000000000"),
        (-1, "-01"),
        (-128, "-80"),
    ],
)
def test_serial_numbers_are_whole_octets_of_hexadecimal_digits(number: int, text: str) -> None:
    assert serial_text(number) == text


def test_times_are_written_in_english_whatever_the_locale_is() -> None:
    assert time_text(datetime(2026, 3, 7, 1, 2, 3, tzinfo=UTC)) == "Mar  7 01:02:03 2026 GMT"
    assert time_text(datetime(2026, 12, 17, 11, 22, 33, tzinfo=UTC)) == "Dec 17 11:22:33 2026 GMT"
