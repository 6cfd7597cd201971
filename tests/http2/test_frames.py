"""Frames are refused by their heads, however they are delivered."""

from __future__ import annotations

import h2.exceptions
import pytest

from bothways.http2.engine import http2_connection
from bothways.http2.frames import (
    COST_AT_ONCE,
    COST_PER_SECOND,
    END_HEADERS,
    LIMIT,
    PREFACE,
    BadFrame,
    Budget,
    FrameReader,
    GoAway,
    TooCostly,
)

SETTINGS, DATA, HEADERS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 4, 0, 1, 5, 6, 7, 9
HEAD_LIMIT = 1000


def frame(kind: int, length: int, content: int | None = None, flags: int = 0, stream: int = 0) -> bytes:
    head = length.to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4)
    return head + bytes(length if content is None else content)


def goaway(last: int, code: int, debug: bytes = b"", stream: int = 0) -> bytes:
    content = last.to_bytes(4) + code.to_bytes(4) + debug
    return frame(GOAWAY, len(content), 0, stream=stream) + content


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 4096, 1 << 20])
def test_frames_up_to_the_limit_pass_however_they_are_split(step: int) -> None:
    data = bytes(PREFACE) + frame(SETTINGS, 0) + frame(DATA, LIMIT) + frame(DATA, 0) + frame(DATA, 1)
    frames = FrameReader(HEAD_LIMIT, skipped=PREFACE)
    taken = [frames.take(data[at : at + step]) for at in range(0, len(data), step)]
    assert sum(count for count, _ in taken) == 4
    assert b"".join(rest for _, rest in taken) == data


@pytest.mark.parametrize("step", [1, 7, 9, 4096])
def test_a_longer_frame_is_refused_by_its_head_alone(step: int) -> None:
    frames = FrameReader(HEAD_LIMIT)
    frames.take(frame(SETTINGS, 6) + frame(DATA, LIMIT))
    data = frame(DATA, LIMIT + 1, 0)
    with pytest.raises(BadFrame, match="16385"):
        for at in range(0, len(data), step):
            frames.take(data[at : at + step])


def test_the_first_frame_has_settings() -> None:
    with pytest.raises(BadFrame, match="SETTINGS"):
        FrameReader(HEAD_LIMIT).take(frame(DATA, 1))


@pytest.mark.parametrize("kind", [HEADERS, PUSH_PROMISE])
def test_the_frames_of_one_head_are_limited_together(kind: int) -> None:
    frames = FrameReader(HEAD_LIMIT)
    half = HEAD_LIMIT // 2
    whole = frame(kind, half) + frame(CONTINUATION, half, flags=END_HEADERS)
    frames.take(frame(SETTINGS, 0) + whole * 3 + frame(DATA, LIMIT) + frame(kind, half))
    with pytest.raises(TooCostly, match="1000"):
        frames.take(frame(CONTINUATION, half + 1, 0))


@pytest.mark.parametrize("step", [1, 8, 9, 10, 4096])
def test_goaway_is_taken_out_however_it_is_split(step: int) -> None:
    """RFC 9113 6.8; the reserved bit is ignored."""
    around = frame(SETTINGS, 0), frame(DATA, 3), frame(DATA, 0)
    data = goaway(5, 2, bytes(LIMIT - 8)).join(around) + goaway(2**31 + 3, 0)
    frames = FrameReader(HEAD_LIMIT)
    taken = [frames.take(data[at : at + step]) for at in range(0, len(data), step)]
    assert sum(count for count, _ in taken) == 6
    assert b"".join(rest for _, rest in taken) == b"".join(around)
    assert frames.goaways == [GoAway(5, 2), GoAway(5, 2), GoAway(3, 0)]
    assert GoAway(5, 2).frame == goaway(5, 2)


@pytest.mark.parametrize(
    "wrong",
    [frame(GOAWAY, 7), goaway(5, 0, stream=1), frame(HEADERS, 1, stream=1) + goaway(5, 0)],
    ids=["too short", "of a stream", "within a head"],
)
def test_goaway_that_breaks_the_rules_is_left_to_h2(wrong: bytes) -> None:
    """Which refuses it (RFC 9113 4.3, 6.8)."""
    frames = FrameReader(HEAD_LIMIT)
    data = frame(SETTINGS, 0) + wrong
    assert frames.take(data)[1] == data and not frames.goaways
    made = http2_connection(client_side=True, head_limit=HEAD_LIMIT)
    made.initiate_connection()
    with pytest.raises(h2.exceptions.ProtocolError):
        made.receive_data(data)


def test_a_budget_comes_back_by_time_and_by_what_is_brought() -> None:
    now = 0.0
    budget = Budget(lambda: now)
    budget.spend(COST_AT_ONCE)
    with pytest.raises(TooCostly):
        budget.spend(1.0)
    now = 1.0
    budget.spend(COST_PER_SECOND - 1)
    budget.earn(10.0)
    budget.spend(10.0)
    with pytest.raises(TooCostly):
        budget.spend(1.0)
