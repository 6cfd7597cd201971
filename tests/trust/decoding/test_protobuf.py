"""Fields of Protocol Buffers: what is read of them, and what is refused within limits."""

from __future__ import annotations

import pytest

from bothways.trust.decoding.protobuf import MOST_FIELDS, NotProtobuf, fields
from spiffe.encoded import field, varint


def test_fields_are_read_in_their_order_with_the_bytes_of_those_that_have_some() -> None:
    """Numbers and fields of a fixed size are skipped."""
    data = field(1, b"one") + varint(2 << 3) + varint(2**63) + varint(3 << 3 | 1) + bytes(8)
    data += varint(4 << 3 | 5) + bytes(4) + field(2**29 - 1, b"")
    assert list(fields(data)) == [(1, b"one"), (2, None), (3, None), (4, None), (2**29 - 1, b"")]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (varint(1 << 3 | 3), "type that is not known"),
        (varint(0 << 3 | 2) + b"\x00", "without a number"),
        (varint(2**29 << 3 | 2) + b"\x00", "without a number"),
        (b"\xff" * 11, "too many bytes"),
        (b"\x80", "a number is cut off"),
        (varint(1 << 3 | 2) + varint(2**62), "a field is cut off"),
        (varint(1 << 3 | 1) + bytes(7), "a field is cut off"),
        ((varint(9 << 3) + b"\x01") * (MOST_FIELDS + 1), f"more than {MOST_FIELDS} fields"),
    ],
)
def test_an_invalid_message_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(NotProtobuf, match=problem):
        list(fields(data))
