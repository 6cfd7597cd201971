"""`serve --page`: one record of greeting for any request."""

from __future__ import annotations

import pytest

from cli_talk import ada, read_all

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
