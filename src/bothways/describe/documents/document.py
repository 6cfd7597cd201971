"""One document in words: its kind, a title, and facts as rows of a name and a text, bounded in number and length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bothways.describe.escape import visible

Facts = list[tuple[str, str]]

ITEMS_SHOWN = 100
ROWS_SHOWN = 400
_WIDTH = 100


class Unreadable(ValueError):
    """The bytes are none of the documents known here. `hint` says what turns them into one, if anything does.

    known: whether it is said what they are instead.
    """

    def __init__(self, text: str, hint: str = "", *, known: bool = True) -> None:
        super().__init__(text)
        self.hint = hint
        self.known = known


@dataclass(frozen=True, slots=True)
class Document:
    """One thing in words. `key_id` is the SHA-256 digest of its public key: equal ids belong together.

    facts: rows of a name and a text; a row whose name is empty goes on with the one above.
    damaged: why it cannot be read at all; empty for one that was read.  hint: what to do about that.
    """

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    key_id: str | None = None
    damaged: str = ""
    hint: str = ""


def damaged(kind: str, error: Exception | str) -> Document:
    """Return a document that cannot be read, with the reason."""
    hint = error.hint if isinstance(error, Unreadable) else ""
    problem = visible(str(error))
    return Document(kind, "cannot be read", (("problem", problem),), damaged=problem, hint=hint)


def bounded(facts: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return as many rows as a page bears, and how many are left out."""
    if len(facts) <= ROWS_SHOWN:
        return tuple(facts)
    return (*facts[:ROWS_SHOWN], ("", f"and {len(facts) - ROWS_SHOWN:,} more lines"))


def first_of(items: Sequence[str], limit: int = ITEMS_SHOWN) -> list[str]:
    """Return the first items, and the number of the rest as the last one."""
    more = len(items) - limit
    return list(items) if more <= 0 else [*items[:limit], f"and {more:,} more"]


def rows(name: str, items: Iterable[str]) -> Facts:
    """Return one row for each item, the first of them named."""
    return [(name if place == 0 else "", each) for place, each in enumerate(items)]


def broken(name: str, items: Iterable[str]) -> Facts:
    """Return a row for each item; one that is wider than a page goes on in rows of its own, at a semicolon."""
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
    """Return items in as few rows as their width allows, separated by commas; the first row is named."""
    lines: list[str] = []
    for place, each in enumerate(items):
        text = each + ("," if place < len(items) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(text) <= _WIDTH:
            lines[-1] += " " + text
        else:
            lines.append(text)
    return rows(name, lines)
