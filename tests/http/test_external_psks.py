"""A client with an external PSK in applications: it has nothing that has the shape of a certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace

from bothways import ExternalPSK, ExternalPSKs, PeerRule
from bothways.http.asgi import TLS, extensions_of
from bothways.http.caller import Caller
from bothways.http.rules import PeerRules
from bothways.http.wsgi import add_caller, identity
from bothways.tls.events import Peer
from bothways.trust.keys.external_psks import request_for_key

KEY = ExternalPSK(identity="k-7f3a", secret=sha256(b"").digest(), own="service.example", peer="device 7")


def client() -> Peer:
    return Peer(request_for_key(KEY, ExternalPSKs([KEY])).verify(datetime.now(UTC)))  # type: ignore[arg-type]


def test_wsgi_has_the_peer_and_no_variables_of_a_certificate() -> None:
    """A program that reads SSL_CLIENT_VERIFY must not take a client without a certificate for one with it."""
    socket = SimpleNamespace(peer=client(), version="1.3", suite="TLS_AES_128_GCM_SHA256")
    environ = {"gunicorn.socket": socket}
    add_caller(environ)
    set_by_us = {name for name in environ if name.startswith("SSL_")}
    assert set_by_us == {"SSL_CLIENT_VERIFY", "SSL_PROTOCOL", "SSL_CIPHER"}
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    who = identity(environ)
    assert who is not None and who.psk_name == "device 7" and who.psk_identity == b"k-7f3a"


def test_asgi_has_the_peer_and_no_chain() -> None:
    scope = extensions_of(Caller(client(), "1.3", "TLS_AES_128_GCM_SHA256"))
    assert scope[TLS]["client_cert_chain"] == [] and scope[TLS]["client_cert_name"] is None
    assert scope["bothways"]["peer"].kind == "pre-shared key"


def test_rules_of_an_application_go_by_whom_the_key_stands_for() -> None:
    assert PeerRules(PeerRule(psk="device 7")).allows(client())
    assert not PeerRules(PeerRule(cn="device 7"), PeerRule(psk="device 8")).allows(client())
