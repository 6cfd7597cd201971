"""Steps through DER, and nothing that is not strict (X.690 10)."""

from __future__ import annotations

import pytest

from bothways.trust.der import element, elements, encoded, expect_element, extension_value, extensions_in


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
def test_invalid_der_is_a_value_error(data):
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
def test_an_encoded_element_is_decoded_again(size):
    """X.690 10.1: with the shortest length."""
    data = encoded(0x04, bytes(size))
    assert element(data, 0, len(data)) == (0x04, len(data) - size, len(data))


KEY_USAGE, OWN = bytes.fromhex("551d0f"), bytes.fromhex("2a0304")
EXTENSIONS = b"".join(
    encoded(0x30, encoded(0x06, identifier), *critical, encoded(0x04, value))
    for identifier, critical, value in (
        (OWN, (), b"one"),
        (KEY_USAGE, (b"\1\1\xff",), b"two"),
        (OWN, (), b"three"),
    )
)


def test_extensions_are_walked_with_their_criticality():
    """RFC 5280 4.1."""
    found = list(extensions_in(EXTENSIONS, 0, len(EXTENSIONS)))
    assert found == [(OWN, False, b"one"), (KEY_USAGE, True, b"two"), (OWN, False, b"three")]


def test_one_extension_is_found_without_decoding_others():
    """The content of an extension is not taken for the identifier of another."""
    hidden = encoded(0x30, encoded(0x06, OWN), encoded(0x04, encoded(0x06, KEY_USAGE) + b"\4\1x"))
    data = hidden + encoded(0x30, b"anything") + EXTENSIONS
    assert extension_value(data, 0, len(data), KEY_USAGE) == b"two"
    assert extension_value(data, len(hidden), len(data), OWN) == b"one"
    with pytest.raises(ValueError, match="is not there"):
        extension_value(data, 0, len(data), b"\x2a")


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (encoded(0x31, encoded(0x06, OWN), b"\4\0"), "no extension at byte 0"),
        (encoded(0x30, encoded(0x04, OWN), b"\4\0"), "no extension at byte 2"),
        (encoded(0x30, encoded(0x06, OWN), b"\1\1\0", b"\4\0"), "no extension value at byte 7"),
        (encoded(0x30, encoded(0x06, OWN), b"\1\1\1", b"\4\0"), "no extension value at byte 7"),
        (encoded(0x30, encoded(0x06, OWN), b"\4\0", b"\4\0"), "bytes follow the extension's value at byte 9"),
        (encoded(0x30, encoded(0x06, OWN), b"\4\1"), "runs past the end"),
        (encoded(0x30, encoded(0x06, OWN)), "cut off"),
    ],
)
def test_an_extension_in_invalid_der_is_a_value_error(damaged, problem):
    """X.690 11: critical is encoded only where it is TRUE, as 255; nothing follows the value."""
    with pytest.raises(ValueError, match=problem):
        list(extensions_in(damaged, 0, len(damaged)))
    if damaged.startswith(b"\x30") and encoded(0x06, OWN) in damaged:
        with pytest.raises(ValueError, match=problem):
            extension_value(damaged, 0, len(damaged), OWN)
