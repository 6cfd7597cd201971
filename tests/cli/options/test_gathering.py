"""Options that arrive as one value."""

from __future__ import annotations

import click

from bothways.cli.options.gathering import gathered


def test_options_that_belong_together_arrive_as_one():
    """And those in turn may belong together."""
    inner = gathered("pair", lambda a, b: (a, b), click.option("--a"), click.option("--b"))
    outer = gathered("three", lambda pair, c: (*pair, c), inner, click.option("--c", default="3"))
    command = click.command()(outer(click.option("--d")(lambda three, d: (three, d))))
    assert command.main(["--a", "1", "--d", "4"], standalone_mode=False) == (("1", None, "3"), "4")
    assert [option.name for option in command.params] == ["a", "b", "c", "d"]
