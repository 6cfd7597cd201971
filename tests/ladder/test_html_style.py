"""What pages have in common: policy, island, cards."""

from __future__ import annotations

import base64
import hashlib
import json

from bothways.ladder.html_style import BASE, TEXT_LIMIT, card_parts, document, escaped, policy
from bothways.ladder.model import Card

ISLAND = '<script type="application/json" id="x">'


def test_a_policy_names_its_style_sheet_and_nothing_else():
    """By its digest, so that no other style applies."""
    digest = base64.b64encode(hashlib.sha256(b"p{}").digest()).decode()
    assert (
        policy("p{}")
        == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_embedded_json_cannot_end_its_element():
    """A peer's text may hold an end tag."""
    page = document("<t>", BASE, "<p>b</p>", ISLAND, json.dumps({"a": "</script><b>"}))
    island = page.partition(ISLAND)[2].partition("</script>")[0]
    assert json.loads(island) == {"a": "</script><b>"}
    assert "<title>&lt;t&gt;</title>" in page
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_cards_have_ids_and_name_their_sender():
    """Links lead to them."""
    cards = (Card("server", 0, "a<b", (("subject", "CN=a"),)), Card("server", 1, "c", ()))
    shown = "".join(card_parts(cards, "Certificates"))
    assert 'id="certificate-1"' in shown and 'id="certificate-2"' in shown
    assert "the server's own" in shown.replace("&#x27;", "'")
    assert "1 above its own" in shown
    assert "a&lt;b" in shown
    assert not list(card_parts((), "Certificates"))


def test_a_fact_over_several_rows_has_one_name():
    """A screen reader hears it once."""
    facts = (("names", "a,"), ("", "b"))
    shown = "".join(card_parts((Card("server", 0, "t", facts),), "Certificates"))
    assert "<dt>names</dt><dd>a,</dd><dd>b</dd>" in shown


def test_texts_are_escaped_and_cut():
    """Whatever their origin is."""
    assert escaped("<\x1b") == "&lt;\\x1b"
    assert len(escaped("a" * 9999)) == TEXT_LIMIT
