"""`--insecure-keylog`: writes the keys of each connection to the file that SSLKEYLOGFILE names (RFC 9850).

The variable alone has no effect, since it may be set in an environment by mistake.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

import click

from bothways.cli.output.terminal import refuse, report_error, say, say_json

VARIABLE = "SSLKEYLOGFILE"
WARNING = "the keys of every connection are written to {path}: whoever has that file can decrypt all data"
SHARED = "{path} can be read by users other than its owner: use chmod 600"
FOREIGN = "{path} belongs to another user, who can read the keys: name a file of your own"

keylog_option = click.option(
    "--insecure-keylog",
    "keylog",
    is_flag=True,
    help=f"Write the keys of each connection to the file that {VARIABLE} names, for Wireshark.",
)


def load_keylog(allowed: bool, *, as_json: bool = False) -> Callable[[str], None] | None:
    """Return the function that writes the lines of a key log, and print a warning; None without the option.

    The file is created with access for its owner only, and appended to. Exits with status 2 if no file is named or it
    cannot be written.
    """
    if not allowed:
        return None
    path = os.environ.get(VARIABLE)
    if not path:
        refuse(
            f"--insecure-keylog: {VARIABLE} does not name a file", f"set it: {VARIABLE}=keys.log bothways ..."
        )
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        refuse(f"{VARIABLE} {path}: {error.strerror or error}", "name a file that can be written")
    _warn(WARNING.format(path=path), as_json=as_json)
    seen = os.fstat(file)
    if hasattr(os, "geteuid") and seen.st_uid != os.geteuid():
        _warn(FOREIGN.format(path=path), as_json=as_json)
    if seen.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _warn(SHARED.format(path=path), as_json=as_json)
    return _Log(file, path)


class _Log:
    """Appends complete lines to a file, from any thread."""

    def __init__(self, file: int, path: str) -> None:
        self._file = file
        self._path = path

    def __call__(self, line: str) -> None:
        try:
            os.write(self._file, line.encode("ascii") + b"\n")
        except OSError as error:
            report_error(f"{VARIABLE} {self._path}: {error.strerror or error}")

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._file)


def _warn(text: str, *, as_json: bool) -> None:
    report: dict[str, object] = {"warning": text}
    say_json(report) if as_json else say(f"warning: {text}")
