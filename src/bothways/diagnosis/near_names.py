"""Why a name of a certificate that looks like the one that was asked for is another one (RFC 9525 6.3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from bothways.trust.verdict import Names

LOOKED_AT = 100  # names of one certificate
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://")


def is_address(name: str | None) -> bool:
    """Whether a name is an IP address, which no server_name extension contains."""
    try:
        ipaddress.ip_address(name or "")
    except ValueError:
        return False
    return True


def is_uri(name: str | None) -> bool:
    """Whether a name is a URI, such as a SPIFFE ID, which is compared with URIs alone."""
    return "://" in (name or "")


def why_not(asked: str, names: Names) -> str:
    """Return why the name that comes nearest does not count, or "" where none comes near."""
    if is_uri(asked):
        return ""
    asked = asked.lower().rstrip(".")
    return next((text for each in names.dns[:LOOKED_AT] for text in _reasons(asked, each.lower())), "") or (
        "it has only names of another kind, such as mailboxes and URIs, which are not compared with a host"
        if not names.dns and (names.email or names.uri) and not names.ip
        else ""
    )


def matches_nothing(names: Names) -> bool:
    """Whether no host name and no address can match these names (RFC 9525 6.3): a client cannot choose another."""
    return not names.ip and not any(_can_match(each.lower()) for each in names.dns)


def _can_match(name: str) -> bool:
    first, _, rest = name.partition(".")
    wild = "*" in rest or "." not in rest if first == "*" else "*" in name
    return not wild and not is_address(name) and _HOST.fullmatch(name) is not None


# What a client can ask for: letters, digits, hyphens and underscores in labels that are not empty.
_HOST = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*", re.ASCII)


def _reasons(asked: str, name: str) -> Iterator[str]:
    if _URL.sub("", name).partition("/")[0].partition(":")[0] == asked != name:
        yield "what stands in it is a URL, or has a port or a path, and a host name alone is compared"
    if name != (bare := name.strip(" .\t")) and bare == asked:
        yield "the name in it ends with a dot or has a blank beside it, so that it is no valid DNS name"
    first, _, rest = name.partition(".")
    if first == "*" and rest:
        yield from _of_wildcard(asked, rest)
    elif "*" in name and _is_like(asked, name):
        yield "a wildcard has to be the whole first label, and the only one"
    if asked in (f"www.{name}", name.removeprefix("www.")) and asked != name:
        yield "the two differ in www alone, and each has to be in the certificate"


def _of_wildcard(asked: str, rest: str) -> Iterator[str]:
    if asked == rest:
        yield f"*.{rest} does not stand for {rest} itself"
    elif "*" in rest:
        if _is_like(asked, f"*.{rest}"):
            yield "a wildcard has to be the whole first label, and the only one"
    elif asked.endswith(f".{rest}"):
        if "." not in rest:
            yield "a wildcard is not accepted directly below a top-level domain"
        elif asked.count(".") > rest.count(".") + 1:
            yield "a wildcard stands for exactly one label"


def _is_like(asked: str, name: str) -> bool:
    """Whether each label would match if a wildcard could be anywhere."""
    labels, wanted = name.split("."), asked.split(".")
    return len(labels) == len(wanted) and all(map(_label_is_like, wanted, labels))


def _label_is_like(asked: str, label: str) -> bool:
    before, star, after = label.partition("*")
    if not star:
        return asked == label
    return len(asked) >= len(before) + len(after) and asked.startswith(before) and asked.endswith(after)
