"""What a server that answers no hello does instead."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from bothways.diagnosis import Probed
from bothways.doctor.dial import Target
from bothways.doctor.evidence import PROBES, probe
from bothways.doctor.replies import CLOSED, SILENCE
from bothways.doctor.unanswered import CONNECTIONS, distinguish
from bothways.trust.path.name_matching import server_name
from doctor_talk import Talk, dialer_to, listening

pytestmark = pytest.mark.network


def test_the_connections_are_limited_and_so_is_the_time_of_each():
    """A server that says nothing costs less time with each further connection, and nothing is guessed without one."""

    def silent(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    with listening(lambda sock: sock.recv(65536)) as server:
        dialer = dialer_to(server.port, limit=CONNECTIONS)
        assert distinguish(dialer, CLOSED, 0) == Probed(unanswered=True, closes_early=True)
        assert dialer.connections == CONNECTIONS
        assert distinguish(dialer, CLOSED, 0) is None
    with listening(silent) as server:
        dialer = dialer_to(server.port, timeout=30)
        dialer.end = time.monotonic() + 0.5
        assert distinguish(dialer, SILENCE, 0) in (None, Probed(unanswered=True))
        assert dialer.timeout < 1, "what is left is shared by the connections that are to come"


def test_a_slow_load_balancer_is_waited_for() -> None:
    """It closes after it has not reached its server, whatever it was sent."""
    with listening(lambda _: time.sleep(1.2)) as server:
        assert probe(Target("127.0.0.1", server.port, server_name("localhost")), 5) == Probed(
            closes_at_once=True
        )


def serves_http(status: bytes) -> Talk:
    """As a server of plain HTTP that closes for what is no request."""

    def talk(sock: socket.socket) -> None:
        if sock.recv(65536).startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
            sock.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")

    return talk


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (b"404 Not Found", Probed(http_status=404)),
        (b"400 Bad Request", Probed(unanswered=True, closes_early=True)),
    ],
)
def test_a_server_that_closes_for_a_hello_is_sent_a_request_in_plain_http(
    status: bytes, found: Probed
) -> None:
    """TLS servers answer what is not in TLS by status 400, which says nothing."""
    with listening(serves_http(status)) as server:
        assert probe(Target("127.0.0.1", server.port, server_name("localhost")), 5) == found
        assert server.accepted <= PROBES


def reads_hellos(sock: socket.socket) -> None:
    """As a router by server name that has no route for any: it waits for the end of a hello, and closes."""
    got = b""
    while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5], "big"):
        if got[:1] not in (b"", b"\x16"):
            return
        data = sock.recv(65536)
        if not data:
            return
        got += data


def test_a_server_that_waits_for_the_last_byte_of_a_hello_has_read_it() -> None:
    """No service of another protocol waits for the last byte of a TLS record."""
    with listening(reads_hellos) as server:
        found = probe(Target("127.0.0.1", server.port, server_name("localhost")), 10)
        assert server.accepted <= PROBES
    assert found == Probed(unanswered=True, reads_hello=True)


def refuses_by_alert(sock: socket.socket) -> None:
    """As a server that speaks TLS, closes for our hello, and answers other bytes by an alert."""
    if sock.recv(65536).startswith(b"PROXY"):
        sock.sendall(bytes([21, 3, 3, 0, 2, 2, 70]))


def test_an_alert_for_a_proxy_header_is_no_sign_that_one_is_wanted() -> None:
    with listening(refuses_by_alert) as server:
        found = probe(Target("127.0.0.1", server.port, server_name("localhost")), 5)
    assert found == Probed(unanswered=True, closes_early=True)


def names(hello: bytes) -> bool:
    return b"name.invalid" in hello


@pytest.mark.parametrize(
    ("answers", "differs"),
    [
        ((0x28, 0x28), False),
        ((0x28, 0x70), True),
        ((0x28, None), True),
        ((None, 0x70), True),
        ((None, None), None),
    ],
)
def test_by_address_a_name_is_tried_too(answers: tuple[int | None, int | None], differs: bool | None) -> None:
    """It says nothing where a hello with a name and one without are answered alike.

    answers: the alert without a name, and with one; None: it closes.
    """

    def talk(sock: socket.socket) -> None:
        got = sock.recv(65536)
        alert = answers[names(got)]
        if alert is not None and got.startswith(b"\x16"):
            sock.sendall(bytes([21, 3, 3, 0, 2, 2, alert]))

    with listening(talk) as server:
        found = probe(Target("127.0.0.1", server.port, server_name("127.0.0.1")), 5)
        assert server.accepted <= PROBES
    assert found is not None and found.differs_by_name is differs


def lines(answer: bytes, wanted: bytes = b"PING\r\n") -> Talk:
    """As a service whose requests end with a line: it keeps a hello, and answers a line that it knows."""

    def talk(sock: socket.socket) -> None:
        got = b""
        while data := sock.recv(65536):
            got += data
            if got.endswith(wanted):
                sock.sendall(answer)

    return talk


@pytest.mark.parametrize(
    ("talk", "found"),
    [
        (lines(b"+PONG\r\n"), Probed(answer="+PONG")),
        (lines(b"ERROR\r\n"), Probed(answer="ERROR")),
        (lines(b"HTTP/1.0 404 Not Found\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"), Probed(http_status=404)),
        (lines(b"\x1b[2J\xff\r\n"), Probed(answer="\\x1b[2J\xff")),
        (lines(b"a" * 5000), Probed(answer="a" * 37 + "...")),
        (lines(bytes([21, 3, 3, 0, 2, 2, 10])), Probed(unanswered=True)),
        (lines(b""), Probed(unanswered=True)),
    ],
    ids=["Redis", "memcached", "HTTP", "bytes", "long", "an alert", "nothing"],
)
def test_a_server_that_waits_for_the_end_of_a_line_is_sent_lines(
    talk: Talk, found: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it answers is escaped, and of limited length."""
    monkeypatch.setattr("bothways.doctor.unanswered.LINE_SECONDS", 0.2)
    with listening(talk) as server:
        dialer = dialer_to(server.port, timeout=0.6)
        got = distinguish(dialer, SILENCE, 0)
        assert dialer.connections <= CONNECTIONS
    assert got is not None
    assert replace(got, answer="") == replace(found, answer="") if got.http_status else got == found
    assert len(got.answer) <= 40


def drops_our_name(sock: socket.socket) -> None:
    """As a filter that lets hellos with a known name through, and drops the others."""
    hello = sock.recv(65536)
    if b"localhost" not in hello and hello.startswith(b"\x16"):
        sock.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))
    elif hello:
        while sock.recv(65536):
            pass


def test_a_server_that_does_not_answer_a_name_is_found_like_one_that_closes_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bothways.doctor.unanswered.LINE_SECONDS", 0.1)
    with listening(drops_our_name) as server:
        assert distinguish(dialer_to(server.port, timeout=0.4), SILENCE, 0) == Probed(without_name=True)
