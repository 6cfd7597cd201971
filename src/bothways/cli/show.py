"""`bothways show`: what is in a file, in words."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from bothways.cli.options import FILE
from bothways.cli.pictures import LadderFile, ladder_option
from bothways.cli.terminal import MISUSED, complain, passphrase
from bothways.explain.documents import Document, Unreadable, documents
from bothways.explain.ladder import Ladder
from bothways.explain.reopen import from_json, from_page
from bothways.explain.text import as_text

SIZE_LIMIT = 64 * 1024 * 1024


@click.command("show")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE..."
)
@click.option(
    "--password-file", type=FILE, metavar="FILE", help="First line: the passphrase of keys and PKCS#12."
)
@ladder_option("A recorded handshake among FILEs, in another form,")
def command(files: tuple[str, ...], password_file: str | None, picture: LadderFile | None) -> int:
    """Say in words what is in FILEs: certificates, keys, requests, CRLs, OCSP responses, PKCS#12; PEM or DER.

    A handshake that --ladder recorded as .json or .html is drawn again. Private keys are named, never shown.
    Things that belong together are marked by the same key.
    """
    password = passphrase(password_file, "") if password_file is not None else None
    owners: dict[str, str] = {}
    status, drawn = 0, False
    for path in files:
        try:
            data = _read(path)
            ladder = _recorded(data)
            if ladder is not None:
                sys.stdout.write(as_text(ladder))
                drawn = True
                if picture is not None:
                    picture.check()
                    picture.keep(ladder)
                continue
            for document in _documents(path, data, password):
                sys.stdout.write(_words(path, document, owners) + "\n")
        except (Unreadable, OSError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            complain(
                f"{path}: {words}", "give --password-file" if "passphrase is needed" in str(error) else ""
            )
            status = max(status, MISUSED)
    if picture is not None and not drawn:
        complain(
            "--ladder: no recorded handshake is among the files", "name one that --ladder wrote as .json"
        )
        status = max(status, MISUSED)
    return status


def _read(path: str) -> bytes:
    with click.open_file(path, "rb") as file:
        data: bytes = file.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise Unreadable("the file is too large")
    return data


def _recorded(data: bytes) -> Ladder | None:
    """Return the recorded handshake in a file; None for a file of another kind."""
    start = data[:64].lstrip().lower()
    if start.startswith(b"{"):
        return from_json(data)
    return from_page(data.decode("utf-8", "replace")) if start.startswith(b"<!doctype") else None


def _documents(path: str, data: bytes, password: str | None) -> list[Document]:
    now = datetime.now(UTC)
    try:
        return documents(data, now, password.encode() if password else None)
    except Unreadable as error:
        asked = passphrase(None, path) if "passphrase is needed" in str(error) else None
        if asked is None:
            raise
        return documents(data, now, asked.encode())


def _words(path: str, document: Document, owners: dict[str, str]) -> str:
    lines = [f"{path}: {document.kind}: {document.title}"]
    width = max((len(name) for name, _ in document.facts), default=0)
    lines += [f"  {name:<{width}}  {text}" for name, text in document.facts]
    if document.key_id is not None:
        twin = owners.setdefault(document.key_id, f"{document.kind} {document.title!r} in {path}")
        if twin != f"{document.kind} {document.title!r} in {path}":
            lines.append(f"  {'same key as':<{width}}  the {twin}")
    return "\n".join(lines) + "\n"
