"""docs/failures.md says what the catalogue says."""

from __future__ import annotations

import re
import shlex
import subprocess

import click
import pytest

from bothways.cli.commands import bothways
from bothways.diagnosis import Cause
from bothways.diagnosis.diagnosis import OWN_FACTS
from catalogue.__main__ import PATH
from catalogue.page import page
from catalogue.rows import CATALOGUE
from interop import peers


def test_the_page_is_made_of_the_catalogue_as_it_is() -> None:
    """`make failures` writes it."""
    assert PATH.read_text(encoding="utf-8") == page()


def test_every_failure_stands_on_the_page_with_the_command_that_produces_it() -> None:
    text = page()
    for row in CATALOGUE:
        assert row.cause.name in text
        assert row.program == "nobody" or f"`{row.command}`" in text
    assert "{" not in text.partition("## The catalogue")[2]


def commands() -> list[tuple[Cause, str]]:
    """Every command that the table of causes tells people to try."""
    return [
        (cause, template.format(**dict.fromkeys(OWN_FACTS, "x")))
        for cause in Cause
        for template in (cause.value.our_command, cause.value.their_command)
        if template
    ]


@pytest.mark.parametrize(("cause", "command"), commands(), ids=lambda value: getattr(value, "name", ""))
def test_a_suggested_command_has_the_options_that_it_names(cause: Cause, command: str) -> None:
    """Of ours by the command line itself, of OpenSSL by its help."""
    for words in map(shlex.split, re.split(r"[;|()]", command)):
        if words[:1] == ["bothways"]:
            found: click.Command = bothways
            context = click.Context(found)
            rest = words[1:]
            while isinstance(found, click.Group):
                found = found.get_command(context, rest.pop(0))
                context = click.Context(found, parent=context)
            options = {name for each in found.params for name in (*each.opts, *each.secondary_opts)}
            assert {each for each in rest if each.startswith("--")} <= options, cause.name
        elif words[:1] == ["openssl"]:
            reported = subprocess.run(
                [peers.find("openssl"), words[1], "-help"], capture_output=True, text=True, check=False
            )
            options = set(re.findall(r"^ (-\w+)", reported.stdout + reported.stderr, re.MULTILINE))
            options.add("-sha256")  # which its help calls "any supported digest"
            assert {each for each in words[2:] if each.startswith("-")} <= options, cause.name
