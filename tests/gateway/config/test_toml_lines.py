"""On which line a key stands."""

from __future__ import annotations

import pytest

from bothways.gateway.config.toml_lines import line_at, lines_of

TEXT = '''# a comment with [brackets] = and "quotes"
title = "[not a table]"
"quoted.key" = [
  "a", # [x]
  "]",
]
[limits]
a.b = 1
text = """
[not.a.table]
key = 1
"""
other = 2

[[route]]
name = 'one'
[[route.allow]]
dns = "a"
[[route.allow]]
dns = "b"
[[route]]
allow = [{dns = "x"},
  {dns = "y"}]
[route.tls]
ca = "f"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("quoted.key",), 3),
        (("limits",), 7),
        (("limits", "a", "b"), 8),
        (("limits", "text"), 9),
        (("limits", "other"), 13),
        (("route", 0), 15),
        (("route", 0, "name"), 16),
        (("route", 0, "allow", 0), 17),
        (("route", 0, "allow", 1, "dns"), 20),
        (("route", 1), 21),
        (("route", 1, "allow"), 22),
        (("route", 1, "tls", "ca"), 25),
    ],
)
def test_a_reader_knows_the_line_of_each_key(path: tuple[str | int, ...], line: int) -> None:
    assert lines_of(TEXT)[path] == line


def test_a_value_without_a_line_of_its_own_has_that_of_its_table() -> None:
    lines = lines_of(TEXT)
    assert line_at(lines, ("route", 1, "allow", 1, "dns")) == 22
    assert line_at(lines, ("route", 0, "missing")) == 15
    assert line_at(lines, ("missing",)) is None
    assert lines_of("") == {}
    assert lines_of("a = 1") == {("a",): 1}
