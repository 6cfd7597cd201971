"""PEM that was altered by an environment variable, a word processor or a web page: what happened, what mends it.

Each command is run as it is printed; FILE stands for the name of the file. They are for `bash` with GNU tools.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import NamedTuple

from bothways.describe.documents.document import Unreadable

_BEGIN = rb"-----BEGIN [A-Z0-9 ]{1,64}-----"
_NO_BASE64 = rb"[^A-Za-z0-9+/=\r\n]"
_LABEL = rb"(?!SSH2|PGP)((?:[A-Z0-9]+ )*(?:CERTIFICATE|KEY|REQUEST|CRL|PKCS7|CMS|PARAMETERS))"
# With a name and quotes around it, as in a file of environment variables.
_UNESCAPED = "printf '%b' \"$(sed -E 's/^([^-]|-[^-])*-----BEGIN/-----BEGIN/; s/-----[^-]*$/-----/' FILE)\""
_PREFIX = rb"(?:[ \t]*[>|#*]+[ \t]*|\+|[ \t]*[0-9]+[:.)|]?[ \t]+)"
_REWRITTEN = (
    "LC_ALL=C sed -E 's/^[^A-Za-z0-9+/=]*(BEGIN|END)[^A-Za-z0-9+/=]+([A-Z0-9][A-Z0-9 ]*[A-Z0-9])[^A-Za-z0-9+/=]*$"
    "/-----\\1 \\2-----/' FILE > FILE.pem"
).replace("+/=]", "+\\/=]")
# "-----BEGIN" in base64, at the three places in which a group of it may begin.
_AGAIN = b"LS0tLS1CRUdJTi"
# A hyphen, a dash of Unicode or of Windows-1252, and the minus sign.
_DASHES = re.compile(rb"(?:\xe2\x80[\x90-\x95]|\xe2\x88\x92|[\x96\x97])")


class _Form(NamedTuple):
    """A pattern that PEM does not have, what it comes from, and the command that mends it."""

    pattern: re.Pattern[bytes]
    text: str
    command: str


_FORMS = (
    _Form(
        re.compile(_BEGIN + rb"(?:\\\\r)?\\\\n"),
        "this is PEM on one line: its line ends are written as \\\\n, escaped twice",
        "printf '%b' \"$(" + _UNESCAPED + ')" > FILE.pem',
    ),
    _Form(
        re.compile(_BEGIN + rb"\\[nr]"),
        "this is PEM on one line: its line ends are written as \\n",
        f"{_UNESCAPED} > FILE.pem",
    ),
    _Form(
        re.compile(_BEGIN + rb" ?M[A-Za-z0-9+/]"),
        "this is PEM on one line: its lines have lost their ends",
        r"sed -E 's/(-----BEGIN [A-Z0-9 ]+-----)/\1\n/g; s/(-----END [A-Z0-9 ]+-----)/\n\1\n/g' FILE > FILE.pem",
    ),
    _Form(
        re.compile(rb"BEGIN%20[A-Z0-9%]{1,64}(?:-|%2D){5}(?:%0D)?%0A", re.IGNORECASE),
        "this is PEM encoded for a URL",
        "python3 -c 'import sys, urllib.parse; print(urllib.parse.unquote(sys.stdin.read()))' < FILE > FILE.pem",
    ),
    _Form(
        re.compile(_BEGIN + rb"[ \t]*\r(?!\n)"),
        "the lines of this PEM end with carriage returns alone",
        "tr '\\r' '\\n' < FILE > FILE.pem",
    ),
    _Form(
        re.compile(_BEGIN + rb"\s*<[a-z/][^<>]{0,80}>", re.IGNORECASE),
        "there are tags of HTML between the lines of this PEM",
        r"sed -E 's/<[^>]*>/\n/g' FILE > FILE.pem",
    ),
    _Form(
        re.compile(rb"^" + _PREFIX + _BEGIN + rb"[ \t]*\r?\n" + _PREFIX + rb"[A-Za-z0-9+/]", re.MULTILINE),
        "each line of this PEM has something before it, such as a number or >",
        r"sed -E 's/^([ \t]*[>|#*]+[ \t]*|\+|[ \t]*[0-9]+[:.)|]?[ \t]+)//' FILE > FILE.pem",
    ),
    _Form(
        re.compile(rb"-----begin [a-z0-9 ]{1,64}-----"),
        "the label of this PEM is in small letters",
        r"sed -E 's/^-----(begin|end) ([a-z0-9 ]+)-----/-----\U\1 \2-----/' FILE > FILE.pem",
    ),
)
_ALMOST = re.compile(
    rb"^" + _NO_BASE64 + rb"*BEGIN" + _NO_BASE64 + rb"{1,8}" + _LABEL + _NO_BASE64 + rb"*\r?$", re.MULTILINE
)
_WHOLE = re.compile(_BEGIN + rb"[ \t]*\r?\n")


def altered(data: bytes) -> Unreadable | None:
    """Return what has happened to PEM, if something has that keeps it from being read."""
    for form in _FORMS:
        if form.pattern.search(data) is not None:
            return Unreadable(form.text, form.command)
    if _WHOLE.search(data) is not None:
        return None
    return next((found for look in _LOOKS if (found := look(data)) is not None), None)


def _almost(data: bytes) -> Unreadable | None:
    """A line of BEGIN whose hyphens or blank are others."""
    found = _ALMOST.search(data)
    if found is None:
        return None
    if _DASHES.search(found[0]) is not None:
        return Unreadable(
            "the hyphens of this PEM were replaced by dashes, as word processors do", _REWRITTEN
        )
    if b"\xa0" in found[0]:
        return Unreadable("there is a no-break space in the BEGIN line of this PEM", _REWRITTEN)
    return Unreadable("a line in it contains BEGIN, but does not begin a PEM block", _REWRITTEN)


def _again(data: bytes) -> Unreadable | None:
    """PEM in base64, alone or as a value, as a Secret of Kubernetes has it."""
    if _AGAIN not in data:
        return None
    try:
        whole = base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        whole = b""
    if _WHOLE.match(whole) is not None:
        return Unreadable("this is PEM encoded once more in base64", "base64 -d FILE > FILE.pem")
    return Unreadable(
        "its values are PEM encoded once more in base64, as in a Secret of Kubernetes",
        f"grep -oE '{_AGAIN.decode()}[A-Za-z0-9+/=]+' FILE | while read -r each; do echo \"$each\" | base64 -d; done "
        "> FILE.pem",
    )


_LOOKS: tuple[Callable[[bytes], Unreadable | None], ...] = (_almost, _again)
