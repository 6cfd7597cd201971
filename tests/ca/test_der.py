"""DER written by hand, read back by others."""

from __future__ import annotations

import pytest

from bothways.ca.der import OCTET_STRING, integer, sequence, tagged
from bothways.trust.der import elements, expect_element


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_as_short_as_they_can_be(size: int) -> None:
    """X.690 10.1: our strict reader takes no other."""
    made = tagged(OCTET_STRING, bytes(size))
    start, end = expect_element(made, 0, len(made), OCTET_STRING, "string")
    assert (end - start, end) == (size, len(made))


@pytest.mark.parametrize(
    ("value", "content"),
    [(0, "00"), (127, "7f"), (128, "0080"), (255, "00ff"), (256, "0100"), (2**64, "01" + "00" * 8)],
)
def test_integers_have_a_zero_octet_only_before_a_high_bit(value: int, content: str) -> None:
    """X.690 8.3.2."""
    assert integer(value) == tagged(0x02, bytes.fromhex(content))


def test_a_sequence_holds_its_parts_in_order() -> None:
    made = sequence(integer(1), tagged(OCTET_STRING, b"x"))
    start, end = expect_element(made, 0, len(made), 0x30, "sequence")
    assert [(tag, made[a:b]) for tag, _, a, b in elements(made, start, end)] == [(0x02, b"\1"), (0x04, b"x")]
