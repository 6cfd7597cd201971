"""`bothways show`: describes the content of files."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bothways.cli.options.file_kinds import for_file
from bothways.cli.options.pictures import LadderFile, ladder_option
from bothways.cli.options.types import FILE, FileName
from bothways.cli.output.terminal import DONE, MISUSED, passphrase, report_error
from bothways.describe.documents import Document, Unreadable, documents
from bothways.describe.escape import visible
from bothways.errors import ConfigError
from bothways.ladder.json_form import from_json, from_page
from bothways.ladder.model import Ladder
from bothways.ladder.text import as_text
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.files import content

SIZE_LIMIT = 64 * 1024 * 1024
_PATH_SHOWN = 1000
_RECORDED = re.compile(rb'\s*(?:\{|<!doctype html>.*id="handshake")', re.IGNORECASE | re.DOTALL)


@click.command("show")
@click.argument(
    "files", nargs=-1, required=True, type=FileName(dir_okay=False, allow_dash=True), metavar="FILE..."
)
@click.option(
    "--password-file",
    type=FILE,
    metavar="FILE",
    help="A file; its first line is the passphrase of keys and PKCS#12 files.",
)
@ladder_option("The recorded handshake among FILEs, drawn again")
def command(files: tuple[str, ...], password_file: str | None, picture: LadderFile | None) -> int:
    """Describe FILEs: certificates, keys, requests, CRLs, OCSP, PKCS#12 and PKCS#7; PEM or DER.

    A handshake recorded by --ladder as .json or .html is drawn again. Of private keys the type is shown, never the
    value. A certificate and its key are marked by the same key identifier.
    """
    password = passphrase(password_file, "") if password_file is not None else None
    page = _Page(password.encode() if password else None, picture)
    status = max([page.show(path) for path in files])
    if picture is not None and not page.drawn:
        report_error(
            "--ladder: no recorded handshake is among the files", "name one that --ladder wrote as .json"
        )
        return MISUSED
    return status


class _Page:
    """Describes one file after another, and remembers which key belongs to which document."""

    def __init__(self, password: bytes | None, picture: LadderFile | None) -> None:
        self._password = password
        self._picture = picture
        self._owners: dict[str, str] = {}
        self.drawn = False

    def show(self, path: str) -> int:
        """Describe a file; return the exit status."""
        shown = visible(path, _PATH_SHOWN)
        try:
            return self._show(path, shown)
        except PassphraseNeeded:
            report_error(
                f"{shown}: its content is encrypted: a passphrase is required", "give --password-file"
            )
        except Unreadable as error:
            report_error(f"{shown}: {error}", for_file(error.hint, shown))
        return MISUSED

    def _show(self, path: str, shown: str) -> int:
        data = _read(path)
        if _RECORDED.match(data):
            self._draw(
                from_json(data)
                if data.lstrip().startswith(b"{")
                else from_page(data.decode("utf-8", "replace"))
            )
            return DONE
        status = DONE
        now = datetime.now(UTC)
        for document in documents(data, now, self._password or (lambda: _asked(shown))):
            sys.stdout.write(self._words(shown, document) + "\n")
            if document.damaged:
                hint = for_file(document.hint, shown)
                report_error(f"{shown}: the {document.kind} cannot be read: {document.damaged}", hint)
                status = MISUSED
        return status

    def _draw(self, ladder: Ladder) -> None:
        sys.stdout.write(as_text(ladder))
        self.drawn = True
        if self._picture is not None:
            self._picture.check()
            self._picture.keep(ladder)

    def _words(self, path: str, document: Document) -> str:
        facts = [*document.facts, *self._twin(path, document)]
        width = max((len(name) for name, _ in facts), default=0)
        rows = [f"  {name:<{width}}  {text}" for name, text in facts]
        return "\n".join([f"{path}: {document.kind}: {document.title}", *rows, ""])

    def _twin(self, path: str, document: Document) -> list[tuple[str, str]]:
        """Return to which earlier document this one belongs, if they have the same key."""
        if document.key_id is None:
            return []
        here = f"{document.kind} {document.title!r} in {path}"
        owner = self._owners.setdefault(document.key_id, here)
        return [("same key as", f"the {owner}")] if owner != here else []


def _read(path: str) -> bytes:
    try:
        if Path(path).is_fifo():
            return content(path, most=SIZE_LIMIT)
        with click.open_file(path, "rb") as file:
            data: bytes = file.read(SIZE_LIMIT + 1)
    except ConfigError as error:
        raise Unreadable(f"the pipe {error}") from None
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    if len(data) > SIZE_LIMIT:
        raise Unreadable(f"the file is larger than {SIZE_LIMIT // 1024**2} MiB")
    return data


def _asked(path: str) -> bytes | None:
    found = passphrase(None, path)
    return found.encode() if found else None
