"""Values that click would let through: seconds without end, names of files that are empty."""

from __future__ import annotations

import click
import pytest

from bothways.cli.commands import bothways
from bothways.cli.option_types import WEEK, FileName, Seconds


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e400", "1e30", "604800.5", "-1", "x", ""])
def test_seconds_that_no_clock_takes_are_refused(text):
    """Infinite, not a number, negative, too large."""
    with pytest.raises(click.BadParameter):
        Seconds().convert(text, None, None)


def test_seconds_within_the_limits_are_taken():
    """From the least, or above it, to a week."""
    assert [Seconds().convert(text, None, None) for text in ("0", "0.5", "604800")] == [0, 0.5, WEEK]
    with pytest.raises(click.BadParameter, match="0<x"):
        Seconds(above=True).convert("0", None, None)


def test_an_empty_name_is_no_file():
    """As `--ca "$CA"` gives it where CA is not set."""
    with pytest.raises(click.BadParameter, match="it is empty"):
        FileName(dir_okay=False).convert("", None, None)
    assert FileName(dir_okay=False).convert("ca.pem", None, None) == "ca.pem"


def _options(command: click.Command, path: str = "") -> list[tuple[str, click.Parameter]]:
    own = [(f"{path} {each.name}", each) for each in command.params]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            own += _options(below, f"{path} {name}")
    return own


def test_every_option_with_a_fraction_is_of_seconds_and_every_file_has_a_name():
    """click's own types let "nan" and "" through."""
    everything = _options(bothways)
    assert sum(isinstance(each.type, Seconds) for _, each in everything) >= 7
    for where, each in everything:
        assert not isinstance(each.type, click.types.FloatParamType) or isinstance(each.type, Seconds), where
        if isinstance(each.type, click.Path) and each.type.file_okay:
            assert isinstance(each.type, FileName) or each.type.type is not None, where
