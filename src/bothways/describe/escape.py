"""Escapes text of a peer for display: without control characters, bidirectional formatting or markup."""

from __future__ import annotations

import html

LIMIT = 240


def visible(text: str, limit: int = LIMIT) -> str:
    """Return `text` with control, format and bidirectional characters escaped, cut at `limit` characters."""
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _escaped(each) for each in shown)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def markup(text: str, limit: int = LIMIT) -> str:
    """Return `text` escaped for HTML, in an element or a quoted attribute, cut at `limit` characters."""
    return html.escape(visible(text, limit), quote=True)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
