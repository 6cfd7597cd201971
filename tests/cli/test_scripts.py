"""Every script in scripts/: commands and what they print, in plain text."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_scripting import play

pytestmark = pytest.mark.network

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_commands_print_what_the_script_says(script: Path, folder: Path):
    """Plain-text scripts with commands and output."""
    play(script, folder)
