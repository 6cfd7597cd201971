"""A peer's text as it may be shown: it moves no cursor, turns no direction of writing, forms no markup."""

from __future__ import annotations

import html

LIMIT = 240


def visible(text: str, limit: int = LIMIT) -> str:
    """Return `text` with control, format and bidi characters as escapes, cut at `limit` characters."""
    shown = "".join(each if each.isprintable() else _escaped(each) for each in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def markup(text: str, limit: int = LIMIT) -> str:
    """Return `text` as it may stand in HTML, in an element or a quoted attribute."""
    return html.escape(visible(text, limit), quote=True)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
