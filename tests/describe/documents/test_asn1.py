"""Descriptions of DER values."""

from __future__ import annotations

import pytest

from bothways.describe.documents.asn1 import (
    Fields,
    bits,
    boolean,
    describe_each,
    integer,
    number_text,
    oid,
    outline,
    string,
    time_of,
    time_text,
    whole,
)
from described_files import der, sequence
from described_files import oid as encoded_oid


def element(tag: int, content: bytes):
    return whole(der(tag, content), "value", tag)


@pytest.mark.parametrize(
    ("tag", "text", "words"),
    [
        (0x17, b"500101000000Z", "1950-01-01 00:00:00 UTC"),
        (0x17, b"491231235959Z", "2049-12-31 23:59:59 UTC"),
        (0x18, b"20260102030405Z", "2026-01-02 03:04:05 UTC"),
        (0x18, b"20260102030405.5Z", '2026-01-02 03:04:05 UTC (written "20260102030405.5Z")'),
        (0x17, b"2601020304Z", '2026-01-02 03:04:00 UTC (written "2601020304Z")'),
        (0x17, b"260102030405+0200", '2026-01-02 01:04:05 UTC (written "260102030405+0200")'),
        (0x17, b"260102030405-0030", '2026-01-02 03:34:05 UTC (written "260102030405-0030")'),
        (0x17, b"261302030405Z", '"261302030405Z" (which is not a valid time)'),
        (0x17, b"20260102030405Z", '"20260102030405Z" (which is not a valid time)'),
        (0x18, b"00010101000000+2359", '"00010101000000+2359" (which is not a valid time)'),
        (0x0C, b"260102030405Z", '"260102030405Z" (which is not a valid time)'),
        (0x17, b"\x1b[2J", '"\\x1b[2J" (which is not a valid time)'),
    ],
)
def test_times_are_shown_with_their_deviations(tag, text, words):
    """RFC 5280 4.1.2.5: seconds and Z, and no fraction."""
    assert time_text(element(tag, text)) == words


def test_numbers_of_any_length_are_shown():
    """Short ones in decimal; Python refuses to print very long ones in decimal."""
    assert number_text(element(0x02, b"\xff\x7f")) == "-129"
    assert number_text(element(0x02, b"\x7f" * 17)) == "7f" * 17
    assert len(number_text(element(0x02, b"\x7f" * 9_000))) == 200


@pytest.mark.parametrize(
    ("read", "tag", "content"),
    [
        (integer, 0x02, b""),
        (boolean, 0x01, b""),
        (boolean, 0x01, b"\xff\xff"),
        (boolean, 0x04, b"\xff"),
        (bits, 0x03, b""),
        (bits, 0x03, b"\x08\xff"),
        (oid, 0x06, b""),
        (oid, 0x06, b"\x2a\x86"),
        (oid, 0x04, b"\x2a"),
        (time_of, 0x17, b"x"),
    ],
)
def test_a_malformed_value_is_refused_with_its_position(read, tag, content):
    """A ValueError says at which byte."""
    with pytest.raises(ValueError, match="at byte 0"):
        read(element(tag, content))


def test_a_very_long_identifier_is_shown_by_its_length():
    """Numbers of thousands of digits are not printed."""
    assert oid(element(0x06, b"\x81" * 5_000 + b"\x01")) == "an identifier of 5001 bytes"


def test_fields_are_read_in_order():
    """A missing field, and a surplus one, is reported with its position."""
    data = sequence(der(0x02, b"\x01"), der(0x0C, b"a"))
    fields = Fields(whole(data, "value"))
    assert fields.optional(0x0C) is None
    assert integer(fields.take(0x02, "number")) == 1
    with pytest.raises(ValueError, match="no number at byte 5"):
        fields.take(0x02, "number")
    with pytest.raises(ValueError, match="a field that does not belong there at byte 5"):
        fields.end()
    fields.any("text")
    fields.end()
    with pytest.raises(ValueError, match="no text at byte 8"):
        fields.any("text")
    with pytest.raises(ValueError, match="2 bytes follow the value"):
        whole(data + b"\0\0", "value")
    with pytest.raises(ValueError, match="no sequence at byte 0"):
        list(whole(der(0x04, b""), "text", 0x04).children())


def test_an_undecodable_part_hides_no_other():
    """Each part of a list is described on its own, up to the end of the list."""
    parts = der(0x02, b"\x01") + der(0x02, b"") + der(0x02, b"\x03") + b"\x02"
    assert describe_each(whole(sequence(parts), "list").children(), number_text) == [
        "1",
        "one that cannot be read (a number of no bytes at byte 5): 0200",
        "3",
        "what follows cannot be read: an element is cut off at byte 10",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sequence(der(0x02, b"\x05"), der(0x01, b"\xff"), der(0x05, b"")), "{5, true, null}"),
        (sequence(encoded_oid("2.5.4.3"), encoded_oid("1.2.3.4")), "{CN (2.5.4.3), 1.2.3.4}"),
        (der(0x1B, b"general"), '"general"'),
        (der(0xA1, der(0x0C, "ä".encode())), '[1] {"ä"}'),
        (der(0x82, b"a.example"), '[2] "a.example"'),
        (der(0x82, b"\xff"), "[2] ff"),
        (der(0x04, der(0x0C, b"within")), '"within"'),
        (der(0x04, b"\x0c\x09within"), "0c0977697468696e"),
        (der(0x17, b"260102030405Z"), "2026-01-02 03:04:05 UTC"),
        (der(0x0C, b'"\x1b'), '"\\"\\x1b"'),
        (b"\x0c\x05ab", "0c056162"),
        (b"", "nothing"),
        (der(0x04, bytes(1_000)), "00" * 32 + "... (1000 bytes)"),
    ],
)
def test_values_of_unknown_meaning_are_outlined(data, words):
    """Their strings and numbers are shown, nested as they are."""
    assert outline(data) == words


def test_an_outline_is_limited():
    """However deep and however wide a value is."""
    deep = der(0x0C, b"x")
    for _ in range(500):
        deep = sequence(deep)
    assert outline(deep).startswith("{{{{{{{{{")
    assert len(outline(deep)) < 100
    wide = outline(sequence(*[der(0x02, b"\1")] * 5_000))
    assert wide.endswith(", ...}")
    assert len(wide) < 300


def test_strings_are_quoted_and_escaped():
    """Whatever their kind and their bytes."""
    assert string(element(0x1E, "hé".encode("utf-16-be"))) == '"hé"'
    assert string(element(0x1A, b"a\xff\n")) == '"a\\xff\\n"'
    assert len(string(element(0x0C, b"x" * 10_000))) == 1002
