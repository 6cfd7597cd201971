"""The chain of audit logs: hashes that never change, and every change found."""

from __future__ import annotations

import hashlib

import pytest

from bothways import ConfigError
from bothways.audit_chain import GENESIS, ChainBroken, ChainCheck, Head, chained

A = "a" * 64


def row(number: int) -> dict[str, object]:
    return {
        "authority": "a",
        "number": number,
        "at": 2,
        "actor": "b",
        "action": "c",
        "subject": "d",
        "details": "{}",
    }


def test_the_hash_of_an_entry_is_over_its_fields_and_the_previous_hash() -> None:
    """Written out by hand: it must never change, or old logs no longer verify."""
    row = {
        "authority": "a",
        "number": 1,
        "at": 2,
        "actor": "b",
        "action": "c",
        "subject": "d",
        "details": "{}",
    }
    text = '["0", "a", 1, 2, "b", "c", "d", "{}"]'
    assert chained("0", row) == hashlib.sha256(text.encode()).hexdigest()


def test_a_head_is_decoded_from_its_text() -> None:
    assert Head.parse(f"12:{A}") == Head(12, A)
    for bad in ("", "12", f"x:{A}", "12:abc", f"0:{A}", f"12:{A}0"):
        with pytest.raises(ConfigError, match="is not the head of an audit log"):
            Head.parse(bad)


def test_a_chain_is_checked_entry_by_entry_and_against_a_noted_head() -> None:
    check, previous, hashes = ChainCheck(), GENESIS, []
    for number in (1, 2, 3):
        previous = chained(previous, row(number))
        hashes.append(previous)
        check.take(row(number), previous)
    assert check.end() == Head(3, previous)

    def checked(entries: list[tuple[int, str]], noted: Head | None = None) -> Head:
        again = ChainCheck(noted)
        for number, stored in entries:
            again.take(row(number), stored)
        return again.end()

    whole = list(enumerate(hashes, 1))
    assert checked(whole, Head(2, hashes[1])) == Head(3, previous)
    for entries, noted, problem in (
        (whole[1:], None, "broken at entry 1"),
        (whole[:1] + whole[2:], None, "broken at entry 2"),
        ([*whole[:2], (3, A)], None, "broken at entry 3"),
        (whole, Head(2, A), "replaced: entry 2 had the hash aaa"),
        (whole[:1], Head(2, hashes[1]), "shortened: it has 1 entries and had 2 before"),
    ):
        with pytest.raises(ChainBroken, match=problem):
            checked(entries, noted)
