"""The pictures of docs/design.md show what the sources import, and are those that are committed."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from architecture.picture import FOLDER, between_rooms, inside, needed, pictures

PAGE = (FOLDER.parent / "design.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_a_committed_picture_is_what_the_sources_give(name: str) -> None:
    """`make rooms` draws it again; look at it, and at what docs/design.md says of it."""
    assert (FOLDER / name).read_text(encoding="utf-8") == pictures()[name], "make rooms"


def test_every_picture_is_committed_and_shown() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(pictures())
    assert all(f"](design/{name})" in PAGE for name in pictures())


@pytest.mark.parametrize(
    ("name", "drawn_from"),
    [
        ("rooms.svg", between_rooms),
        ("engine.svg", lambda: inside("tls")),
        ("gateway.svg", lambda: inside("gateway")),
    ],
    ids=["rooms", "engine", "gateway"],
)
def test_a_picture_names_every_part_once_and_has_an_arrow_for_every_import_that_no_way_replaces(
    name: str, drawn_from: Callable[[], set[tuple[str, str]]]
) -> None:
    arrows = drawn_from()
    drawn = ElementTree.fromstring(pictures()[name])
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    lines = [each for each in drawn.iter("{http://www.w3.org/2000/svg}path") if each.get("class") == "line"]
    assert sorted(map(str, texts)) == sorted({part for arrow in arrows for part in arrow})
    assert len(lines) == len(needed(arrows))
    assert not re.search(r"nan|inf", pictures()[name])


def test_omitted_arrows_are_implied_by_the_remaining_ones() -> None:
    for arrows in (between_rooms(), inside("tls"), inside("gateway"), inside("trust")):
        assert _reached(set(needed(arrows))) == _reached(arrows)


def test_an_arrow_is_left_out_where_a_longer_way_leads_to_the_same_part() -> None:
    assert needed({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == [("a", "b"), ("a", "d"), ("b", "c")]


def _reached(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    while more := {(a, d) for a, b in arrows for c, d in arrows if b == c} - arrows:
        arrows = arrows | more
    return arrows


def test_the_page_says_what_each_package_is_for() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {name for arrow in between_rooms() for name in arrow} <= named
