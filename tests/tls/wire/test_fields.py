"""RFC 9846 3: every kind of field, at its bounds and past them."""

from __future__ import annotations

import pytest

from bothways.faults import Fault
from bothways.iana import ContentType, NamedGroup
from bothways.tls.wire.codec import Codec, decode, encode
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.fields import cached, fixed, opaque, optional, record, rest, single_field, uint, vector
from faults import blames
from small_messages import PAIR, PAIRS, Nothing, Pair, Pairs

ACCEPTED = [
    (uint(1), "ff", 255),
    (uint(2), "0102", 0x0102),
    (uint(3), "010203", 0x010203),
    (uint(4), "01020304", 0x01020304),
    (uint(1, ContentType), "16", 22),
    (fixed(3), "616263", b"abc"),
    (opaque(0, 255), "00", b""),
    (opaque(0, 255), "03616263", b"abc"),
    (opaque(0, 256), "0003616263", b"abc"),
    (opaque(1, 2**24 - 1), "00000161", b"a"),
    (rest(), "616263", b"abc"),
    (vector(uint(1), 1, 255), "020102", (1, 2)),
    (vector(uint(2), 2, 254), "0400170018", (23, 24)),
    (vector(uint(2), 0, 2**16 - 1), "0000", ()),
    (vector(uint(3), 3, 2**8 - 1), "06000001000002", (1, 2)),
    (vector(opaque(1, 255), 2, 2**16 - 1), "00050161026263", (b"a", b"bc")),
    (vector(opaque(0, 255), 0, 255, most=2), "020000", (b"", b"")),
    (optional(uint(1)), "", None),
    (optional(uint(1)), "07", 7),
    (PAIR, "00010161", Pair(1, b"a")),
    (PAIRS, "0009" + "00010161" + "0002026262", Pairs((Pair(1, b"a"), Pair(2, b"bb")))),
    (record(Nothing), "", Nothing()),
]


@pytest.mark.parametrize(("codec", "data", "value"), ACCEPTED)
def test_field_reads_what_it_writes(codec: Codec[object], data: str, value: object) -> None:
    assert decode(codec, bytes.fromhex(data), "it") == value
    assert encode(codec, value) == bytes.fromhex(data)


REFUSED = [
    (uint(1), "", "it", "1 bytes must stand here and 0 do (offset 0)"),
    (uint(2), "01", "it", "2 bytes must stand here and 1 do (offset 0)"),
    (uint(2), "010203", "it", "1 bytes are left over (offset 2)"),
    (fixed(3), "6162", "it", "3 bytes must stand here and 2 do (offset 0)"),
    (opaque(0, 255), "", "it", "1 bytes must stand here and 0 do (offset 0)"),
    (opaque(0, 255), "0261", "it", "length 2 runs past the end by 1 (offset 0)"),
    (opaque(2, 4), "0161", "it", "length 1 is not within 2..4 (offset 0)"),
    (opaque(2, 4), "056162636465", "it", "length 5 is not within 2..4 (offset 0)"),
    (vector(uint(1), 1, 255), "00", "it", "length 0 is not within 1..255 (offset 0)"),
    (vector(uint(2), 2, 254), "", "it", "1 bytes must stand here and 0 do (offset 0)"),
    (vector(uint(2), 2, 254), "03000000", "it", "length 3 is not a multiple of 2 (offset 0)"),
    (vector(uint(2), 2, 254), "040001", "it", "length 4 runs past the end by 2 (offset 0)"),
    (vector(uint(2), 2, 254), "ff" + "00" * 255, "it", "length 255 is not within 2..254 (offset 0)"),
    (vector(uint(3), 3, 255), "", "it", "1 bytes must stand here and 0 do (offset 0)"),
    (vector(uint(3), 3, 255), "0300", "it", "length 3 runs past the end by 2 (offset 0)"),
    (vector(uint(3), 3, 255), "0400000100", "it[1]", "3 bytes must stand here and 1 do (offset 4)"),
    (PAIR, "000101", "it.second", "length 1 runs past the end by 1 (offset 2)"),
    (
        PAIRS,
        "0009" + "00010161" + "0002036262",
        "it.pairs[1].second",
        "length 3 runs past the end by 1 (offset 8)",
    ),
    (vector(opaque(0, 255), 0, 255, most=2), "03000000", "it[2]", "more than 2 items stand here"),
    (vector(uint(2), 0, 255, most=2), "06000100020003", "it", "more than 2 items stand here"),
    (record(Nothing), "00", "it", "1 bytes are left over (offset 0)"),
    (optional(uint(1)), "0000", "it", "1 bytes are left over (offset 1)"),
]


@pytest.mark.parametrize(("codec", "data", "place", "problem"), REFUSED)
def test_field_refuses_what_is_not_its_form_and_says_where(
    codec: Codec[object], data: str, place: str, problem: str
) -> None:
    with blames(Fault.UNDECODABLE, place=place, problem=problem):
        decode(codec, bytes.fromhex(data), "it")


def test_more_items_than_any_honest_message_has_are_not_read() -> None:
    """Bounded work, also where nobody thought of a bound; numbers are read in one step."""
    many = vector(opaque(0, 255), 0, 2**16 - 1)
    assert len(decode(many, b"\x10\x00" + bytes(4096), "it")) == 4096
    with blames(Fault.UNDECODABLE, place="it[4096]"):
        decode(many, b"\x10\x01" + bytes(4097), "it")
    assert len(decode(vector(uint(2), 0, 2**16 - 1), b"\xff\xfe" + bytes(2**16 - 2), "it")) == 2**15 - 1


def test_record_must_have_the_fields_of_its_dataclass() -> None:
    with pytest.raises(TypeError, match="fields of Pair"):
        record(Pair, second=opaque(1, 255), first=uint(2))
    with pytest.raises(TypeError, match="fields of int"):
        record(int, first=uint(2))


@pytest.mark.parametrize(
    ("codec", "notation"),
    [
        (uint(3), "uint24 x"),
        (uint(2, NamedGroup), "NamedGroup x"),
        (uint(1, ContentType, title="uint8"), "uint8 x"),
        (fixed(32), "opaque x[32]"),
        (fixed(32, title="Random"), "Random x"),
        (opaque(0, 32), "opaque x<0..32>"),
        (opaque(1, 2**24 - 1), "opaque x<1..2^24-1>"),
        (opaque(1, 255, title="Name"), "Name x"),
        (vector(opaque(1, 255, title="Name"), 2, 2**16 - 1), "Name x<2..2^16-1>"),
        (vector(uint(2, NamedGroup), 2, 254), "NamedGroup x<2..2^8-2>"),
    ],
)
def test_field_has_the_notation_of_the_rfc(codec: Codec[object], notation: str) -> None:
    """RFC 9846 3.3 to 3.6."""
    assert codec.notation.format("x") == notation


def test_repeated_values_give_the_same_object_and_the_same_bytes() -> None:
    codec = cached(PAIR)
    assert decode(codec, b"\0\1\1a", "pair") is decode(codec, b"\0\1\1a", "pair")
    assert encode(codec, Pair(1, b"a")) == encode(codec, Pair(1, b"a")) == encode(PAIR, Pair(1, b"a"))


def test_long_values_are_not_cached() -> None:
    data = encode(PAIR, Pair(1, bytes(255)))
    codec = cached(PAIR)
    assert decode(codec, data, "pair") == Pair(1, bytes(255))
    assert decode(codec, data, "pair") is not decode(codec, data, "pair")


def test_only_short_values_are_cached() -> None:
    written: list[Pair] = []

    def write(value: Pair, out: bytearray) -> None:
        written.append(value)
        PAIR.write(value, out)

    codec = cached(PAIR._replace(write=write))
    long, short = Pair(1, bytes(255)), Pair(1, b"a")
    for pair in (long, short, long, short):
        assert encode(codec, pair) == encode(PAIR, pair)
    assert written.count(short) == 1
    assert written[-1] == long


def test_undecodable_values_are_reported_each_time_with_their_position() -> None:
    pairs = single_field(Pairs, pairs=vector(cached(PAIR), 4, 2**16 - 1))
    plain = single_field(Pairs, pairs=vector(PAIR, 4, 2**16 - 1))
    bad = bytes.fromhex("0004 0001 05 61")
    with pytest.raises(DecodeError) as expected:
        decode(plain, bad, "pairs")
    for _ in range(2):
        with pytest.raises(DecodeError) as blamed:
            decode(pairs, bad, "pairs")
        assert str(blamed.value) == str(expected.value)
