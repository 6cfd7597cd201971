"""Every fuzz target for a short time, with the same mutants in every run; `run.py` goes on for longer."""

from __future__ import annotations

import pytest

from fuzz.mutation import mutants
from fuzz.targets import TARGETS


@pytest.mark.parametrize("title", TARGETS)
def test_target_lets_nothing_out_but_what_is_documented(title: str, full: bool) -> None:
    target = TARGETS[title]
    seeds = target.seeds()
    count = target.count * 100 if full else target.count // 5
    accepted = sum(target.run(each) for each in mutants(seeds, count, title))
    assert accepted > 0, "not even a seed is accepted"


@pytest.mark.parametrize("title", TARGETS)
def test_fuzz_target_accepts_random_bytes(title: str) -> None:
    run = TARGETS[title].run
    for data in (
        b"",
        b"\0",
        b"\xff",
        bytes(64),
        b"\xff" * 64,
        b"\x16\3\1\0\0" * 12,
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        run(data)
