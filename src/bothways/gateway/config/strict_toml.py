"""A TOML file read strictly: every key is known and of its type, or it is told where it stands and what to do."""

from __future__ import annotations

import codecs
import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.gateway.config.toml_lines import Path, line_at, lines_of
from bothways.trust import files

T = TypeVar("T")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

MOST_BYTES = 1024 * 1024
_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "a table",
}


def toml_text(path: files.FilePath) -> str:
    """Return the text of a file. Raises ConfigError."""
    content = files.content(path, waits=False, most=MOST_BYTES)
    if content.startswith(codecs.BOM_UTF8):
        raise ConfigError(f"{path}: begins with a byte order mark (BOM); save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; TOML is written in UTF-8") from None


def parsed_toml(path: files.FilePath, text: str) -> Table:
    """Read the text of the file at `path`. Raises ConfigError."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return Table(str(path), _Lines(text), content, ())


class _Lines:
    """The lines of a text, which are found only when there is something to tell of one."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def of_keys(self) -> dict[Path, int]:
        """The line of each table and key."""
        return lines_of(self._text.replace("\r\n", "\n"))


ALIKE = 0.8  # of 1: so alike are two keys of which one is a slip of the other


class Table:
    """One table of the file. Each key is taken once by a method that says what it has to be; `end` refuses the rest."""

    def __init__(self, file: str, lines: _Lines, content: dict[str, Any], path: Path) -> None:
        self.file = file
        self._lines = lines
        self._content = dict(content)
        self._path = path
        self._known: list[str] = []

    def refuse(self, problem: str, key: str | None = None) -> NoReturn:
        """Raise ConfigError for a key of this table, or for the table."""
        path = self._path if key is None else (*self._path, key)
        line = line_at(self._lines.of_keys, path)
        where = self.file if line is None else f"{self.file}, line {line}"
        name = _spelled(path)
        raise ConfigError(f"{where}: {name}: {problem}" if name else f"{where}: {problem}")

    @property
    def name(self) -> str:
        """What it is called between brackets: `route` for each of [[route]]."""
        return self._name_of()

    def _name_of(self, *keys: str) -> str:
        return _spelled(tuple(each for each in (*self._path, *keys) if isinstance(each, str)))

    def has(self, key: str) -> bool:
        """Whether a key that was not taken yet is there."""
        return key in self._content

    def peek(self, key: str) -> object:
        """Return what is there, without taking it."""
        return self._content.get(key)

    def text(self, key: str, default: str | None = None) -> str | None:
        """Take a text that is not empty."""
        value = self._take(key, str)
        if value == "":
            self.refuse("is empty; expected a text", key)
        if value is not None and "\0" in value:
            self.refuse("has a NUL character, which no name or path has", key)
        return default if value is None else str(value)

    def required(self, key: str, why: str) -> str:
        """Take a text that has to be there."""
        value = self.text(key)
        if value is None:
            self.missing(key, f": {why}")
        return value

    def missing(self, key: str, why: str) -> NoReturn:
        """Refuse the table, in which a key is missing; or a slip of that one."""
        self.refuse_slip(key)
        self.refuse(f"`{key}` is missing{why}")

    def refuse_slip(self, key: str) -> None:
        """Refuse a key that is not taken, and written almost like this one, which is missing."""
        near = difflib.get_close_matches(key, self._content, 1, cutoff=ALIKE)
        if near:
            self.refuse(f"is not known; did you mean `{key}`?", near[0])

    def texts(self, key: str, *, numbers: bool = False) -> tuple[str, ...] | None:
        """Take one text or an array of texts; None where there is none. numbers: whole numbers are texts, too."""
        value = self._take(key, str, list, *((int,) if numbers else ()))
        if value is None:
            return None
        several = value if isinstance(value, list) else [value]
        if numbers:
            several = [str(each) if type(each) is int else each for each in several]
        for each in several:
            if each == "":
                self.refuse("has an empty text; expected texts that are not empty", key)
            if not isinstance(each, str) or "\0" in each:
                self.refuse(f"expected texts, not {shown(each)}", key)
        if not several:
            self.refuse("is an empty array; name at least one, or leave the key out", key)
        return tuple(several)

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """Take a whole number within limits."""
        value = self._take(key, int)
        if value is not None and not least <= value <= most:
            self.refuse(f"{shown(value)} is out of range; expected {least} to {most}", key)
        return default if value is None else int(value)

    def seconds(self, key: str, default: float, most: float = 7 * 86400.0) -> float:
        """Take a duration above zero, in seconds."""
        value = self._take(key, float, int)
        if value is not None and not 0 < value <= most:
            self.refuse(f"{shown(value)} is out of range; expected seconds above 0, at most {most:g}", key)
        return default if value is None else float(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take true or false."""
        value = self._take(key, bool)
        return default if value is None else bool(value)

    def choice(self, key: str, default: str, options: Sequence[str]) -> str:
        """Take one of several words."""
        value = self.text(key, default) or default
        if value not in options:
            self.refuse(f"{shown(value)} is none of {', '.join(options)}", key)
        return value

    def made(self, key: str, make: Callable[[], T]) -> T:
        """Return what is made of a key that was taken; a ConfigError names the key, once."""
        try:
            return make()
        except ConfigError as error:
            self.refuse(str(error).removeprefix(f"{key}: "), key)

    def table(self, key: str) -> Table | None:
        """Take a table; None where there is none."""
        value = self._take(key, dict)
        return None if value is None else self._inner(value, key)

    def tables(self, key: str) -> list[Table]:
        """Take an array of tables; empty where there is none."""
        if isinstance(self._content.get(key), dict):
            self.refuse(f"there may be several: write [[{self._name_of(key)}]]", key)
        value = self._take(key, list)
        for place, each in enumerate(value or ()):
            if not isinstance(each, dict):
                self.refuse(f"expected tables, written [[{self._name_of(key)}]]", key)
            if not each:
                self._inner(each, key, place).refuse("is empty")
        return [self._inner(each, key, place) for place, each in enumerate(value or ())]

    def end(self) -> None:
        """Refuse keys that nobody has taken."""
        self.only(self._known)

    def only(self, known: Iterable[str]) -> None:
        """Refuse keys that are not among these."""
        names = sorted(set(known))
        for key in self._content:
            if key not in names:
                near = difflib.get_close_matches(key.lower().replace("-", "_"), names, 1)
                meant = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(names)}"
                self.refuse(f"is not known; {meant}", key)

    def one_of(self, *keys: str) -> None:
        """Refuse the table if it has more than one of these keys, which are not taken yet."""
        given = [each for each in keys if each in self._content]
        if len(given) > 1:
            self.refuse(f"stands beside `{given[0]}`; name one of the two", given[1])

    def _inner(self, content: dict[str, Any], *path: str | int) -> Table:
        return Table(self.file, self._lines, content, (*self._path, *path))

    def _take(self, key: str, *kinds: type) -> Any:
        self._known.append(key)
        value = self._content.pop(key, None)
        if value is not None and type(value) not in kinds:
            named = (kinds[0],) if kinds[0] is float else kinds[:2]  # a whole number is a number
            expected = " or ".join(_KINDS[each] for each in named)
            self.refuse(f"expected {expected}, not {_KINDS.get(type(value), type(value).__name__)}", key)
        return value


def _spelled(path: Path) -> str:
    """Write a path as people count: the first of an array is 1. Keys that are not bare are quoted."""
    words = ""
    for each in path:
        if isinstance(each, int):
            words += f"[{each + 1}]"
        else:
            key = each if _BARE_KEY.fullmatch(each) else json.dumps(each[:64])
            words += f".{key}" if words else key
    return words
