"""Steps through DER, and nothing that is not strict (X.690 10)."""

from __future__ import annotations

import pytest

from bothways.trust.der import element, elements, encoded, expect_element


def test_short_and_long_lengths_are_read():
    """X.690 8.1.3."""
    assert element(b"\x04\x02ab", 0, 4) == (4, 2, 4)
    long = b"\x04\x81\x80" + b"x" * 128
    assert element(long, 0, len(long)) == (4, 3, 131)
    longer = b"\x04\x82\x01\x00" + b"x" * 256
    assert element(longer, 0, len(longer)) == (4, 4, 260)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04",
        b"\x1f\x01\x00",
        b"\x04\x80",
        b"\x04\x81",
        b"\x04\x81\x02ab",
        b"\x04\x82\x00\x80" + b"x" * 128,
        b"\x04\x85\x00\x00\x00\x00\x01a",
        b"\x04\x03ab",
    ],
)
def test_what_is_not_strict_der_is_a_value_error(data):
    """X.690 10.1: definite lengths in the fewest bytes."""
    with pytest.raises(ValueError, match="at byte"):
        element(data, 0, len(data))


def test_elements_are_walked_in_order_and_never_past_the_end():
    """X.690 8.9."""
    data = b"\x02\x01\x05\x04\x00"
    assert list(elements(data, 0, 5)) == [(2, 0, 2, 3), (4, 3, 5, 5)]
    with pytest.raises(ValueError, match="runs past the end"):
        list(elements(data, 0, 2))


def test_an_unexpected_tag_is_named():
    """X.690 8.1.2."""
    assert expect_element(b"\x30\x00", 0, 2, 0x30, "name") == (2, 2)
    with pytest.raises(ValueError, match="no name at byte 0"):
        expect_element(b"\x31\x00", 0, 2, 0x30, "name")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000])
def test_what_is_encoded_is_read_again(size):
    """X.690 10.1: the length stands in as few bytes as it needs."""
    data = encoded(0x04, bytes(size))
    assert element(data, 0, len(data)) == (0x04, len(data) - size, len(data))
