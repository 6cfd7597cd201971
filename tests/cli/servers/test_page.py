"""`serve --page`: one record of greeting for any request."""

from __future__ import annotations

import time

import pytest

import identities
from bothways.net import connect
from cli_talk import IDENTITY, ada, read_all
from command_line import bothways, environment, run_command

pytestmark = pytest.mark.network


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\n\n",
        b"GET /any/where?x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_page_greets_the_client_in_one_record_and_closes(start, request_text):
    """Any HTTP request; one record, then close_notify."""
    server = start("--client-ca", "ca.pem", "--page")
    notes = []
    with ada(server, observer=notes.append) as channel:
        for byte in request_text:
            channel.sendall(bytes((byte,)))
        reply = read_all(channel)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"<h1>Hello, Ada</h1>" in body
    records = [note for note in notes if type(note).__name__ == "RecordSeen" and not note.sent]
    assert [note.content_type for note in records][-2:] == [23, 21]
    assert [note.content_type for note in records].count(23) == 1


def test_page_answers_head_without_a_body_and_a_silent_client_not_at_all(start):
    """RFC 9110 9.3.2."""
    server = start("--client-ca", "ca.pem", "--page")
    with ada(server) as channel:
        channel.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        assert read_all(channel).endswith(b"Connection: close\r\n\r\n")
    with ada(server) as channel:
        channel.shutdown()
        assert read_all(channel) == b""


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\ncontent-LENGTH: 0\ntransfer-ENCODING: chunked\n\n", b"400 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nX: a\r\n Content-Length: 5\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"400 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"431 "),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b"431 "),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", b"200 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", b"200 "),
    ],
)
def test_a_request_whose_length_is_in_doubt_or_whose_head_has_none_is_refused(start, request_text, status):
    """RFC 9112 5.1, 5.2, 6.1, 6.3; RFC 6585 5."""
    server = start("--client-ca", "ca.pem", "--page")
    with ada(server) as channel:
        channel.sendall(request_text)
        channel.shutdown()
        printed = read_all(channel)
    assert printed.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close\r\n" in printed


def test_a_request_that_does_not_come_to_its_end_is_left(start):
    """Though a byte of it comes now and then."""
    server = start("--client-ca", "ca.pem", "--page", "--idle-timeout", "0.5")
    with ada(server) as channel, pytest.raises(OSError):
        for _ in range(1000):
            channel.sendall(b"a")
            time.sleep(0.02)
    assert server.end() == 0
    assert "ended: the connection timed out: no request in 0.5 seconds" in server.printed


def test_page_asks_for_the_certificate_when_it_has_read_the_request(start):
    """RFC 9846 4.7.2: the client that offers to answer is greeted by name, any other as a stranger."""
    server = start("--client-ca", "ca.pem", "--client-auth", "later", "--page")
    for offers, words in ((True, b"<h1>Hello, Ada</h1>"), (False, b"<h1>Hello, anonymous client</h1>")):
        config = identities.client_config(identities.client(), post_handshake_auth=offers)
        with connect("127.0.0.1", int(server.port), config) as channel:
            channel.settimeout(20)
            channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert words in read_all(channel)


@pytest.mark.parametrize(
    "command",
    [("serve", "127.0.0.1:0", "--echo"), ("run", "app:app")],
    ids=["serve", "run"],
)
def test_client_auth_later_is_refused_where_no_certificate_is_requested_later(command, folder):
    """It would have no effect: nobody would ever be asked."""
    done = run_command(
        bothways(*command, *IDENTITY, "--client-ca", "ca.pem", "--client-auth", "later"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2 and "--client-auth later" in done.stderr, done.stderr
