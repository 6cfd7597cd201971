"""On which line of a TOML file each key stands, which `tomllib` does not tell.

For texts that `tomllib` has accepted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*|\n|[\[\]{}=]|[^\s\[\]{}=\"'#]+|[ \t\r]+",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """Return the line of each table and key, from 1; elements of an array of tables are counted from 0."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, words in _statements(text):
        head = words.partition("=")[0].strip()
        if head.startswith("[["):
            table = _element(head[2:-2], counts)
        elif head.startswith("["):
            table = _numbered(_keys(head[1:-1]), counts)
        else:
            lines.setdefault(table + _keys(head), line)
            continue
        lines.setdefault(table, line)
    return lines


def line_at(lines: dict[Path, int], path: Path) -> int | None:
    """Return the line of a key, or else of the nearest table around it; None where there is none.

    The line of an array of tables is that of the first of them.
    """
    around = (path[:size] for size in range(len(path), 0, -1))
    return next((lines[each] for each in (path, (*path, 0), *around) if each in lines), None)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement up to its value, and the line on which it begins."""
    line = begin = 1
    depth, words = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n" and depth == 0:
            if words.strip():
                yield begin, words
            words = ""
        elif not token.startswith("#"):
            if not words.strip():
                begin = line
            depth += (token in ("[", "{")) - (token in ("]", "}"))
            words += "" if "=" in words and not words.startswith("[") else token
        line += token.count("\n")
    if words.strip():
        yield begin, words


def _element(head: str, counts: dict[Path, int]) -> Path:
    array = _numbered(_keys(head), counts, last=False)
    counts[array] = counts.get(array, -1) + 1
    return (*array, counts[array])


def _numbered(keys: Path, counts: dict[Path, int], *, last: bool = True) -> Path:
    """Enter the number of the newest element behind each key that names an array of tables."""
    path: Path = ()
    for place, key in enumerate(keys, 1):
        path += (key,)
        if path in counts and (last or place < len(keys)):
            path += (counts[path],)
    return path


def _keys(head: str) -> Path:
    """Return the parts of a key, as `tomllib` reads it: it may be dotted and quoted."""
    found: Any = tomllib.loads(f"{head.strip()} = 0")
    path: Path = ()
    while isinstance(found, dict):
        [key] = found
        path, found = (*path, key), found[key]
    return path
