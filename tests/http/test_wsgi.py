"""The environment of a WSGI application: mod_ssl's variables, and who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    certificate = named(CN="Zoë", O="a\nb")
    names = SimpleNamespace(
        subject="CN=a\nb", common_name="Zoë", dns=("a\x00.example",), email=(), uri=("urn:a",) * 200, ip=()
    )
    reported = variables(Caller(SimpleNamespace(certificate=certificate, names=names, path=who.path)))
    assert "SSL_CLIENT_S_DN" not in reported
    assert "SSL_CLIENT_S_DN_O" not in reported
    assert "SSL_CLIENT_SAN_DNS_0" not in reported
    assert reported["SSL_CLIENT_S_DN_CN"].encode("latin-1").decode() == "Zoë"
    assert sum(name.startswith("SSL_CLIENT_SAN_URI_") for name in reported) == 100


def named(*names: tuple[str, str], **more: str) -> x509.Certificate:
    """A certificate with these attributes in its name, in this order."""
    key = ec.generate_private_key(ec.SECP256R1())
    kinds = {short: kind for kind, short in NAME_TYPES.items()}
    name = x509.Name([x509.NameAttribute(kinds[each], text) for each, text in (*names, *more.items())])
    now = datetime.now(UTC)
    return (x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=1))).sign(
        key, hashes.SHA256()
    )


NAME_TYPES = {
    NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST", NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.COMMON_NAME: "CN",
    NameOID.TITLE: "T", NameOID.INITIALS: "I", NameOID.GIVEN_NAME: "G", NameOID.SURNAME: "S", NameOID.USER_ID: "UID",
    NameOID.EMAIL_ADDRESS: "Email", NameOID.DOMAIN_COMPONENT: "DC",
}  # fmt: skip


def test_each_attribute_of_a_name_has_its_variable_and_the_first_of_several_the_plain_one(mutual):
    """As mod_ssl counts them: in the order of the certificate, so that programs compare the same one."""
    order = [(each, f"a {each}") for each in NAME_TYPES.values() if each not in ("C", "Email", "DC")]
    given = [
        ("C", "DE"),
        *order,
        ("OU", "second"),
        ("CN", "second"),
        ("CN", "third"),
        ("Email", "a@b.example"),
    ]
    certificate = named(*given, ("DC", "example"))
    names = SimpleNamespace(subject="x", common_name="third", dns=(), email=(), uri=(), ip=())
    reported = variables(Caller(SimpleNamespace(certificate=certificate, names=names, path=(certificate,))))
    expected = dict(order) | {
        "C": "DE", "OU_1": "second", "CN_1": "second", "CN_2": "third", "Email": "a@b.example",
    }  # fmt: skip
    for whose in ("S", "I"):
        prefix = f"SSL_CLIENT_{whose}_DN_"
        assert {
            key.removeprefix(prefix): value for key, value in reported.items() if key.startswith(prefix)
        } == expected
    assert (reported["SSL_CLIENT_M_VERSION"], reported["SSL_CLIENT_M_SERIAL"]) == ("3", "07")


def test_only_allowed_clients_reach_the_application(mutual):
    app = RequirePeer(greet, dns="client.example")
    assert run(app, environ_of(peer(mutual))) == ("200 OK", b"good client")
    other = peer(mutual, mutual.identity("client", dns=["other.example"]))
    for environ in (environ_of(other), environ_of(None), {}):
        assert run(app, environ)[0] == "403 Forbidden"
