"""Which form a file's suffix asks for."""

from __future__ import annotations

import identities
import pki
from bothways.ladder.formats import FORMS, form_of
from bothways.ladder.json_form import as_json, from_json
from bothways.ladder.layout import lay_out
from diagnosis.talks import talk
from explain_talks import ladder_of
from pair import NOON


def test_the_suffix_selects_the_format():
    """Also in capitals; what says none has none."""
    assert list(FORMS) == [".html", ".svg", ".json", ".txt"]
    assert form_of("a/b/handshake.HTML") is FORMS[".html"]
    for name in ("handshake", "handshake.pdf", ".html", ""):
        assert form_of(name) is None


def test_every_format_shows_the_same_handshake():
    """Each is a text that names what happened."""
    ladder = ladder_of("elsewhere.example")
    for form in FORMS.values():
        text = form(ladder)
        assert "2.3a" in text and "ClientHello" in text and "bad_certificate" in text


def test_every_format_shows_the_causes_of_a_failure():
    """What it is, why we think so, what to do, which command: as the side that failed sees it."""
    made = talk(name="elsewhere.example")
    ladder = lay_out([], [], NOON, client_error=made.pair.client_failure, client_causes=made.clients)
    (cause,) = ladder.failures[0].causes
    assert (cause.code, cause.party, cause.certain) == ("WRONG_NAME", "the peer's", True)
    for form in FORMS.values():
        text = " ".join(form(ladder).split())
        assert "the server&#x27;s certificate is for" in text or "the server's certificate is for" in text
        assert "connect with a name that it contains" in text
        assert "bothways connect localhost:8443 --ca CA --name NAME" in text
    assert from_json(as_json(ladder)) == ladder


def test_text_of_a_peer_forms_no_markup_in_causes():
    """A name of a CA that tries."""
    evil = identities.root("<script>alert(1)</script>\u202e")
    who = pki.leaf(evil, "Mallory", alternatives=(), usage=("clientAuth",), **identities.SPAN)
    made = talk(identities.client_config(who))
    ladder = lay_out([], [], NOON, server_error=made.pair.server_failure, server_causes=made.servers)
    assert "script" in ladder.failures[0].causes[0].text
    for form in FORMS.values():
        assert "\u202e" not in form(ladder)
    for form in (".html", ".svg"):
        assert "<script>alert" not in FORMS[form](ladder)
