"""`--ladder FILE`: writes the diagram of a handshake, in the format of the file's suffix."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bothways.cli.output.terminal import refuse, report_error
from bothways.describe.recorder import Noted, Recorder
from bothways.diagnosis import Explanation
from bothways.ladder.formats import FORMS, form_of
from bothways.ladder.layout import lay_out
from bothways.ladder.model import Ladder


class LadderFile:
    """A file for a ladder diagram, written completely each time; it can be used by several threads."""

    def __init__(self, path: str, form: Callable[[Ladder], str]) -> None:
        self._path = Path(path)
        self._form = form
        self._writing = threading.Lock()

    def check(self) -> None:
        """Exit with status 2 if the file cannot be written, before any connection."""
        try:
            self._path.open("ab").close()
        except OSError as error:
            refuse(f"--ladder {self._path}: {error.strerror or error}", "name a file that can be written")

    def write(
        self,
        client: Recorder | None = None,
        server: Recorder | None = None,
        *,
        client_error: Exception | None = None,
        server_error: Exception | None = None,
        client_causes: Explanation | None = None,
        server_causes: Explanation | None = None,
    ) -> None:
        """Draw what the recorders have noted so far, and write it."""
        self.keep(
            lay_out(
                _notes(client),
                _notes(server),
                datetime.now(UTC),
                client_error=client_error,
                server_error=server_error,
                client_causes=client_causes,
                server_causes=server_causes,
            )
        )

    def keep(self, ladder: Ladder) -> None:
        """Write a ladder; a failure, such as a full disk, is reported and changes nothing else."""
        try:
            with self._writing:
                self._path.write_text(self._form(ladder), encoding="utf-8")
        except OSError as error:
            report_error(f"--ladder {self._path}: {error.strerror or error}")


def _notes(recorder: Recorder | None) -> list[Noted]:
    return (
        list(recorder.notes) if recorder is not None else []
    )  # a copy, since other threads may still add notes


class LadderFileType(click.ParamType[LadderFile]):
    """A file name with the suffix of a known format."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LadderFile:
        """Check the suffix; raises `click.BadParameter`."""
        if isinstance(value, LadderFile):
            return value
        form = form_of(str(value))
        if form is None:
            self.fail(
                f"{value!r} has no known suffix; expected a name that ends in {', '.join(FORMS)}", param, ctx
            )
        return LadderFile(str(value), form)


def ladder_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --ladder to a command. what: what the diagram shows, for the help."""
    return click.option(
        "--ladder",
        "picture",
        type=LadderFileType(),
        metavar="FILE",
        help=f"{what} as a picture: {', '.join(FORMS)}.",
    )
