"""Runs `bothways ca` in this process, for tests that look at what it left behind."""

from __future__ import annotations

from click.testing import CliRunner, Result

import report_schema
from bothways.cli.ca import command
from bothways.errors import TLSError


def ca(*words: str, error: str = "") -> Result:
    """Run `bothways ca`; what it refuses must say `error`."""
    result = CliRunner().invoke(command, words)
    if error:
        reported = str(result.exception) if isinstance(result.exception, TLSError) else result.stderr
        assert error in reported, reported
        assert result.exit_code != 0
    else:
        assert result.exception is None, result.exception
    return result


def rows(*words: str) -> list[dict[str, object]]:
    """What `ca list` or `ca audit` says as JSON."""
    found: list[dict[str, object]] = report_schema.checked(f"ca_{words[0]}", ca(*words, "--json").stdout)
    return found


def init(*words: str) -> None:
    ca("init", "ca", "--name", "Example", "--insecure-no-passphrase", *words)


def client(name: str, *words: str, out: str = "") -> Result:
    return ca("issue", "ca", "--profile", "client", "--name", name, "--out", out or name, *words)
