"""Converts commands in hints: hints of `bothways get` name `bothways get` and not `bothways connect`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from bothways.diagnosis import Explanation

_CONNECT = re.compile(r"bothways connect \S+(?P<options>.*)")
_ALPN = re.compile(r" --alpn (\S+)")
# The ALPN names that `get` offers with each of its options, and without any.
_HTTP = {(): "", ("h2", "http/1.1"): "", ("http/1.1",): " --http 1.1", ("h2",): " --http 2"}
_OF_GET = {
    "--ca", "--name", "--tls", "--classic", "--cert", "--key", "--timeout", "--profile", "--password-file", "--crl",
    "--revocation", "--fetch", "--fetch-allow", "--fetch-cache",
}  # fmt: skip


def for_get(command: str, url: str) -> str:
    """Return a `connect` command as a `get` command, if `get` has its options; else unchanged."""
    given = _CONNECT.fullmatch(command)
    if given is None:
        return command
    offered = tuple(_ALPN.findall(given["options"]))
    options = _ALPN.sub("", given["options"])
    if offered not in _HTTP or not set(re.findall(r"--[a-z-]+", options)) <= _OF_GET:
        return command
    return f"bothways get {shlex.quote(url)}{options}{_HTTP[offered]}"


def lines_for_get(explanation: Explanation, url: str) -> list[str]:
    """Return the lines of an explanation, with `get` commands."""
    parts = (line.partition("try:  ") for line in explanation.lines())
    return [before + mark + (for_get(command, url) if mark else "") for before, mark, command in parts]


def facts_for_get(facts: Mapping[str, object], url: str) -> dict[str, object]:
    """Return the values of a failure for JSON, with `get` commands in its explanation."""
    return {name: _for_get(name, value, url) for name, value in facts.items()}


def _for_get(name: str, value: object, url: str) -> object:
    if isinstance(value, str):
        return for_get(value, url) if name == "command" else value
    if isinstance(value, dict):
        return facts_for_get(value, url)
    return [_for_get("", each, url) for each in value] if isinstance(value, list) else value
