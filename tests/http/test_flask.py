"""Flask's extension and decorator."""

from __future__ import annotations

from types import SimpleNamespace

import flask
import pytest

from bothways.http.flask import PeerExtension, peer, require
from http_callers import peer as peer_of


@pytest.fixture
def app():
    made = flask.Flask(__name__)

    @made.get("/who")
    def who():
        caller = peer()
        return "nobody" if caller is None else caller.names.common_name

    @made.get("/guarded/<int:number>")
    @require(uri="spiffe://testing.example/client")
    def guarded(number):
        return f"in {number}"

    PeerExtension(made)
    return made


def ask(app, target, caller):
    environ = {} if caller is None else {"werkzeug.socket": SimpleNamespace(peer=caller)}
    headers = {"SSL-Client-Verify": "SUCCESS", "Client-Cert": ":AAAA:"}
    answer = app.test_client().get(target, environ_overrides=environ, headers=headers)
    return answer.status_code, answer.text


def test_a_request_knows_who_sent_it(mutual, app):
    assert ask(app, "/who", peer_of(mutual)) == (200, "good client")
    assert ask(app, "/who", None) == (200, "nobody")


def test_a_view_accepts_only_clients_that_match_its_rule(mutual, app):
    assert ask(app, "/guarded/7", peer_of(mutual)) == (200, "in 7")
    assert ask(app, "/guarded/7", peer_of(mutual, mutual.identity("client", "wrong_name")))[0] == 403
    assert ask(app, "/guarded/7", None)[0] == 403


def test_an_application_without_the_extension_has_no_peer(mutual):
    bare = flask.Flask(__name__)
    bare.add_url_rule("/guarded", view_func=require()(lambda: "in"))
    assert ask(bare, "/guarded", peer_of(mutual))[0] == 403
