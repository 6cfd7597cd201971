"""Which form a file's suffix asks for."""

from __future__ import annotations

from bothways.explain.forms import FORMS, form_of
from explain_talks import ladder_of


def test_the_suffix_says_the_form():
    """Also in capitals; what says none has none."""
    assert list(FORMS) == [".html", ".svg", ".json", ".txt"]
    assert form_of("a/b/handshake.HTML") is FORMS[".html"]
    for name in ("handshake", "handshake.pdf", ".html", ""):
        assert form_of(name) is None


def test_every_form_tells_the_same_handshake():
    """Each is a text that names what happened."""
    ladder = ladder_of("elsewhere.example")
    for form in FORMS.values():
        text = form(ladder)
        assert "2.3a" in text and "ClientHello" in text and "bad_certificate" in text
