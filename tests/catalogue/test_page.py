"""docs/failures.md says what the catalogue says."""

from __future__ import annotations

from catalogue.__main__ import PATH
from catalogue.page import page
from catalogue.rows import CATALOGUE


def test_the_page_is_made_of_the_catalogue_as_it_is() -> None:
    """`make failures` writes it."""
    assert PATH.read_text(encoding="utf-8") == page()


def test_every_failure_stands_on_the_page_with_the_command_that_produces_it() -> None:
    text = page()
    for row in CATALOGUE:
        assert row.cause.name in text
        assert row.program == "nobody" or f"`{row.command}`" in text
    assert "{" not in text.partition("## The catalogue")[2]
