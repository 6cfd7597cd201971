"""The forms in which a ladder is written, by the suffix of a file: a page, a picture, JSON, text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath

from bothways.ladder.html import as_page
from bothways.ladder.json_form import as_json
from bothways.ladder.model import Ladder
from bothways.ladder.svg import as_svg
from bothways.ladder.text import as_text

FORMS: Mapping[str, Callable[[Ladder], str]] = {
    ".html": as_page,
    ".svg": as_svg,
    ".json": as_json,
    ".txt": as_text,
}


def form_of(path: str) -> Callable[[Ladder], str] | None:
    """Return the function that writes a ladder in the format of this file name; None for an unknown suffix."""
    return FORMS.get(PurePath(path).suffix.lower())
