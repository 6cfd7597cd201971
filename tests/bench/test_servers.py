"""The table and the picture of servers are written from their figures, where the page has its place for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

from bench.bars import draw
from bench.beside import OURS, Program
from bench.servers import BEGIN, END, PAGE, SERVE, panels, table

PROGRAMS = [
    (f"bothways.aio & friends, {OURS}", OURS, {"full": [2.0, 1.5, 1.75], "requests": [60.0], "idle": [27.4]}),
    (SERVE, OURS, {"full": [3.0, 2.5, 2.75]}),
    ("nginx", "nginx/1.0", {"full": [1.8, 1.9, 12.0], "requests": [45.2], "idle": [50.0]}),
]


def programs() -> list[Program]:
    nothing = cast(Any, SimpleNamespace())
    return [Program(name, version, nothing, 0, figures) for name, version, figures in PROGRAMS]


def test_a_row_of_the_table_has_median_spread_and_version():
    lines = table(programs()).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1] == "| nginx | 1.9 (1.8 to 12.0) |  | 45.2 | 50.0 | nginx/1.0 |"
    assert "1.75 (1.50 to 2.00)" in lines[2]


def test_a_server_without_a_figure_has_an_empty_cell():
    assert table(programs()).splitlines()[3] == f"| {SERVE} | 2.75 (2.50 to 3.00) |  |  |  | {OURS} |"


def test_the_picture_has_a_bar_for_each_figure_and_shows_which_are_ours():
    shown = [each for each in panels(programs()) if each.bars]
    drawn = ElementTree.fromstring(draw("Servers", shown))
    kinds = [each.get("class") for each in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert (kinds.count("ours"), kinds.count("bar")) == (4, 3)


def test_the_page_has_one_place_for_the_table():
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)
