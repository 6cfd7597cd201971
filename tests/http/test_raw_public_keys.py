"""A client with a raw public key in applications and views: it has nothing that has the shape of a certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

from bothways import PeerRule, PinnedKeys, RawKeyCredentials
from bothways.describe.names import every_name_of, peer_name
from bothways.http.asgi import TLS, extensions_of
from bothways.http.caller import Caller
from bothways.http.rules import PeerRules
from bothways.http.wsgi import add_caller, identity
from bothways.ladder.report import peer_facts
from bothways.tls.events import Peer
from bothways.trust.keys.pins import PinRequest
from pki import key

KEY = RawKeyCredentials(key("P-256")).public


def client(name: str = "device 7") -> Peer:
    verdict = PinRequest(key=KEY, pins=PinnedKeys.from_digests({KEY.fingerprint: name})).verify(
        datetime.now(UTC)
    )
    return Peer(verdict)  # type: ignore[arg-type]


def test_wsgi_has_the_peer_and_no_variables_of_a_certificate() -> None:
    """A program that reads SSL_CLIENT_VERIFY must not take a client without a certificate for one with it."""
    environ = {
        "gunicorn.socket": SimpleNamespace(peer=client(), version="1.3", suite="TLS_AES_128_GCM_SHA256")
    }
    add_caller(environ)
    told = {name for name in environ if name.startswith("SSL_")}
    assert told == {"SSL_CLIENT_VERIFY", "SSL_PROTOCOL", "SSL_CIPHER"}
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    who = identity(environ)
    assert who is not None and who.raw_key == KEY and who.pin_name == "device 7"


def test_asgi_has_the_peer_and_no_chain() -> None:
    told = extensions_of(Caller(client(), "1.3", "TLS_AES_128_GCM_SHA256"))
    assert told[TLS]["client_cert_chain"] == [] and told[TLS]["client_cert_name"] is None
    assert told["bothways"]["peer"].kind == "raw public key"


def test_rules_of_an_application_go_by_the_key_alone() -> None:
    assert PeerRules(PeerRule(spki=KEY.fingerprint)).allows(client())
    assert not PeerRules(PeerRule(cn="device 7"), PeerRule(dns="*.example.com")).allows(client())


def test_people_and_programs_are_told_the_key() -> None:
    assert peer_name(client()) == "device 7"
    assert peer_name(client("")) == f"raw public key {KEY.fingerprint[:16]}"
    assert every_name_of(client()) == f"raw public key {KEY.fingerprint} (device 7)"
    facts = peer_facts(client())
    assert facts is not None
    assert facts["kind"] == "raw public key" and facts["path"] == [] and facts["valid_until"] is None
    assert facts["raw_public_key"] == {"sha256": KEY.fingerprint, "pin": "device 7"}
