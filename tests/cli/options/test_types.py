"""Values that click would let through: seconds without end, texts and names of files that are empty."""

from __future__ import annotations

import click
import pytest

from bothways.cli.commands import bothways
from bothways.cli.options.types import WEEK, FileName, NamesType, Seconds, Text


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


def test_names_stand_between_commas():
    """In any case; what they may be is said by the configuration."""
    names = NamesType(("x25519", "secp256r1", "X25519MLKEM768"))
    assert names.convert("x25519, SECP256R1", None, None) == ("x25519", "secp256r1")
    assert names.convert("X25519mlkem768,Other", None, None) == ("X25519MLKEM768", "Other")
    with pytest.raises(click.BadParameter, match="commas"):
        names.convert("x25519,", None, None)


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
        assert not isinstance(each.type, click.Path) or isinstance(each.type, FileName), where


# Texts that are empty are refused by what reads these, but for the body of a request, which may be.
READ_ELSEWHERE = {
    *(
        "--alpn",
        "--dns",
        "--email",
        "--exclude",
        "--ip",
        "--name",
        "--out",
        "--permit",
        "--route",
        "--uri",
        "-X",
    ),
    *("-d", "app", "local", "url", "which"),
}


def test_an_option_whose_text_is_empty_is_not_taken_for_one_that_was_not_given():
    """`--key-uri "$URI"` would have the key in a file, and `--store "$DB"` the register, where these are not set."""
    for where, each in _options(bothways):
        is_flag = isinstance(each, click.Option) and each.is_flag
        if type(each.type) is click.types.StringParamType and not is_flag:
            assert each.opts[0] in READ_ELSEWHERE, where
    with pytest.raises(click.BadParameter, match="it is empty; leave the option out"):
        Text().convert("", None, None)
    assert Text().convert("redis://h", None, None) == "redis://h"
