"""The SVG: well formed, within its frame, escaping, nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bothways.describe.steps import PHASES
from bothways.ladder.model import AlertSent, CheckMade, Message
from bothways.ladder.svg import LEFT, RIGHT, WIDTH, as_svg
from explain_talks import ladder_of, swapped

SPACE = "{http://www.w3.org/2000/svg}"
KNOWN = {"svg", "title", "style", "rect", "path", "text", "tspan", "circle"}
HOSTILE = "</text><script>alert(1)</script>&\"' \u202eevil \x1b[2J\x00"


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def texts(root: ElementTree.Element) -> str:
    return "\n".join("".join(each.itertext()) for each in root.iter(f"{SPACE}text"))


@pytest.mark.parametrize(
    "options",
    [{}, {"name": "elsewhere.example"}, {"to_client": swapped}, {"who": False}, {"versions": ("1.2",)}],
)
def test_the_picture_contains_every_event_in_order_within_its_frame(options):
    """Arrows go down the page; each has its name, each check its id."""
    ladder = ladder_of(**options)
    root = parsed(as_svg(ladder))
    assert {each.tag.removeprefix(SPACE) for each in root.iter()} <= KNOWN
    assert root.get("role") == "img" and root.get("aria-label")
    height = float(root.get("height"))
    heights = [float(each.get("y")) for each in root.iter(f"{SPACE}text")]
    assert max(heights) < height
    shafts = [each.get("d") for each in root.iter(f"{SPACE}path") if "shaft" in each.get("class", "")]
    assert (
        len([each for each in shafts if " 30H" in each or " 28H" in each or " 32H" in each]) == 4
    )  # the legend
    shafts = shafts[4:]
    rows = [float(re.match(r"M\d+ ([\d.]+)H", each).group(1)) for each in shafts]
    assert rows == sorted(rows) and rows[-1] < height
    assert {re.match(r"M(\d+)", each).group(1) for each in shafts} == {str(LEFT), str(RIGHT)}
    seen = texts(root)
    places = [seen.find(each.name) for each in ladder.events if isinstance(each, Message)]
    assert -1 not in places
    for each in ladder.events:
        if isinstance(each, AlertSent):
            assert f"alert {each.name}" in seen
        if isinstance(each, CheckMade) and each.outcome != "failed":
            assert f"{each.step} · " in seen
    for phase in {each.phase for each in ladder.events}:
        assert f"{phase} · {PHASES[phase]}" in seen


def test_a_failed_step_is_marked():
    """In its frame: who says what, the rule, what to do; and what the other end did not see ends in a cross."""
    ladder = ladder_of("elsewhere.example")
    svg = as_svg(ladder)
    assert svg.count('class="alarm"') == 2
    said = " ".join(texts(parsed(svg)).split())
    assert "The client reports: " in said and f"rule {ladder.failures[0].rule}" in said
    assert "✗" in said
    assert "not seen by the client" in texts(parsed(as_svg(ladder_of(to_client=swapped))))


def test_peer_text_forms_no_markup_and_nothing_points_outside():
    """Wherever a peer may put a text."""
    ladder = ladder_of("elsewhere.example")
    cards = tuple(replace(each, title=HOSTILE) for each in ladder.certificates)
    failures = tuple(replace(each, text=HOSTILE, hint=HOSTILE, also=(HOSTILE,)) for each in ladder.failures)
    events = tuple(
        replace(each, name=HOSTILE, summary=HOSTILE) if isinstance(each, Message)
        else replace(each, text=HOSTILE) if isinstance(each, CheckMade)
        else each
        for each in ladder.events
    )  # fmt: skip
    text = as_svg(replace(ladder, certificates=cards, failures=failures, events=events, tls=HOSTILE))
    root = parsed(text)
    assert {each.tag.removeprefix(SPACE) for each in root.iter()} <= KNOWN
    assert "<script>" in texts(root)
    assert not any(each in text for each in "\u202e\x1b\x00")
    for each in root.iter():
        assert not {"href", "src"} & {name.rpartition("}")[2] for name in each.attrib}
        assert not any(name.startswith("on") for name in each.attrib)
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in text and "@import" not in text


def test_long_texts_are_cut_and_stay_in_the_frame():
    """A line holds what there is room for."""
    ladder = ladder_of()
    events = tuple(
        replace(each, text="many words " * 99) if isinstance(each, CheckMade) else each
        for each in ladder.events
    )
    root = parsed(as_svg(replace(ladder, events=events)))
    lines = texts(root).splitlines()
    assert max(map(len, lines)) < WIDTH / 7
    assert any(line.endswith("…") for line in lines)
