"""The description of one document: its kind, a title, and rows of name and text, limited in number and length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bothways.describe.escape import visible

Facts = list[tuple[str, str]]

ITEMS_SHOWN = 100
ROWS_SHOWN = 400
_WIDTH = 100


class Unreadable(ValueError):
    """The bytes are none of the supported documents. `hint` is a command that converts them, if there is one.

    known: whether the error says what they are.  void: whether there is no document in them, as in an empty file.
    """

    def __init__(self, text: str, hint: str = "", *, known: bool = True, void: bool = False) -> None:
        super().__init__(text)
        self.hint = hint
        self.known = known
        self.void = void


@dataclass(frozen=True, slots=True)
class Document:
    """The description of one document. `key_id` is the SHA-256 digest of its public key.

    facts: rows of name and text; a row with an empty name continues the one above.  damaged: why it cannot be decoded
    at all, else empty.  hint: what to do about that.
    """

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    key_id: str | None = None
    damaged: str = ""
    hint: str = ""


def damaged(kind: str, error: Exception | str) -> Document:
    """Return the description of a document that cannot be decoded, with the reason."""
    hint = error.hint if isinstance(error, Unreadable) else ""
    problem = visible(str(error))
    return Document(kind, "cannot be read", (("problem", problem),), damaged=problem, hint=hint)


def bounded(facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the first `ROWS_SHOWN` rows, and the number of the others."""
    if len(facts) <= ROWS_SHOWN:
        return tuple(facts)
    return (*facts[:ROWS_SHOWN], ("", f"and {len(facts) - ROWS_SHOWN:,} more lines"))


def first_of(items: Sequence[str], limit: int = ITEMS_SHOWN) -> list[str]:
    """Return the first items; the last one is the number of the others."""
    more = len(items) - limit
    return list(items) if more <= 0 else [*items[:limit], f"and {more:,} more"]


def rows(name: str, items: Iterable[str]) -> Facts:
    """Return a row for each item; only the first one has the name."""
    return [(name if place == 0 else "", each) for place, each in enumerate(items)]


def wrapped(name: str, items: Iterable[str]) -> Facts:
    """Return a row for each item; a long one is wrapped to several rows at its semicolons."""
    return rows(name, (part for each in items for part in _parts(each)))


def _parts(item: str) -> Iterator[str]:
    if len(item) <= _WIDTH:
        yield item
        return
    start, *rest = item.split("; ")
    yield start + (";" if rest else "")
    yield from (f"  {part};" for part in rest[:-1])
    yield from (f"  {part}" for part in rest[-1:])


def packed(name: str, items: Sequence[str]) -> Facts:
    """Return items separated by commas, in as few rows as the width allows; only the first one has the name."""
    lines: list[str] = []
    for place, each in enumerate(items):
        text = each + ("," if place < len(items) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(text) <= _WIDTH:
            lines[-1] += " " + text
        else:
            lines.append(text)
    return rows(name, lines)
