"""RFC 9846 3: whole messages, values that have no encoding, and the notation of a struct."""

from __future__ import annotations

import pytest

from bothways.faults import Fault
from bothways.iana import NamedGroup
from bothways.tls.wire.codec import Codec, bounds, decode, definition, encode, write_whole
from bothways.tls.wire.fields import fixed, opaque, record, uint, vector
from faults import blames
from small_messages import PAIR, PAIRS, Nothing, Pair, Pairs


def test_bytes_after_the_end_of_a_message_are_refused() -> None:
    """RFC 9846 4.1: a message has exactly the length of its fields."""
    assert decode(PAIR, b"\0\1\1a", "Pair") == Pair(1, b"a")
    with blames(Fault.UNDECODABLE, place="Pair"):
        decode(PAIR, b"\0\1\1a\0", "Pair")


def test_a_message_is_appended_to_what_was_written_before() -> None:
    out = bytearray(b"before")
    write_whole(PAIR, Pair(1, b"a"), out)
    assert bytes(out) == b"before\0\1\1a"


UNWRITABLE = [
    (uint(1), 256),
    (uint(2), -1),
    (fixed(2), b"abc"),
    (opaque(1, 255), b""),
    (opaque(0, 255), bytes(256)),
    (vector(uint(2), 2, 254), ()),
    (vector(uint(2), 2, 254), (0,) * 128),
    (vector(uint(2), 2, 254), (65536,)),
    (vector(uint(3), 3, 255), ()),
    (vector(opaque(1, 255), 2, 2**16 - 1), (bytes(255),) * 257),
    (PAIR, Pair(1, b"")),
    (PAIRS, Pairs(())),
]


@pytest.mark.parametrize(("codec", "value"), UNWRITABLE)
def test_value_that_does_not_fit_is_our_own_bug(codec: Codec[object], value: object) -> None:
    with pytest.raises(ValueError, match=r"may stand|must stand|does not fit"):
        encode(codec, value)


def test_record_tells_its_definition() -> None:
    """RFC 9846 3.6: the notation of constructed types."""
    groups = record(Pair, title="Two", first=uint(2, NamedGroup), second=opaque(1, 2**16 - 2))
    assert definition(groups) == "struct {\n    NamedGroup first;\n    opaque second<1..2^16-2>;\n} Two;"
    assert definition(record(Nothing)) == "struct {} Nothing;"
    with pytest.raises(TypeError):
        definition(uint(1))


@pytest.mark.parametrize(
    ("low", "high", "spelled"),
    [
        (0, 32, "<0..32>"),
        (1, 2**8 - 1, "<1..2^8-1>"),
        (2, 2**16 - 2, "<2..2^16-2>"),
        (0, 2**24, "<0..16777216>"),
    ],
)
def test_bounds_are_written_as_in_the_rfc(low: int, high: int, spelled: str) -> None:
    """RFC 9846 3.4."""
    assert bounds(low, high) == spelled
