"""Whole examinations of real servers: what is asked in which order, and what comes of it."""

from __future__ import annotations

import json
import socket

import pytest

import identities
import pki
from bothways import Credentials
from bothways.doctor.examination import CONNECTION_LIMIT, FULL_PLAN, examine_files
from bothways.doctor.page import ISLAND, as_page
from bothways.doctor.report import Report, as_json
from bothways.doctor.unanswered import IN_HTTP
from bothways.starttls import PROTOCOLS
from bothways.starttls.databases import SSL_REQUEST
from doctor_talk import Talk, examined, has_proxy_header, listening, ours, saying

pytestmark = pytest.mark.network

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def report(talk, who=None, **options) -> Report:
    client = options.pop("client", {})
    with listening(talk) as server:
        found = examined(
            server.port,
            identities.client_config(who, groups=("X25519MLKEM768", "x25519"), **client),
            **options,
        )
        made = found.report()
        assert server.accepted == made.connections <= made.connection_limit == CONNECTION_LIMIT
    return made


def test_a_server_that_accepts_us_has_no_problem():
    """Every section, no problem, no warning but that of days that the identities have."""
    found = report(ours(identities.server_config(), OK), identities.client(), path="/")
    assert [section.id for section in found.sections] == [
        "server", "handshake", "request", "certificate", "identity", "outcome",
    ]  # fmt: skip
    assert (found.outcome, found.count("problem"), found.count("warning")) == ("succeeded", 0, 0)
    assert [look.with_certificate for look in found.handshakes] == [False, False, True]
    assert found.row("request.when").text.endswith(", and without one it refuses the handshake: required")
    assert found.row("identity.issuer").level == "good"
    assert (
        found.row("outcome.certificate").text
        == "sent, with proof of its key, and the connection was not refused"
    )
    assert [card.by for card in found.certificates] == ["server"] * 2 + ["client"] * 2
    ids = [row.id for section in found.sections for row in section.rows]
    assert len(ids) == len(set(ids))
    assert json.loads(as_json(found))["outcome"] == "succeeded"


def test_a_missing_required_certificate_is_a_failure():
    """What was given is all that counts."""
    found = report(ours(identities.server_config()))
    assert found.outcome == "failed"
    assert found.row("outcome").subject == "failed at step 3.1"
    assert "identity" not in {section.id for section in found.sections}
    assert report(ours(identities.server_config(client_auth="request"))).outcome == "succeeded"


def test_an_untrusted_server_is_examined_too():
    """And never sees our certificate."""
    found = report(ours(identities.server_config()), identities.client(), client={
        "anchors": identities.TrustStore.from_pem(identities.root("Another Root").pem)
    })  # fmt: skip
    assert found.outcome == "failed"
    assert found.row("certificate.no_path").level == "problem"
    assert not any(look.sent_certificate for look in found.handshakes)
    assert found.row("request.authorities").text == "CN=Test Root"


def test_a_wrong_name_is_the_only_problem():
    """The name by which it is called counts."""
    found = report(ours(identities.server_config()), identities.client(), name="pay.example")
    assert found.row("certificate.name_mismatch").level == "problem"
    assert found.row("outcome").subject == "failed at step 2.3a"


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_server_without_tls_is_tried_once(said: bytes):
    """One hello, one handshake that fails; and for HTTP what shows who answers in it."""
    found = report(saying(said), identities.client())
    more = IN_HTTP if said.startswith(b"HTTP/") else 0
    assert (found.outcome, found.connections, len(found.handshakes)) == ("failed", 2 + more, 1)
    assert found.row("server.tls").level == "problem"
    assert {section.id for section in found.sections} == {"server", "identity", "outcome"}


def behind_a_header(sock: socket.socket) -> None:
    if has_proxy_header(sock):
        ours(identities.server_config())(sock)


def greeting(said: bytes) -> Talk:
    def talk(sock: socket.socket) -> None:
        sock.sendall(said)
        while sock.recv(65536):
            pass

    return talk


def plain_http(sock: socket.socket) -> None:
    """As nginx without TLS."""
    status = (
        b"200 OK"
        if sock.recv(65536).startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        else b"400 Bad Request"
    )
    sock.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")


def behind_a_balancer(sock: socket.socket) -> None:
    """As nginx with TLS, whose load balancer sends a PROXY header: it answers that, and not what comes after it."""
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    sock.recv(65536)


def behind_a_balancer_with_gnutls(sock: socket.socket) -> None:
    sock.sendall(bytes([21, 3, 3, 0, 2, 2, 10]))
    sock.recv(65536)


def database_without_tls(sock: socket.socket) -> None:
    if sock.recv(8) == SSL_REQUEST:
        sock.sendall(b"N")


def nameless(sock: socket.socket) -> None:
    """As a router that has no route for our name, and one for hellos without any."""
    hello = sock.recv(65536, socket.MSG_PEEK)
    if hello and b"localhost" not in hello:
        ours(identities.server_config())(sock)


def refusing_the_name(sock: socket.socket) -> None:
    if b"localhost" in sock.recv(65536, socket.MSG_PEEK):
        sock.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))
        sock.recv(65536)
    else:
        ours(identities.server_config())(sock)


MYSQL_GREETING = b"\x4a\0\0\0\x0a8.0.36\0" + bytes(62)


@pytest.mark.parametrize(
    ("talk", "cause"),
    [
        (greeting(b"SSH-2.0-x\r\n"), "SPEAKS_SSH"),
        (greeting(b"220 mail.example ESMTP\r\n"), "SPEAKS_MAIL"),
        (greeting(MYSQL_GREETING), "SPEAKS_DATABASE"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "SPEAKS_HTTP"),
        (plain_http, "SPEAKS_HTTP"),
        (behind_a_balancer, "PROXY_HEADER"),
        (behind_a_balancer_with_gnutls, "PROXY_HEADER"),
        (behind_a_header, "WANTS_PROXY_HEADER"),
        (database_without_tls, "STARTTLS_NOT_OFFERED"),
        (nameless, "NAME_ROUTED"),
        (refusing_the_name, "NAME_NOT_SERVED"),
        (lambda _: None, "BACKEND_DOWN"),
        (lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"), "BACKEND_DOWN"),
        (saying(), "SPEAKS_PLAIN"),
    ],
    ids=[
        "SSH", "SMTP", "MySQL", "400 to all", "HTTP", "PROXY header sent",
        "PROXY header sent to GnuTLS", "PROXY header", "PostgreSQL without TLS", "routed by name", "unknown name",
        "closed at once", "reset at once", "closed",
    ],
)  # fmt: skip
def test_a_server_that_does_not_speak_tls_with_us_has_the_cause_that_probes_find(talk: Talk, cause: str):
    """As `connect --probe`, which asks the same."""
    found = report(talk)
    assert found.row("outcome.cause.1").cause == cause
    assert found.handshakes[-1].failure["explanation"]["causes"][0]["cause"] == cause
    about = found.row("server.tls") or found.row("server.versions")
    assert about.level in ("problem", "unknown") and about.cause in (cause, "")


def test_a_silent_port_is_examined_in_bounded_time():
    """Each further connection waits less than the first."""
    found = report(greeting(b""), timeout=0.2)
    assert found.row("outcome.cause.1").cause == found.row("server.tls").cause == "PEER_SILENT"


def test_a_port_that_speaks_tls_at_once_is_probed_without_starttls():
    found = report(ours(identities.server_config()), starttls=PROTOCOLS["smtp"], timeout=0.4)
    assert (found.server, found.row("server.cause.1").cause) == (None, "TLS_AT_ONCE")


def test_a_refused_connection_is_reported_with_its_causes():
    """And what we brought is examined as well."""
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        found = examined(gone.getsockname()[1], identities.client_config(identities.client())).report()
    assert (found.outcome, found.server, found.connections) == ("failed", None, 1)
    assert found.row("server.reached").level == "problem"
    assert found.row("server.cause.1").hint


def test_the_handshake_with_what_was_given_offers_what_was_given():
    """And HTTP by its ALPN name to a server that chose it before."""
    found = report(ours(identities.server_config(alpn=("http/1.1",)), OK), identities.client())
    assert found.handshakes[-1].protocol == "http/1.1"
    assert found.handshakes[-1].offered == ("TLS 1.3", "TLS 1.2")
    assert found.row("outcome.reply").text == 'it answers "HTTP/1.1 200 OK"'
    other = report(
        ours(identities.server_config(alpn=("mqtt",)), OK), identities.client(), client={"alpn": ("mqtt",)}
    )
    assert other.handshakes[-1].protocol == "mqtt"
    assert other.handshakes[-1].reply is None


def test_the_plan_adds_up_to_the_documented_limit():
    """It is shown before anything is connected."""
    assert sum(FULL_PLAN.values()) == CONNECTION_LIMIT == 50


def test_files_are_examined_without_a_connection():
    """Whether what we were given is in order."""
    ada = identities.credentials(identities.client())
    good = examine_files(ada, identities.anchors(), identities.START)
    assert (good.examined, good.outcome, good.connections) == (None, "not tried", 0)
    assert [section.id for section in good.sections] == ["identity", "anchors"]
    assert good.count("problem") == 0
    late = examine_files(ada, identities.anchors(), identities.END + pki.DAY)
    assert late.row("identity.certificate_expired").level == "problem"
    assert late.row("anchors.1").level == "problem"
    assert "not valid as a trust anchor any more" in late.row("anchors.1").text
    many = identities.TrustStore.from_pem(b"".join(pki.root(f"R{n}").pem for n in range(22)))
    assert examine_files(None, many, pki.NOW).row("anchors.more").text == "and 2 more"


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil"


def test_a_hostile_certificate_is_shown_escaped_wherever_it_is_shown():
    """In findings, cards and failures: no control, no direction of writing, no markup."""
    middle = pki.intermediate(identities.root(), pki.name(HOSTILE), **identities.SPAN)
    names = ["DNS:localhost", "URI:https://x/%3Cscript%3E", *(f"DNS:{n}.example" for n in range(800))]
    leaf = pki.leaf(middle, pki.name(HOSTILE, O=HOSTILE), alternatives=names, **identities.SPAN)
    config = identities.server_config(
        credentials=identities.credentials(leaf), client_anchors=identities.TrustStore.from_pem(middle.pem)
    )
    for options in ({}, {"name": "pay.example"}):
        found = report(ours(config), identities.stranger(), **options)
        assert found.outcome == "failed"
        shown = as_json(found) + as_page(found)
        assert "\\x1b[31m" in found.row("certificate.subject").text
        assert not any(each in shown for each in "\x1b\u202e")
        assert "<script>alert" not in as_page(found).partition(ISLAND)[0]
        assert all(row.text.isprintable() for section in found.sections for row in section.rows)
        assert len(as_page(found)) < 1024 * 1024


def test_a_too_large_chain_is_refused_and_reported():
    """Hundreds of certificates, or a message beyond its limit."""
    leaf = identities.server()
    many = Credentials.from_pem(leaf.chain_pem, leaf.key_pem)
    surplus = [pki.root(f"Surplus {n}").der for n in range(12)]
    many.chain = (*many.chain, *surplus)
    found = report(ours(identities.server_config(credentials=many)), identities.client())
    assert found.row("certificate.surplus").text.startswith("12 that the chain does not need")
    many.chain = (*many.chain, *(surplus * 20))
    found = report(ours(identities.server_config(credentials=many)), identities.client())
    assert found.outcome == "failed"
    assert found.row("outcome").level == "problem"
    assert len(as_json(found)) < 1024 * 1024
