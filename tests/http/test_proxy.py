"""RFC 9440: headers of a proxy that is named count, judged by ourselves; those of everybody else name nobody."""

from __future__ import annotations

import asyncio
import base64

import pytest

from bothways import ConfigError
from bothways.http.asgi import RequirePeer, extensions_of, identity
from bothways.http.caller import CHAIN_LIMIT, Caller
from bothways.http.proxy import HEADER_LIMIT, FromProxy, shown_chain
from bothways.trust import PeerRule, Revocation
from http_callers import peer

PROXY = PeerRule(dns="proxy.example")


def field(der: bytes) -> bytes:
    return b":" + base64.b64encode(der) + b":"


def headers_of(identity_) -> list[tuple[bytes, bytes]]:
    leaf, *others = identity_.credentials.chain
    return [(b"client-cert", field(leaf)), (b"Client-Cert-Chain", b", ".join(map(field, others)))]


@pytest.fixture
def proxy(mutual):
    return peer(mutual, mutual.identity("client", dns=["proxy.example"]))


def call(mutual, connection, headers, *, wrap=lambda app: app, **settings):
    """Who calls by what an application sees, and what it was told of TLS."""
    seen = {}

    async def app(scope, receive, send):
        seen["who"], seen["tls"] = identity(scope), scope["extensions"].get("tls")

    async def send(message):
        seen.setdefault("status", message.get("status"))

    extensions = {} if connection is None else extensions_of(Caller(connection, "1.3"))
    scope = {"type": "http", "path": "/", "headers": headers, "extensions": extensions}
    whole = FromProxy(wrap(app), **{"proxy": PROXY, "anchors": mutual.anchors} | settings)
    asyncio.run(whole(scope, None, send))
    return seen


def test_a_client_that_the_proxy_shows_is_who_calls(mutual, proxy):
    seen = call(mutual, proxy, headers_of(mutual.identity("client")))
    assert seen["who"].names.dns == ("client.example",)
    assert seen["tls"]["client_cert_name"] == "CN=good client"
    assert seen["tls"]["tls_version"] is None


def test_a_request_of_the_proxy_without_a_header_has_no_caller(mutual, proxy):
    """A rule that names the proxy must not let strangers through it."""
    assert call(mutual, proxy, [])["who"] is None
    assert call(mutual, proxy, [], wrap=lambda app: RequirePeer(app, dns="proxy.example"))["status"] == 403


@pytest.mark.parametrize("connection", ["good", "wrong_name", None])
def test_headers_of_everybody_else_are_not_read(mutual, connection):
    own = None if connection is None else peer(mutual, mutual.identity("client", connection))
    seen = call(mutual, own, headers_of(mutual.identity("client", dns=["admin.example"])))
    assert seen["who"] is own


@pytest.mark.parametrize("kind", ["expired", "revoked", "unknown_ca"])
def test_a_client_whose_chain_is_refused_is_no_caller(mutual, proxy, kind):
    settings = {"revocation": Revocation(crls=mutual.crls)}
    assert call(mutual, proxy, headers_of(mutual.identity("client", kind)), **settings)["who"] is None
    assert call(mutual, proxy, headers_of(mutual.identity("client")), **settings)["who"] is not None


def test_a_certificate_for_servers_is_no_clients(mutual, proxy):
    assert call(mutual, proxy, headers_of(mutual.identity("server")))["who"] is None


BROKEN = {
    "two of them": [(b"client-cert", b":AAAA:"), (b"Client-Cert", b":AAAA:")],
    "no colons": [(b"client-cert", b"AAAA")],
    "one colon": [(b"client-cert", b":")],
    "PEM": [(b"client-cert", b"-----BEGIN CERTIFICATE-----")],
    "no base64": [(b"client-cert", b":A:")],
    "letters that are none of base64": [(b"client-cert", b":AA*A:")],
    "a list": [(b"client-cert", b":AAAA:, :AAAA:")],
    "parameters": [(b"client-cert", b":AAAA:;a=1")],
    "too long": [(b"client-cert", b":" + b"A" * HEADER_LIMIT + b":")],
    "too many": [
        (b"client-cert", b":AAAA:"),
        (b"client-cert-chain", b",".join([b":AAAA:"] * (CHAIN_LIMIT + 1))),
    ],
    "an empty chain": [(b"client-cert", b":AAAA:"), (b"client-cert-chain", b"")],
}


@pytest.mark.parametrize("headers", BROKEN.values(), ids=BROKEN)
def test_invalid_headers_set_no_caller(mutual, proxy, headers):
    with pytest.raises(ValueError):
        shown_chain(headers)
    assert call(mutual, proxy, headers)["who"] is None


def test_bytes_that_are_no_certificate_set_no_caller(mutual, proxy):
    assert call(mutual, proxy, [(b"client-cert", field(b"no certificate"))])["who"] is None
    assert call(mutual, proxy, [(b"client-cert-chain", field(b"x"))])["who"] is None


def test_a_chain_in_several_headers_is_one_list():
    """RFC 9651 3.1: lines of a list are joined."""
    headers = [
        (b"client-cert", b":AAAA:"),
        (b"client-cert-chain", b":AAAB:"),
        (b"client-cert-chain", b":AAAC:"),
    ]
    assert shown_chain(headers) == [b"\0\0\0", b"\0\0\1", b"\0\0\2"]
    assert shown_chain([]) == []


def test_a_proxy_has_to_be_named(mutual):
    for wrong in ({"proxy": "10.0.0.1"}, {"anchors": "ca.pem"}):
        with pytest.raises(ConfigError):
            FromProxy(None, **{"proxy": PROXY, "anchors": mutual.anchors} | wrong)
