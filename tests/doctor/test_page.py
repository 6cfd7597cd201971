"""The page: escaping, policy, no outside, what a keyboard and a screen reader find."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import browser
from bothways.doctor.page import CLASSES, ISLAND, SIGNS, STYLE, WORDS, as_page
from bothways.doctor.report import Report, ReportRow, Section
from bothways.ladder.colours import DARK, LIGHT
from bothways.ladder.html_style import policy
from bothways.ladder.model import Card

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`--> \u202eevil\u2066 \x1b[2J\x00\r\n \u2028 <!-- ]]>"
LEVELS = ("good", "note", "warning", "problem", "unknown")
ROWS = tuple(
    ReportRow(f"a.{level}", level, f"about {level}", f"text {level}", "hint", "bothways show X")
    for level in LEVELS
)
REPORT = Report(
    "bothways-doctor", 1, "pay.example:443", "2026-06-01T12:00:00+00:00", "private", "failed", 29, 38, None, (),
    (Card("server", 0, "pay.example", (("subject", "CN=pay.example"),)),),
    (Section("server", "What it supports", ROWS),
     Section("outcome", "The handshake", (replace(ROWS[3], id="outcome"),))),
)  # fmt: skip
VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page taken apart, and whether its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self._open and self._open.pop() == tag

    def handle_data(self, data) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def poisoned(report: Report) -> Report:
    rows = tuple(
        replace(row, id=row.id + HOSTILE, subject=HOSTILE, text=HOSTILE, hint=HOSTILE, command=HOSTILE)
        for row in ROWS
    )
    card = Card("server", 0, HOSTILE, ((HOSTILE, HOSTILE),))
    sections = (
        Section("server", HOSTILE, rows),
        Section("outcome", HOSTILE, (replace(rows[3], id=HOSTILE),)),
    )
    return replace(report, examined=HOSTILE, sections=sections, certificates=(card,))


def test_every_finding_is_there_with_its_level_in_words():
    """Signs and colours are not the only indication."""
    page = Page(as_page(REPORT))
    for row in ROWS:
        assert f"{WORDS[row.level]}: {row.subject}" in page.text
        assert row.text in page.text
    assert set(SIGNS) == set(WORDS) == set(CLASSES) == set(LEVELS)
    marks = [each for each in page.all("span") if "mark" in each.get("class", "").split()]
    assert len(marks) == 6
    assert all(each["aria-hidden"] == "true" for each in marks)
    assert page.text.index("The handshake") < page.text.index("What it supports")


def test_problems_and_warnings_lead_from_the_top_to_their_place():
    """By links within the page."""
    page = Page(as_page(REPORT))
    targets = [each["href"].removeprefix("#") for each in page.all("a")]
    assert targets == ["findings", "a.problem", "outcome", "a.warning"]
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)
    clean = Page(as_page(replace(REPORT, outcome="succeeded", sections=(Section("server", "S", ROWS[:1]),))))
    assert "No problems, no warnings." in clean.text
    assert [each["class"] for each in clean.all("div") if "verdict" in each.get("class", "")] == ["verdict"]


def test_peer_text_forms_no_markup_and_nothing_points_outside():
    """Text nodes and quoted attributes alone."""
    clean, text = Page(as_page(REPORT)), as_page(poisoned(REPORT))
    hostile = Page(text)
    assert [(tag, sorted(attributes)) for tag, attributes in clean.found] == [
        (tag, sorted(attributes)) for tag, attributes in hostile.found
    ]
    for _, attributes in hostile.found:
        assert not {"src", "style", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert not any(each in hostile.text for each in "\u202e\u2066\x1b\x00\r\u2028")
    assert "<img src=x onerror=alert(1)>" in hostile.text
    assert not re.search(r"url\(|@import|https?:|//", STYLE)
    island = text.partition(ISLAND)[2].partition("</script>")[0]
    assert "<" not in island
    assert json.loads(island)["examined"] == HOSTILE
    assert text.count("<script") == 1


def test_the_policy_allows_its_style_sheet_and_nothing_else():
    """No script, no network."""
    page = Page(as_page(REPORT))
    assert {"http-equiv": "Content-Security-Policy", "content": policy(STYLE)} in page.all("meta")


def test_a_keyboard_a_screen_reader_a_phone_and_paper_have_all_of_it():
    """Regions have names, focus can be seen, and each room has its part of the style."""
    page = Page(as_page(REPORT))
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    assert all(each["aria-labelledby"] in ids for each in page.all("section"))
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("html") == [{"lang": "en"}]
    for part in (
        ":focus-visible",
        "@media (max-width:40rem)",
        "@media (prefers-color-scheme:dark)",
        "@media print",
    ):
        assert part in STYLE


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_pages_own_colours_can_be_read(scheme: dict[str, str]):
    """WCAG 2 1.4.3: text at least 4.5 to 1 on its background."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for text, ground in (
        ("plain", "card"),
        ("plain", "alarm"),
        ("failed", "alarm"),
        ("ink", "band"),
        ("soft", "card"),
    ):
        light, dark = sorted((luminance(scheme[text]), luminance(scheme[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.interop
def test_a_browser_shows_the_page_without_a_warning(tmp_path: Path):
    """Nothing is blocked, since nothing is asked for, whatever a peer wrote."""
    seen = browser.shown(as_page(poisoned(REPORT)), tmp_path)
    assert not seen.complains
    assert seen.dom.count('class="mark') == 6
    assert "<img" not in seen.dom.partition(ISLAND)[0]
