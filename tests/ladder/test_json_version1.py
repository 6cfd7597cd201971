"""Ladders of version 1, as users have them in files: they can be read, and show the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bothways.describe.documents import Unreadable
from bothways.ladder.html import as_page
from bothways.ladder.json_form import as_json, from_json, from_page
from bothways.ladder.model import headline
from bothways.ladder.svg import as_svg

FILES = Path(__file__).parent / "version1"
HEADLINES = {
    "mutual": "A mutual handshake",
    "client-alone": "A mutual handshake",
    "refused-anonymous-client": "A handshake that failed at step 3.1",
    "refused-name": "A handshake that failed at step 2.3a",
    "altered-hello": "A handshake that failed at step 1.2",
}


def read(name: str) -> str:
    return (FILES / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HEADLINES)
def test_a_file_of_version_1_opens_as_one_of_version_2(name: str) -> None:
    """What version 1 wrote is written again as version 2, and that reads as the same ladder."""
    old, ladder = json.loads(read(name)), from_json(read(name))
    assert headline(ladder) == HEADLINES[name]
    assert (old["version"], ladder.version) == (1, 2)
    assert len(old["rungs"]) == len(ladder.events) > 0
    assert [each["standing"] for each in old["steps"]] == [each.status for each in ladder.steps]
    assert [each["place"] for each in old["certificates"]] == [each.depth for each in ladder.certificates]
    causes = [(each["cause"], each["whose"]) for failure in old["failures"] for each in failure["causes"]]
    assert causes == [(each.code, each.party) for failure in ladder.failures for each in failure.causes]
    assert from_json(as_json(ladder)) == ladder
    assert as_svg(ladder) and as_page(ladder)


def test_a_page_of_version_1_opens() -> None:
    """The page carries the JSON form of its time."""
    page = (FILES / "refused-name.html").read_text(encoding="utf-8")
    assert from_page(page) == from_json(read("refused-name"))


def place(value: Any, path: tuple[str | int, ...]) -> Any:
    for each in path:
        value = value[each]
    return value


@pytest.mark.parametrize(
    ("path", "key", "value", "problem"),
    [
        ((), "events", [], 'recorded handshake has "events", which version 1 does not have'),
        (("steps", 0), "status", "done", 'steps[0] has "status", which version 1 does not have'),
        (("steps", 0), "name", "client_hello", 'steps[0] has "name", which version 1 does not have'),
        (("steps", 0), "id", "9.9", "steps[0].id: expected the id of a step"),
        (("steps", 0), "id", ["1.1"], "steps[0].id: expected the id of a step"),
        (("certificates", 0), "depth", 0, 'certificates[0] has "depth", which version 1 does not have'),
        (
            ("failures", 0, "causes", 0),
            "code",
            "EXPIRED",
            'causes[0] has "code", which version 1 does not have',
        ),
        (("failures", 0), "causes", "none", "failures[0].causes: expected a list"),
        ((), "steps", None, "steps: expected a list"),
        ((), "failures", [7], "failures[0]: expected an object"),
    ],
)
def test_an_invalid_ladder_of_version_1_is_refused_with_the_position(path, key, value, problem) -> None:
    """Version 2's names are not known in version 1; all else is refused as in version 2."""
    whole = json.loads(read("refused-name"))
    place(whole, path)[key] = value
    with pytest.raises(Unreadable) as refused:
        from_json(json.dumps(whole))
    assert problem in str(refused.value)
