"""The page: structure, escaping, policy, no outside, what a keyboard and a screen reader find."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import browser
from bothways.describe.steps import PHASES, STEPS
from bothways.ladder.html import STYLE, as_page
from bothways.ladder.html_style import policy
from bothways.ladder.json_form import as_json, from_json
from bothways.ladder.layout import lay_out
from bothways.ladder.model import CheckMade, Ladder, Message, StepTaken
from explain_talks import ladder_of, recorded, swapped
from pair import NOON

POLICY = policy(STYLE)
VOID = {"meta", "br"}
ALLOWED = VOID | {
    *("html", "head", "title", "style", "body", "script", "header", "nav", "main", "section", "article"),
    *("h1", "h2", "h3", "p", "div", "span", "a", "b", "ul", "ol", "li", "dl", "dt", "dd", "code", "pre"),
    *("details", "summary", "table", "caption", "tbody", "tr", "th", "td"),
}
HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`--> \u202eevil\u2066 \x1b[2J\x00\r\n \u2028 <!-- ]]>"


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.texts)


def of_steps(value: Any, name: str) -> bool:
    """Whether a field holds ids of steps, or their names."""
    return (type(value), name) in {(Message, "steps"), (StepTaken, "name")}


def poisoned(value: Any, name: str = "") -> Any:
    """The same ladder with a hostile text wherever a peer or a file may put one."""
    if is_dataclass(value):
        kept = {"kind", "phase", "by", "keys", "arrival", "outcome", "status", "format", "recorded"}
        kept |= {"step", "side", "sides", "bytes", "id", "actor"}
        return replace(
            value,
            **{
                each.name: poisoned(getattr(value, each.name), each.name)
                for each in fields(value)
                if each.name not in kept and not of_steps(value, each.name)
            },
        )
    if isinstance(value, tuple):
        return tuple(poisoned(each, name) for each in value)
    return HOSTILE + name if isinstance(value, str) and value else value


@pytest.fixture(scope="module")
def refused() -> Ladder:
    return ladder_of("elsewhere.example")


LADDERS = {
    "mutual": {},
    "refused": {"name": "elsewhere.example"},
    "altered": {"to_client": swapped},
    "no certificate": {"who": False},
    "TLS 1.2": {"versions": ("1.2",)},
}


@pytest.mark.parametrize("options", LADDERS.values(), ids=LADDERS)
def test_the_page_shows_phases_steps_messages_and_cards(options):
    """Four bands, eighteen steps, one arrow for each message, one card for each certificate."""
    ladder = ladder_of(**options)
    page = Page(as_page(ladder))
    assert {tag for tag, _ in page.found} <= ALLOWED
    bands = [each for each in page.all("section") if each.get("class", "").startswith("band")]
    assert len(bands) == len(PHASES)
    assert {each["id"] for each in page.all("li") if "id" in each} == {f"step-{step}" for step in STEPS}
    arrows = [each["class"] for each in page.all("li") if "arrow" in each.get("class", "")]
    assert len(arrows) == sum(hasattr(each, "arrival") for each in ladder.events)
    assert len(page.all("article")) == len(ladder.certificates)
    for each in ladder.events:
        if isinstance(each, Message):
            assert each.name in page.text
            assert f"Fields of {each.name}" in page.text or not each.fields
    refusals = [each for each in page.all("li") if "refused" in each.get("class", "")]
    assert len(refusals) == sum(
        isinstance(each, CheckMade) and each.outcome == "failed" for each in ladder.events
    )


def test_a_failed_step_is_marked_and_explained(refused):
    """At the top and at its place: who says what, the rule, the alert, what to do."""
    page = Page(as_page(refused))
    fault, reported = refused.failures
    assert page.text.count(fault.text) == 2
    for words in (fault.rule, fault.alert, reported.text, reported.meaning):
        assert words in page.text
    assert "not reached" in page.text
    assert "A handshake that failed at step 2.3a" in page.text


def test_peer_text_forms_no_markup(refused):
    """Text nodes alone, wherever a peer or the author of a file may put a text."""
    clean, hostile = Page(as_page(refused)), Page(as_page(poisoned(refused)))

    def shape(page: Page) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in page.found]

    assert shape(clean) == shape(hostile)
    assert not any(name.startswith("on") for _, attributes in hostile.found for name in attributes)
    assert "<img src=x onerror=alert(1)>" in hostile.text
    shown = "".join(hostile.texts)
    for each in "\u202e\u2066\x1b\x00\r\u2028":
        assert each not in shown
    assert "\\u202eevil\\u2066 \\x1b[2J\\x00" in shown


def test_the_embedded_json_contains_no_markup_and_can_be_read_again(refused):
    """JSON in a page escapes `<`."""
    hostile = poisoned(refused)
    text = as_page(hostile)
    island = text.partition('id="handshake">')[2].partition("</script>")[0]
    assert "<" not in island and island.isascii()
    assert from_json(island) == hostile
    assert from_json(as_json(hostile)) == hostile
    assert text.count("<script") == 1


def test_the_policy_allows_one_style_sheet_and_nothing_else(refused):
    """No network, no script; the sheet is named by its digest."""
    text = as_page(refused)
    page = Page(text)
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.all("meta")
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in POLICY and "script-src" not in POLICY
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in POLICY
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert not any("style" in attributes for _, attributes in page.found)


def test_nothing_points_outside(refused):
    """No address, no source, no import: every link leads to an id of the page itself, which is there once."""
    for ladder in (refused, poisoned(refused)):
        page = Page(as_page(ladder))
        ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
        assert len(ids) == len(set(ids))
        for _, attributes in page.found:
            assert not {"src", "srcset", "action", "data", "poster", "ping", "background"} & attributes.keys()
            if "href" in attributes:
                assert attributes["href"].removeprefix("#") in ids
                assert attributes["href"].startswith("#")
    assert not re.search(r"url\(|@import|https?:|//", STYLE)


def test_the_page_works_with_a_keyboard_and_a_screen_reader(refused):
    """What opens is a <details>, regions and lists have names, signs have words, focus can be seen."""
    page = Page(as_page(refused))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert len(page.all("details")) == len(page.all("summary"))
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    for each in page.all("section"):
        assert each["aria-labelledby"] in ids
    assert all(each.get("aria-label") for each in page.all("nav"))
    for each in page.all("pre"):
        assert each["tabindex"] == "0" and each["role"] == "region" and each["aria-label"]
    assert all(each == {"scope": "row"} for each in page.all("th"))
    assert not [each for _, each in page.found if int(each.get("tabindex", "0")) > 0]
    signs = [each for each in page.all("span") if "mark" in each.get("class", "").split()]
    assert signs and all(each["aria-hidden"] == "true" for each in signs)
    assert "client to server, in the clear: " in page.text
    assert "refused" in page.text and "not checked: " in page.text
    assert ":focus-visible{outline:3px" in STYLE
    assert page.all("a")[0]["href"] == "#ladder"


def test_the_page_has_styles_for_phones_dark_mode_and_paper():
    """Its style has a part for each."""
    assert "@media (max-width:40rem)" in STYLE
    assert "@media (prefers-color-scheme:dark)" in STYLE
    assert "@media print" in STYLE and "break-inside:avoid" in STYLE
    assert "@media (forced-colors:active)" in STYLE
    assert '"width=device-width, initial-scale=1"' in as_page(ladder_of())


def test_withheld_bytes_and_a_missing_side_are_mentioned():
    """What is not there is not left out in silence."""
    _, ours, _ = recorded()
    alone = lay_out(ours.notes, [], NOON)
    withheld = tuple(
        replace(each, bytes=None) if isinstance(each, Message) else each for each in alone.events
    )
    page = Page(as_page(replace(alone, events=withheld)))
    assert "recorded by the client only" in page.text
    assert "Withheld: they contain a session ticket, with which a session could be resumed." in page.text
    assert not page.all("pre")
    nothing = Page(as_page(lay_out([], [], NOON, client_error=OSError("refused"))))
    assert "nothing was recorded" in nothing.text and "sent no certificate" in nothing.text


@pytest.mark.interop
def test_a_browser_shows_the_page_without_a_warning(tmp_path: Path, refused):
    """Nothing is blocked, since nothing is asked for; and something that is asked for would be seen."""
    for text, complaints in (
        (as_page(poisoned(refused)), False),
        (as_page(refused), False),
        (broken(refused), True),
    ):
        seen = browser.shown(text, tmp_path)
        assert seen.complains is complaints
        assert seen.dom.count('class="band') == len(PHASES)
        assert "<img" not in seen.dom or complaints


def broken(ladder: Ladder) -> str:
    """What the browser test would miss if it saw nothing."""
    return as_page(ladder).replace("<header>", '<header><img src="http://127.0.0.1:1/">')
