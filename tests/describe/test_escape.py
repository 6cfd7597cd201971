"""A peer's text as it may be shown."""

from __future__ import annotations

import pytest

from bothways.describe.escape import markup, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("José of 東京", "José of 東京"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("back\\slash", "back\\slash"),
        ("x" * 300, "x" * 237 + "..."),
    ],
)
def test_text_contains_no_control_or_bidirectional_characters(text, shown):
    """Control, ANSI and bidi characters are shown escaped."""
    assert visible(text) == shown


def test_text_never_forms_markup():
    """A peer's text is text in a page too."""
    assert (
        markup("<b onclick='x' title=\"y\">&") == "&lt;b onclick=&#x27;x&#x27; title=&quot;y&quot;&gt;&amp;"
    )
    assert markup("<" * 500, 10) == "&lt;" * 7 + "..."
