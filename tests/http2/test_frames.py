"""Frames are cut and refused, however they are delivered."""

from __future__ import annotations

import pytest

from bothways.http2.frames import (
    LIMIT,
    PREFACE,
    Frame,
    FrameReader,
    GoAway,
    Kind,
    check,
    unpadded,
)
from bothways.http2.violations import Rule, Violation

SETTINGS = Frame(Kind.SETTINGS, 0, 0)


def took(frames: FrameReader, data: bytes, step: int = 1 << 20) -> list[Frame]:
    return [each for at in range(0, len(data), step) for each in frames.take(data[at : at + step])]


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 23, 25, 4096, 1 << 20])
def test_frames_up_to_the_limit_pass_however_they_are_split(step: int) -> None:
    frames = [SETTINGS, Frame(0, 1, 7, bytes(LIMIT)), Frame(0, 0xFF, 2**31 - 1), Frame(0x77, 0, 0, b"x")]
    data = PREFACE + b"".join(each.wire for each in frames)
    assert took(FrameReader(PREFACE), data, step) == frames


def test_the_reserved_bit_is_ignored() -> None:
    """RFC 9113 4.1."""
    assert took(FrameReader(), SETTINGS.wire + Frame(6, 0, 2**31 + 1).wire)[1].stream == 1


@pytest.mark.parametrize("step", [1, 7, 9, 4096])
def test_a_longer_frame_is_refused_by_its_head_alone(step: int) -> None:
    frames = FrameReader()
    took(frames, SETTINGS.wire + Frame(0, 0, 1, bytes(LIMIT)).wire)
    with pytest.raises(Violation) as raised:
        took(frames, Frame(0, 0, 1, bytes(LIMIT + 1)).wire[:9], step)
    assert raised.value.rule is Rule.TOO_LONG


@pytest.mark.parametrize("first", [Frame(0, 0, 1, b"x"), Frame(4, 1, 0), Frame(0, 0, 1, bytes(LIMIT + 1))])
def test_the_first_frame_has_settings(first: Frame) -> None:
    """RFC 9113 3.4."""
    with pytest.raises(Violation) as raised:
        took(FrameReader(), first.wire)
    assert raised.value.rule is Rule.FIRST_FRAME


@pytest.mark.parametrize("step", [1, 24])
def test_another_preface_is_refused_at_its_first_byte_that_differs(step: int) -> None:
    for at in range(len(PREFACE)):
        wrong = PREFACE[:at] + bytes((PREFACE[at] ^ 1,))
        with pytest.raises(Violation) as raised:
            took(FrameReader(PREFACE), wrong, step)
        assert raised.value.rule is Rule.PREFACE
        assert took(FrameReader(PREFACE), PREFACE[:at], step) == []


def test_a_goaway_is_read_without_debug_data() -> None:
    """RFC 9113 6.8; the reserved bit is ignored."""
    frame = Frame(Kind.GOAWAY, 0, 0, (2**31 + 3).to_bytes(4) + (2).to_bytes(4) + b"because")
    assert GoAway.of(frame) == GoAway(3, 2)
    assert took(FrameReader(), SETTINGS.wire + GoAway(5, 2).wire)[1].content == b"\0\0\0\5\0\0\0\2"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("stream", [0, 1])
def test_a_frame_is_one_of_a_stream_or_of_the_connection(kind: Kind, stream: int) -> None:
    """RFC 9113 6.1 to 6.10."""
    of_connection = kind in (Kind.SETTINGS, Kind.PING, Kind.GOAWAY)
    length = {Kind.PRIORITY: 5, Kind.RST_STREAM: 4, Kind.PING: 8, Kind.GOAWAY: 8, Kind.WINDOW_UPDATE: 4}
    frame = Frame(kind, 0, stream, b"\1" * length.get(kind, 0))
    expected = None
    if kind != Kind.WINDOW_UPDATE and of_connection is bool(stream):
        expected = Rule.WITH_STREAM if of_connection else Rule.WITHOUT_STREAM
    elif kind is Kind.PUSH_PROMISE:
        expected = Rule.PUSH
    found = None
    try:
        check(frame, from_client=True)
    except Violation as violation:
        found = violation.rule
    assert found is expected


@pytest.mark.parametrize(
    ("flags", "content", "expected"),
    [
        (0, b"abc", b"abc"),
        (0x08, b"\0abc", b"abc"),
        (0x08, b"\2abc", b"a"),
        (0x08, b"\3abc", b""),
        (0x08, b"\4abc", Rule.PADDING),
        (0x08, b"", Rule.LENGTH),
        (0x20, b"12345abc", b"abc"),
        (0x20, b"1234", Rule.LENGTH),
        (0x28, b"\1" + b"12345abc", b"ab"),
        (0x28, b"\4" + b"12345abc", Rule.PADDING),
    ],
)
def test_padding_and_priority_are_taken_off(flags: int, content: bytes, expected: bytes | Rule) -> None:
    """RFC 9113 6.1, 6.2."""
    found: bytes | Rule
    try:
        found = unpadded(Frame(Kind.HEADERS, flags, 1, content))
    except Violation as violation:
        found = violation.rule
    assert found == expected
