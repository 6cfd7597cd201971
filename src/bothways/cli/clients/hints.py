"""Converts commands in hints: hints of `bothways get` name `bothways get` and not `bothways connect`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from bothways.diagnosis import Explanation

Kept = tuple[tuple[str, ...], ...]  # options of a request, each in words
_CONNECT = re.compile(r"bothways connect \S+(?P<options>.*)")
_ALPN = re.compile(r" --alpn (\S+)")
# The ALPN names that `get` offers with each of its options, and without any.
_HTTP = {(): "", ("h2", "http/1.1"): "", ("http/1.1",): " --http 1.1", ("h2",): " --http 2"}
_OF_GET = {
    "--ca", "--name", "--tls", "--classic", "--cert", "--key", "--timeout", "--profile", "--password-file", "--crl",
    "--revocation", "--fetch", "--fetch-allow", "--fetch-cache", "--spiffe", "--spiffe-id",
}  # fmt: skip
# Header fields whose values may be printed; the others may contain secrets.
_SHOWN = {"host", "accept", "accept-encoding", "accept-language", "content-type", "te", "user-agent", "range"}
_BY_NAME = " --name NAME"
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")


def request_words(
    method: str | None,
    headers: Iterable[tuple[str, str]],
    data: str | None,
    dial: object,
    output: str | None,
    *,
    follow: bool,
) -> Iterator[tuple[str, ...]]:
    """Yield the options of a request as the commands of a remedy keep them.

    What may be a secret is a word in capitals there: the values of most header fields, and a body that is no file.
    """
    if dial is not None:
        yield "--connect-to", str(dial)
    if method is not None:
        yield "-X", method
    for name, value in headers:
        yield "-H", f"{name}: {value if name.lower() in _SHOWN else 'VALUE'}"
    if data is not None:
        yield "-d", data if data.startswith("@") else "DATA"
    if follow:
        yield ("-L",)
    if output is not None:
        yield "-o", output


def for_get(command: str, url: str, kept: Kept = ()) -> str:
    """Return a `connect` command as a `get` command, if `get` has its options; else unchanged.

    kept: the options of the request. A host that was given as a header field is connected to by its own name where
    the command is about the name.
    """
    given = _CONNECT.fullmatch(command)
    if given is None:
        return command
    offered = tuple(_ALPN.findall(given["options"]))
    options = _ALPN.sub("", given["options"])
    if offered not in _HTTP or not set(re.findall(r"--[a-z-]+", options)) <= _OF_GET:
        return command
    if _BY_NAME in options:
        url, options, kept = _by_host(url, options, kept)
    words = "".join(f" {shlex.join(each)}" for each in kept)
    return f"bothways get {shlex.quote(url)}{options}{_HTTP[offered]}{words}"


def _by_host(url: str, options: str, kept: Kept) -> tuple[str, str, Kept]:
    """Return a request to the host of its header field Host, over a connection to where the URL leads."""
    hosts = [each for each in kept if each[0] == "-H" and each[1].lower().startswith("host: ")]
    host = hosts[0][1][len("host: ") :] if len(hosts) == 1 else ""
    parts = urlsplit(url)
    if not _HOST.fullmatch(host) or not parts.hostname:
        return url, options, kept
    others = tuple(each for each in kept if each not in hosts)
    if not any(each[0] == "--connect-to" for each in kept):
        own = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        others = (("--connect-to", f"{own}:{parts.port or 443}"), *others)
    return parts._replace(netloc=host).geturl(), options.replace(_BY_NAME, ""), others


def lines_for_get(explanation: Explanation, url: str, kept: Kept = ()) -> list[str]:
    """Return the lines of an explanation, with `get` commands."""
    parts = (line.partition("try:  ") for line in explanation.lines())
    return [before + mark + (for_get(command, url, kept) if mark else "") for before, mark, command in parts]


def facts_for_get(facts: Mapping[str, object], url: str, kept: Kept = ()) -> dict[str, object]:
    """Return the values of a failure for JSON, with `get` commands in its explanation."""
    return {name: _for_get(name, value, url, kept) for name, value in facts.items()}


def _for_get(name: str, value: object, url: str, kept: Kept) -> object:
    if isinstance(value, str):
        return for_get(value, url, kept) if name == "command" else value
    if isinstance(value, dict):
        return facts_for_get(value, url, kept)
    return [_for_get("", each, url, kept) for each in value] if isinstance(value, list) else value
