"""What a file may not say, and how that is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bothways import ConfigError
from bothways.gateway.config import strict_toml
from bothways.gateway.config.strict_toml import MOST_BYTES, Table, parsed_toml, toml_text

TAKES: list[tuple[str, Callable[[Table], Any], str]] = [
    ("a = 5", lambda t: t.text("a"), "line 1: a: expected a text, not a whole number"),
    ("a = ''", lambda t: t.text("a"), "line 1: a: is empty; expected a text"),
    ("b = 1", lambda t: t.required("a", "the name"), "`a` is missing: the name"),
    ("back-end = 1", lambda t: t.required("backend", "x"), "line 1: back-end: is not known; did you mean `backend`?"),
    ("a = []", lambda t: t.texts("a"), "line 1: a: is an empty array"),
    ("\na = ['x', 1]", lambda t: t.texts("a"), "line 2: a: expected texts, not 1"),
    ("a = ['x', '']", lambda t: t.texts("a"), "a: has an empty text"),
    ("a = ['x', 1.5]", lambda t: t.texts("a", numbers=True), "a: expected texts, not 1.5"),
    ("a = true", lambda t: t.texts("a", numbers=True), "not true or false"),
    ("a = {b = 1}", lambda t: t.tables("a"), "line 1: a: there may be several: write [[a]]"),
    ("a = {}", lambda t: t.texts("a"), "expected a text or an array, not a table"),
    ("a = 9", lambda t: t.whole("a", 1, 1, 5), "9 is out of range; expected 1 to 5"),
    ("a = true", lambda t: t.whole("a", 1, 1, 5), "expected a whole number, not true or false"),
    ("a = 1.5", lambda t: t.whole("a", 1, 1, 5), "expected a whole number, not a number"),
    ("a = 0", lambda t: t.seconds("a", 1.0), "0 is out of range; expected seconds above 0"),
    ("a = nan", lambda t: t.seconds("a", 1.0), "nan is out of range"),
    ("a = inf", lambda t: t.seconds("a", 1.0), "inf is out of range"),
    (f"a = 1{'0' * 400}", lambda t: t.seconds("a", 1.0), "is out of range; expected seconds above 0"),
    (f"a = 1{'0' * 5000}", lambda t: t.seconds("a", 1.0), "not TOML"),
    ('a = "x\\u0000"', lambda t: t.text("a"), "has a NUL character"),
    ('a = ["x\\u0000"]', lambda t: t.texts("a"), "expected texts"),
    ("a = 'soon'", lambda t: t.seconds("a", 1.0), "expected a number, not a text"),
    ("a = 1", lambda t: t.flag("a"), "expected true or false, not a whole number"),
    ("a = 'c'", lambda t: t.choice("a", "x", ("x", "y")), "c is none of x, y"),
    ("a = 1979-05-27", lambda t: t.text("a"), "expected a text, not date"),
    ("a = [1]", lambda t: t.tables("a"), "expected tables, written [[a]]"),
    ("a = 1", lambda t: t.table("a"), "expected a table, not a whole number"),
    ("[a]\nknow = 1", lambda t: _inner(t), "line 2: a.know: is not known; did you mean `known`?"),
    ("[a]\nx = 1", lambda t: _inner(t), "a.x: is not known; known here: known, other"),
    ("[[b]]\nx = 1\n[[b]]\ny = 1", lambda t: [_x(each) for each in t.tables("b")], "line 4: b[2].y: is not known"),
]  # fmt: skip


def read_toml(path: Path) -> Table:
    return parsed_toml(path, toml_text(path))


def _x(table: Table) -> None:
    table.whole("x", 1, 1, 9)
    table.end()


def _inner(table: Table) -> None:
    inner = table.table("a")
    assert inner is not None
    inner.text("known")
    inner.text("other")
    inner.end()


@pytest.mark.parametrize(("text", "take", "problem"), TAKES)
def test_an_invalid_value_is_refused_with_its_line_and_what_was_expected(
    tmp_path: Path, text: str, take: Callable[[Table], Any], problem: str
) -> None:
    path = tmp_path / "f.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        take(read_toml(path))
    assert str(refused.value).startswith(str(path))
    assert problem in str(refused.value)


def test_lines_are_looked_for_only_where_there_is_something_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes longer than reading the whole file."""
    texts: list[str] = []
    original = strict_toml.lines_of
    monkeypatch.setattr(strict_toml, "lines_of", lambda text: texts.append(text) or original(text))
    table = parsed_toml("a.toml", "a = 'x'\n[[b]]\nc = 1\r\n[[b]]\nc = 2")
    assert table.text("a") == "x"
    tables = table.tables("b")
    assert [each.whole("c", 1, 1, 5) for each in tables] == [1, 2] and texts == []
    for each, line in zip(tables, (3, 5), strict=True):
        with pytest.raises(ConfigError, match=f"a.toml, line {line}: "):
            each.refuse("is wrong", "c")
    assert texts == ["a = 'x'\n[[b]]\nc = 1\n[[b]]\nc = 2"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a = ", "not TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2\n", "not TOML: Cannot overwrite a value (at line 2"),
        (b"a = '\xff'", "not UTF-8 at byte 5"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"#" * (MOST_BYTES + 1), "larger than"),
    ],
)
def test_invalid_toml_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_toml(path)
    assert problem in str(refused.value)


def test_values_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("a = 'x'\nb = ['y', 'z']\nc = 3\nd = 2\ne = true\nf = 'on'\n[g]\nh = 1\n")
    table = read_toml(path)
    assert table.peek("a") == "x"
    assert (table.text("a"), table.texts("b"), table.whole("c", 1, 1, 5)) == ("x", ("y", "z"), 3)
    assert (table.seconds("d", 1.0), table.flag("e"), table.choice("f", "off", ("on", "off"))) == (
        2.0,
        True,
        "on",
    )
    inner = table.table("g")
    assert inner is not None
    assert inner.has("h")
    assert (table.text("missing"), table.texts("no"), table.tables("none"), table.table("nix")) == (
        None,
        None,
        [],
        None,
    )
    assert (table.whole("w", 7, 1, 9), table.seconds("s", 1.5), table.flag("x")) == (7, 1.5, False)
    table.end()


def test_an_error_about_a_value_names_its_key(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("a = 'x'")
    table = read_toml(path)

    def fail() -> None:
        raise ConfigError("it is no y")

    with pytest.raises(ConfigError, match="line 1: a: it is no y"):
        table.made("a", fail)


def test_keys_that_are_no_words_are_reported_escaped(tmp_path: Path) -> None:
    """They could move a terminal's cursor, or look like another key."""
    path = tmp_path / "f.toml"
    for key, words in (
        (r'"\u001b[2Jx"', r'line 1: "\u001b[2Jx": is not known'),
        ('"a.b"', 'line 1: "a.b": is not known'),
        (r'"\u202e"', r'line 1: "\u202e": is not known'),
        ("a-b_1", "line 1: a-b_1: is not known"),
    ):
        path.write_text(f"{key} = 1")
        with pytest.raises(ConfigError) as refused:
            read_toml(path).end()
        assert words in str(refused.value)
        assert str(refused.value).isprintable()
