"""Lengths of time on the command line."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from bothways.cli.ca.options import DURATION


@pytest.mark.parametrize(
    ("text", "length"),
    [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("1m", timedelta(minutes=1))],
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert DURATION.convert(text, None, None) == length
    assert DURATION.convert(length, None, None) is length


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5h", "1w", "9999999d", "1d ", "\u0663d"])
def test_other_texts_are_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration; write 90d, 12h or 30m"):
        DURATION.convert(text, None, None)
