"""The pictures that docs/ opens with are those that the same conversations give today, and the page shows all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bothways.ladder.svg import as_svg
from gallery.__main__ import FOLDER, structure
from gallery.plays import PLAYS, Play

DOCS = FOLDER.parent
PAGE = (DOCS / "README.md").read_text(encoding="utf-8")
REFUSED_AT = {"wrong-name": "2.3a", "unknown-ca": "3.3a", "altered": "1.2"}


@pytest.mark.parametrize(("name", "play"), PLAYS.items(), ids=PLAYS)
def test_a_picture_is_what_its_conversation_gives_today(name: str, play: Play):
    """All but times and sizes, which every run measures anew; `make gallery` draws it again."""
    ladder = play.ladder()
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert structure(kept) == structure(as_svg(ladder)), "make gallery, and look at it"
    assert next((each.step for each in ladder.failures), None) == REFUSED_AT.get(name)
    assert ladder.outcome == ("failed" if name in REFUSED_AT else "succeeded")


def test_the_page_shows_every_picture_with_its_title_and_leads_to_every_page():
    """Nothing in docs/ is found only by whoever knows its name."""
    shown = re.findall(r"^## (.+)\n[^#]*?!\[(.+)\]\(gallery/(.+)\.svg\)$", PAGE, re.MULTILINE)
    assert shown == [(play.title, play.title, name) for name, play in PLAYS.items()]
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(PLAYS)
    others = {path.name for path in FOLDER.iterdir() if path.suffix != ".svg"}
    assert others == {"gateway-status.png"}  # python -m gallery.status
    assert "](gallery/gateway-status.png)" in (Path(DOCS) / "running-a-gateway.md").read_text(
        encoding="utf-8"
    )
    linked = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", PAGE))
    assert linked == {path.name for path in Path(DOCS).glob("*.md")} - {"README.md"}
