"""The scope of an ASGI application: the TLS extension of the ASGI specification, and who may."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.x509 import load_pem_x509_certificates

from bothways.http.asgi import RequirePeer, WithCaller, extensions_of, identity
from bothways.http.caller import Caller
from http_callers import peer


def run(app, scope) -> list[dict]:
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, None, send))
    return sent


async def greet(scope, receive, send):
    who = identity(scope)
    await send({"type": "greeting", "who": None if who is None else who.names.common_name})


def test_the_tls_extension_has_what_the_specification_asks_for(mutual):
    """ASGI specification, TLS extension 0.2."""
    caller = Caller(peer(mutual), "1.3", "TLS_AES_128_GCM_SHA256")
    reported = extensions_of(caller)["tls"]
    assert set(reported) == {
        "server_cert", "client_cert_chain", "client_cert_name", "client_cert_error", "tls_version", "cipher_suite",
    }  # fmt: skip
    chain = load_pem_x509_certificates("".join(reported["client_cert_chain"]).encode())
    assert tuple(chain) == caller.peer.path[:2]
    assert reported["client_cert_name"] == "CN=good client"
    assert (reported["client_cert_error"], reported["tls_version"], reported["cipher_suite"]) == (
        None,
        0x0304,
        0x1301,
    )
    anonymous = extensions_of(Caller(None, "1.2"))["tls"]
    assert (anonymous["client_cert_chain"], anonymous["client_cert_name"]) == ([], None)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_caller_replaces_whatever_the_scope_contained(mutual, kind):
    caller = peer(mutual)
    scope = {"type": kind, "extensions": {"bothways": {"peer": peer(mutual)}, "tls": {}, "http.push": {}}}
    assert run(WithCaller(greet, lambda: None), dict(scope)) == [{"type": "greeting", "who": None}]
    kept = dict(scope)
    run(WithCaller(greet, lambda: Caller(caller)), kept)
    assert identity(kept) is caller
    assert "http.push" in kept["extensions"]


def test_changes_of_a_scope_are_not_seen_by_other_requests(mutual):
    app = WithCaller(greet, lambda: Caller(peer_))
    peer_ = peer(mutual)
    first, second = {"type": "http"}, {"type": "http"}
    run(app, first)
    first["extensions"]["bothways"]["peer"] = None
    run(app, second)
    assert identity(second) is peer_


def test_another_scope_is_left_alone():
    scope = {"type": "lifespan"}
    run(WithCaller(greet, lambda: Caller(None)), scope)
    assert scope == {"type": "lifespan"}


@pytest.mark.parametrize(
    "extensions",
    [
        None,
        {},
        {"bothways": None},
        {"bothways": {}},
        {"bothways": {"peer": "admin"}},
        {"tls": {"client_cert_name": "CN=admin"}},
    ],
)
def test_only_our_server_sets_the_caller(extensions):
    assert identity({"type": "http", "extensions": extensions}) is None


def test_headers_do_not_set_the_caller(mutual):
    headers = [(b"ssl-client-cert", b"x"), (b"x-forwarded-client-cert", b"y"), (b"client-cert", b":AAAA:")]
    scope = {"type": "http", "headers": headers, "path": "/"}
    assert run(RequirePeer(WithCaller(greet, lambda: None)), scope)[0]["status"] == 403


def test_a_client_that_is_not_allowed_gets_status_403_or_a_refused_websocket(mutual):
    app = RequirePeer(greet, uri="spiffe://testing.example/other")
    scope = {"path": "/", "extensions": extensions_of(Caller(peer(mutual)))}
    start, body = run(app, {"type": "http", **scope})
    assert (start["status"], body["body"]) == (403, b"the client certificate does not allow this\n")
    (closed,) = run(app, {"type": "websocket", **scope})
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert run(app, {"type": "lifespan"}) == [{"type": "greeting", "who": None}]


def test_an_allowed_client_reaches_the_application(mutual):
    app = RequirePeer(greet, uri="spiffe://testing.example/*")
    scope = {"type": "http", "path": "/", "extensions": extensions_of(Caller(peer(mutual)))}
    assert run(app, scope) == [{"type": "greeting", "who": "good client"}]
