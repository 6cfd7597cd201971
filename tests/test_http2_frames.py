"""Frames are refused by their heads, however they are delivered."""

from __future__ import annotations

import pytest

from bothways.http2_frames import (
    COST_AT_ONCE,
    COST_PER_SECOND,
    HEAD,
    LIMIT,
    PREFACE,
    BadFrame,
    Budget,
    FrameLengths,
    TooCostly,
)

SETTINGS, DATA = 4, 0


def frame(kind: int, length: int, content: int | None = None) -> bytes:
    return (
        length.to_bytes(3) + bytes((kind,)) + bytes(HEAD - 4) + bytes(length if content is None else content)
    )


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 4096, 1 << 20])
def test_frames_up_to_the_limit_pass_however_they_are_split(step: int) -> None:
    data = bytes(PREFACE) + frame(SETTINGS, 0) + frame(DATA, LIMIT) + frame(DATA, 0) + frame(DATA, 1)
    lengths = FrameLengths(skipped=PREFACE)
    assert sum(lengths.check(data[at : at + step]) for at in range(0, len(data), step)) == 4


@pytest.mark.parametrize("step", [1, 7, 9, 4096])
def test_a_longer_frame_is_refused_by_its_head_alone(step: int) -> None:
    lengths = FrameLengths()
    lengths.check(frame(SETTINGS, 6) + frame(DATA, LIMIT))
    data = frame(DATA, LIMIT + 1, 0)
    with pytest.raises(BadFrame, match="16385"):
        for at in range(0, len(data), step):
            lengths.check(data[at : at + step])


def test_the_first_frame_has_settings() -> None:
    with pytest.raises(BadFrame, match="SETTINGS"):
        FrameLengths().check(frame(DATA, 1))


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
