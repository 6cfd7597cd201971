"""docs/ladder.md describes the JSON form as it is: every key and every word of it, and no others."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from bothways.ladder import model
from bothways.ladder.json_form import ITEM_LIMIT, SIZE_LIMIT, TEXT_LIMIT

PAGE = (Path(__file__).parents[2] / "docs" / "ladder.md").read_text(encoding="utf-8")
COMMON = {"kind", "phase", "at", "by"}
ROWS = {
    "message": model.Message,
    "alert": model.AlertSent,
    "data": model.DataSent,
    "check": model.CheckMade,
    "choice": model.ChoiceMade,
    "keys": model.KeysTaken,
}
PARTS = {
    "a field": model.Field,
    "a certificate": model.Card,
    "a failure": model.Failure,
    "a cause": model.CauseText,
    "a step": model.StepTaken,
}


def keys(cls: Any) -> set[str]:
    return {each.name for each in fields(cls)}


def spelled(text: str) -> set[str]:
    """The names in code, without those that are values."""
    return set(re.findall(r"`([a-z]+)`", text)) - {"null"}


def test_a_ladder_has_the_described_keys():
    """One row for each, or for several that are alike."""
    section = PAGE.partition("### the document")[2].partition("###")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert spelled("".join(rows)) == keys(model.Ladder)


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_of_event_has_the_described_keys(kind):
    """In addition to those that all have."""
    row = re.search(rf'^\| `"{kind}"` \| (.*) \|$', PAGE, re.MULTILINE).group(1)
    assert spelled(row) | COMMON == keys(ROWS[kind])
    assert set(ROWS.values()) == set(get_args(model.Event))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_a_ladder_has_the_described_keys(part):
    """Fields, certificates, failures, steps."""
    row = re.search(rf"^\| {part} \| (.*) \|$", PAGE, re.MULTILINE).group(1)
    assert spelled(row) == keys(PARTS[part])


def test_every_value_of_the_json_form_is_described():
    """Values in quotes."""
    for words in (model.Keys, model.Arrival, model.Outcome, model.StepStatus, model.Side):
        for word in get_args(words):
            assert f'`"{word}"`' in PAGE
    assert f"{SIZE_LIMIT >> 20} MiB" in PAGE
    assert f"{ITEM_LIMIT} items" in PAGE
    assert f"{TEXT_LIMIT >> 10} Ki characters" in PAGE
