"""Rows of facts: how they are packed, and how many there are at most."""

from __future__ import annotations

from bothways.describe.documents.document import (
    Unreadable,
    bounded,
    damaged,
    first_of,
    packed,
    rows,
    wrapped,
)


def test_a_page_has_a_bounded_number_of_rows():
    """What is left out is counted."""
    many = [(str(number), "x") for number in range(1_500)]
    assert len(bounded(many)) == 401
    assert bounded(many)[-1] == ("", "and 1,100 more lines")
    assert bounded(many[:400]) == tuple(many[:400])


def test_items_beyond_the_limit_are_counted():
    """Of ten thousand names the others are counted."""
    items = [str(number) for number in range(10_000)]
    assert first_of(items)[-1] == "and 9,900 more"
    assert first_of(items[:100]) == items[:100]


def test_items_share_a_row_up_to_its_width():
    """The first row has the name, the others go on."""
    assert packed("names", ["a" * 60, "b" * 30, "c" * 60]) == [
        ("names", "a" * 60 + ", " + "b" * 30 + ","),
        ("", "c" * 60),
    ]
    assert rows("names", ["a", "b"]) == [("names", "a"), ("", "b")]


def test_a_wide_item_is_wrapped_to_several_rows():
    """A policy with its notices."""
    assert wrapped("policies", ["1.2.3", "a" * 90 + "; " + "b" * 20 + "; c", "d" * 200]) == [
        ("policies", "1.2.3"),
        ("", "a" * 90 + ";"),
        ("", "  " + "b" * 20 + ";"),
        ("", "  c"),
        ("", "d" * 200),
    ]


def test_a_damaged_document_says_why_and_what_to_do():
    """Its hint comes from the error."""
    document = damaged("certificate", Unreadable("it is torn", "mend it"))
    assert (document.title, document.damaged, document.hint) == ("cannot be read", "it is torn", "mend it")
    assert damaged("certificate", "torn").hint == ""
