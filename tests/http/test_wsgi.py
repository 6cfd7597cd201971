"""The environment of a WSGI application: mod_ssl's variables, and who may."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bothways.http.caller import Caller, pem
from bothways.http.wsgi import RequirePeer, WithCaller, add_caller, identity, variables
from http_callers import peer


def environ_of(who, socket="gunicorn.socket", **more):
    return {socket: SimpleNamespace(peer=who, version="1.3", suite="TLS_AES_128_GCM_SHA256"), **more}


def greet(environ, start_response):
    start_response("200 OK", [])
    who = identity(environ)
    return [b"nobody" if who is None else who.names.common_name.encode()]


def run(app, environ):
    statuses = []
    body = b"".join(app(environ, lambda status, headers: statuses.append(status)))
    return statuses[0], body


@pytest.mark.parametrize("socket", ["gunicorn.socket", "werkzeug.socket"])
def test_the_variables_are_those_of_mod_ssl(mutual, socket):
    """As in Apache's documentation of mod_ssl, so that programs that know them need nothing new."""
    who = peer(mutual)
    environ = environ_of(who, socket)
    add_caller(environ)
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_PROTOCOL"] == "TLSv1.3"
    assert environ["SSL_CIPHER"] == "TLS_AES_128_GCM_SHA256"
    assert environ["SSL_CLIENT_S_DN"] == "CN=good client"
    assert environ["SSL_CLIENT_S_DN_CN"] == "good client"
    assert environ["SSL_CLIENT_I_DN"] == "CN=Testing CA"
    assert int(environ["SSL_CLIENT_M_SERIAL"], 16) == who.certificate.serial_number
    assert environ["SSL_CLIENT_V_END"].endswith("GMT")
    assert environ["SSL_CLIENT_SAN_DNS_0"] == "client.example"
    assert environ["SSL_CLIENT_SAN_URI_0"] == "spiffe://testing.example/client"
    assert environ["SSL_CLIENT_CERT"] == pem(who.certificate)
    assert environ["SSL_CLIENT_CERT_CHAIN_0"] == pem(who.path[1])
    assert "SSL_CLIENT_CERT_CHAIN_1" not in environ


def test_an_anonymous_client_has_the_variables_of_one():
    environ = environ_of(None)
    add_caller(environ)
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_S_DN" not in environ
    assert identity(environ) is None


def test_existing_variables_with_these_names_are_removed_if_the_connection_is_not_ours(mutual):
    environ = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=admin", "bothways.peer": peer(mutual)}
    add_caller(environ)
    assert environ == {}


def test_headers_do_not_set_the_caller():
    headers = {
        "HTTP_SSL_CLIENT_VERIFY": "SUCCESS",
        "HTTP_CLIENT_CERT": ":AAAA:",
        "HTTP_X_CLIENT_DN": "CN=admin",
    }
    assert run(WithCaller(greet), {**headers}) == ("200 OK", b"nobody")
    assert run(RequirePeer(greet), {**headers})[0] == "403 Forbidden"


def test_a_name_that_would_break_a_line_is_in_no_variable(mutual):
    who = peer(mutual)
    names = SimpleNamespace(
        subject="CN=a\nb", common_name="Zoë", dns=("a\x00.example",), email=(), uri=("urn:a",) * 200, ip=()
    )
    reported = variables(Caller(SimpleNamespace(certificate=who.certificate, names=names, path=who.path)))
    assert "SSL_CLIENT_S_DN" not in reported
    assert "SSL_CLIENT_SAN_DNS_0" not in reported
    assert reported["SSL_CLIENT_S_DN_CN"].encode("latin-1").decode() == "Zoë"
    assert sum(name.startswith("SSL_CLIENT_SAN_URI_") for name in reported) == 100


def test_only_allowed_clients_reach_the_application(mutual):
    app = RequirePeer(greet, dns="client.example")
    assert run(app, environ_of(peer(mutual))) == ("200 OK", b"good client")
    other = peer(mutual, mutual.identity("client", dns=["other.example"]))
    for environ in (environ_of(other), environ_of(None), {}):
        assert run(app, environ)[0] == "403 Forbidden"
