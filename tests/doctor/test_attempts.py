"""Whole handshakes: what they show of a server, and what became of us."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime

import pytest

import identities
from bothways.diagnosis import Files, Weight
from bothways.doctor.attempts import HandshakeAttempt, attempt, reply_in
from bothways.doctor.findings import outcome_rows
from bothways.doctor.report import ReplyReport
from bothways.net import wrap
from doctor_talk import Talk, dialer_to, listening, ours

pytestmark = pytest.mark.network

OK = b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jun 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n"


def made(talk: Talk, who=None, path: str | None = None, **client) -> HandshakeAttempt:
    with listening(talk) as server:
        return attempt(
            dialer_to(server.port),
            identities.client_config(who, **client),
            path,
            Files("me.pem", "me.key", "ca.pem"),
        )


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_request_for_our_certificate_is_reported_with_its_content(version: str):
    """In both versions, and that nothing of ours was sent."""
    look = made(
        ours(identities.server_config(client_auth="request")), versions=(version,), alpn=("h2",)
    ).facts()
    assert (look.outcome, look.version, look.offered) == ("succeeded", f"TLS {version}", (f"TLS {version}",))
    assert look.request is not None
    assert look.request.when == "in the handshake"
    assert look.request.authorities == ("CN=Test Root",)
    assert "ecdsa_secp256r1_sha256" in look.request.schemes
    assert look.request.types == (("ecdsa_sign", "rsa_sign") if version == "1.2" else ())
    assert look.scheme == "ecdsa_secp256r1_sha256"
    assert not look.sent_certificate and not look.with_certificate
    assert look.warnings


def test_a_server_without_a_certificate_request_gets_no_certificate():
    """One-way authentication."""
    config = identities.server_config(client_anchors=None, alpn=("http/1.1",))
    look = made(ours(config, OK), identities.client(), alpn=("http/1.1",)).facts()
    assert look.request is None and not look.sent_certificate
    assert (look.protocol, look.confirmed) == ("http/1.1", "accepted")
    assert look.reply is not None and look.reply.status == 200


def test_an_accepted_and_a_refused_certificate_are_reported():
    """In TLS 1.3 the refusal comes after the handshake, and is its failure all the same."""
    good = made(ours(identities.server_config(), OK), identities.client(), path="/").facts()
    assert (good.outcome, good.sent_certificate, good.confirmed) == ("succeeded", True, "accepted")
    bad = made(ours(identities.server_config(), OK), identities.stranger())
    facts = bad.facts()
    assert (facts.outcome, facts.sent_certificate, facts.confirmed) == ("failed", True, "refused")
    assert facts.failure is not None
    assert (facts.failure["step"], facts.failure["alert"]) == ("3.3a", "unknown_ca")
    assert facts.failure["explanation"]["causes"][0]["cause"] == "CA_NOT_ACCEPTED"
    assert bad.explanation is not None and "--ca ca.pem" in bad.explanation.first.command


def test_an_untrusted_server_gets_no_certificate():
    """As with `connect`."""
    look = made(
        ours(identities.server_config()),
        identities.client(),
        anchors=identities.TrustStore.from_pem(identities.root("Another Root").pem),
    )
    facts = look.facts()
    assert facts.outcome == "failed" and not facts.sent_certificate
    assert look.chain and look.verdict is not None
    assert facts.failure is not None and facts.failure["step"] == "2.3a"


def test_a_broken_connection_is_a_failure_and_raises_nothing():
    """Whatever a network does."""
    look = made(lambda sock: sock.recv(100), identities.client())
    assert look.facts().outcome == "failed"
    assert not look.chose and look.chain == ()
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = attempt(dialer_to(gone.getsockname()[1]), identities.client_config(), None)
    assert isinstance(nobody.error, ConnectionRefusedError)


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_server_that_resets_the_connection_after_its_response_has_accepted_us(version: str):
    """Many HTTP services do; before it is known that we are accepted, a reset is a refusal."""

    def rude(sock: socket.socket) -> None:
        with wrap(sock, identities.server_config(versions=(version,)), timeout=20) as channel:
            channel.recv(1000)
            channel.sendall(OK)
            sock.shutdown(socket.SHUT_RDWR)

    look = made(rude, identities.client(), path="/").facts()
    assert (look.outcome, look.confirmed, look.reply.status) == ("succeeded", "accepted", 200)

    def silent(sock: socket.socket) -> None:
        wrap(sock, identities.server_config(versions=("1.3",), tickets=None), timeout=20)
        sock.shutdown(socket.SHUT_RDWR)

    cut = made(silent, identities.client())
    assert cut.facts().outcome == "failed"
    assert cut.facts().failure["step"] == "3"


@pytest.mark.parametrize(
    ("said", "path", "status", "cause"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n<title>No required SSL certificate was sent</title>",
            "/",
            400,
            "FORWARDED_WITHOUT_CERTIFICATE",
        ),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "/", 503, "BACKEND_DOWN"),
        (b"* BYE Too many connections\r\n", None, None, "SERVICE_BUSY"),
        (b"-DENIED not authorized\r\n", None, None, "NOT_LET_IN"),
    ],
)
def test_a_services_text_is_explained_although_the_connection_is_reset(
    said: bytes, path: str | None, status: int | None, cause: str
):
    """Asked over HTTP or unasked: the body of a refusal is read too, and how it ends makes no difference."""

    def rude(sock: socket.socket) -> None:
        with wrap(sock, identities.server_config(), timeout=20) as channel:
            if path is not None:
                channel.recv(1000)
            channel.sendall(said)
            sock.shutdown(socket.SHUT_RDWR)

    look = made(rude, identities.client(), path=path).facts()
    assert look.reply is not None and look.reply.status == status
    assert look.reply.explanation["causes"][0]["cause"] == cause


@pytest.mark.parametrize("in_order", [True, False], ids=["close_notify", "end"])
@pytest.mark.parametrize("asks", [True, False], ids=["certificates", "none"])
def test_a_service_that_closes_before_it_was_asked_is_no_service_in_order(in_order: bool, asks: bool):
    """As a balancer does that has no server behind it: the handshake was complete, and that is no success."""

    def leaving(sock: socket.socket) -> None:
        terms = {"client_auth": "request"} if asks else {"client_anchors": None}
        with wrap(sock, identities.server_config(versions=("1.2",), **terms), timeout=20) as channel:
            if in_order:
                channel.shutdown()
                channel.recv(1)
            else:
                sock.shutdown(socket.SHUT_RDWR)

    found = made(leaving)
    assert (found.succeeded, found.closed) == (False, True)
    assert found.answer is not None and found.answer.first.cause.name == (
        "NO_CERTIFICATE" if asks else "BACKEND_DOWN"
    )
    assert found.answer.first.weight is not Weight.CERTAIN
    rows = {row.id: row for row in outcome_rows(found.facts(), None, found.answer, refused=True)}
    assert (rows["outcome"].subject, rows["outcome.closed"].level) == ("TLS succeeded", "problem")
    assert rows["outcome.closed.cause.1"].cause == found.answer.first.cause.name


def test_an_endless_response_is_read_to_the_end_of_its_header():
    """What is sent after that is not read."""

    def endless(sock: socket.socket) -> None:
        with wrap(sock, identities.server_config(client_anchors=None), timeout=20) as channel:
            channel.recv(1000)
            while True:
                channel.sendall(b"HTTP/1.1 200 OK and on and on " * 1000)

    look = made(endless, path="/")
    assert look.reply is not None
    assert len(look.reply.line) <= 120


NOW = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "reply"),
    [
        (OK, ReplyReport(200, "HTTP/1.1 200 OK", -30.0)),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", ReplyReport(403, "HTTP/1.0 403 Forbidden", None)),
        (
            b"HTTP/1.1 200 \x1b[31m\r\ndate: yesterday\r\n\r\n",
            ReplyReport(200, "HTTP/1.1 200 \\x1b[31m", None),
        ),
        (
            b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jun 99999 12:00:00 GMT\r\n\r\n",
            ReplyReport(200, "HTTP/1.1 200 OK", None),
        ),
        (b"HTTP/1.1 abc\r\n\r\n", None),
        (b"HTTP/2 200\r\n\r\n", None),
        (b"220 mail\r\n", None),
        (b"", None),
    ],
)
def test_an_http_response_is_read_by_its_header(head: bytes, reply: ReplyReport | None):
    """Status, and by how much its clock differs from ours."""
    assert reply_in(head, NOW) == reply


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_server_that_sends_byte_by_byte_is_left_after_the_time_limit(version: str):
    """What was agreed before stays, and nothing of it is a failure."""
    stop = threading.Event()

    def trickle(sock: socket.socket) -> None:
        config = identities.server_config(client_anchors=None, versions=(version,))
        with wrap(sock, config, timeout=20):
            for byte in bytes.fromhex("1703034000") + bytes(10_000):
                if stop.wait(0.02):
                    return
                sock.sendall(bytes((byte,)))

    with listening(trickle) as server:
        began = time.monotonic()
        look = attempt(dialer_to(server.port, timeout=1), identities.client_config(), "/")
        stop.set()
    assert time.monotonic() - began < 15
    assert look.channel is not None and look.channel.version == version
