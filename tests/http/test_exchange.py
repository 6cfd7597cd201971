"""One request and its answer, by either version; what a server may not do is one kind of error."""

from __future__ import annotations

import json

import pytest

import http_talk
from bothways import ConfigError
from bothways.diagnosis import OwnSide, Situation, explain_answer
from bothways.http import exchange as http
from bothways.http.location import parse
from bothways.roles import Role

pytestmark = pytest.mark.network


def asked(mutual, respond, *, alpn=("http/1.1",), most=1_000_000, **request):
    server = mutual.server(alpn=alpn, respond=respond)
    with mutual.client(None, alpn=alpn).connect("localhost", server.port) as channel:
        wanted = http.Request(request.pop("method", "GET"), parse(server.url), **request)
        answer = http.exchange(channel, wanted, http.Deadline(5, 20), most)
        return answer, b"".join(answer.content)


def test_a_response_has_its_headers_unchanged(mutual):
    answer, content = asked(
        mutual,
        http_talk.answering(b"HTTP/1.1 201 Made\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 2\r\n\r\nok"),
    )
    assert (answer.version, answer.status, answer.reason, content) == ("HTTP/1.1", 201, "Made", b"ok")
    assert [value for name, value in answer.headers if name == b"X-Two"] == [b"a", b"b"]
    assert answer.header("x-two") == "a"
    assert answer.header("missing") == ""


def test_chunks_and_an_end_by_close_are_content(mutual):
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    )
    assert asked(mutual, http_talk.answering(chunked))[1] == b"abcde"
    assert asked(mutual, http_talk.answering(b"HTTP/1.0 200 OK\r\n\r\nto the end"))[1] == b"to the end"
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 Nothing\r\n\r\n"
    assert asked(mutual, http_talk.answering(early))[0].status == 204


def test_a_large_answer_of_http_2_passes_its_windows(mutual):
    answer, content = asked(mutual, http_talk.answering_h2(200, b"x" * 60_000), alpn=("h2",))
    assert (answer.version, answer.reason, len(content)) == ("HTTP/2", "", 60_000)


HTTP2_WRONG = {
    "garbage": b"\x00" * 40 + b"GET / HTTP/1.1\r\n\r\n",
    "a frame too large": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "GOAWAY": bytes.fromhex("0000000400000000000000080700000000000000000000000002"),
    "HEADERS that nobody compressed so": bytes.fromhex("000000040000000000000003010400000001ffffff"),
    "a status that is none": bytes.fromhex("0000000400000000000000090105000000014803")
    + b"x\xffz"
    + b"\0\0\0\0",
}


@pytest.mark.parametrize("frames", HTTP2_WRONG.values(), ids=HTTP2_WRONG)
def test_invalid_http2_frames_are_no_response(mutual, frames):
    """RFC 9113; whatever the parser raises, it is one kind of error."""

    def respond(channel):
        channel.recv(1)
        channel.sendall(frames)
        channel.close(linger=1)

    with pytest.raises(http.NotHTTP) as caught:
        asked(mutual, respond, alpn=("h2",))
    assert str(caught.value).startswith(("a parser refused it", "it closed before", "it ended"))
    assert frames.startswith(caught.value.start)


@pytest.mark.parametrize(
    "frame",
    ["0000040300000000010000000d", "00000807000000000000000000" + "0000000d"],
    ids=["reset", "GOAWAY"],
)
def test_a_request_that_needs_http_1_1_is_explained_by_the_frames_of_the_server(mutual, frame):
    """RFC 9113 7, HTTP_1_1_REQUIRED: whatever the parser calls it."""

    def respond(channel):
        channel.recv(1)
        channel.sendall(bytes.fromhex("000000040000000000" + frame))
        channel.close(linger=1)

    with pytest.raises(
        http.EndedByCode, match="^it ended the request with the error HTTP_1_1_REQUIRED of HTTP/2$"
    ) as caught:
        asked(mutual, respond, alpn=("h2",))
    found = explain_answer(caught.value.start, Situation(OwnSide(Role.CLIENT)))
    assert found is not None and found.first.cause.name == "HTTP1_REQUIRED"


def test_te_is_named_by_connection_in_http_1_1_alone(mutual):
    """RFC 9110 10.1.4, RFC 9113 8.2.2."""
    te = ((b"TE", b"trailers"),)
    for alpn, respond, named in (
        ("http/1.1", http_talk.answer_http, "TE"),
        ("h2", http_talk.answer_h2, None),
    ):
        content = asked(mutual, respond, alpn=(alpn,), headers=te)[1]
        sent = {name.lower(): value for name, value in json.loads(content)["headers"].items()}
        assert (sent["te"], sent.get("connection")) == ("trailers", named)


def test_an_empty_response_differs_from_an_invalid_one(mutual):
    with pytest.raises(http.NotHTTP) as caught:
        asked(mutual, lambda channel: channel.recv(1) and None)
    assert caught.value.start == b""


def test_content_beyond_its_bounds_is_refused_while_it_comes(mutual, monkeypatch):
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + b"x" * 300
    assert len(asked(mutual, http_talk.answering(long), most=300)[1]) == 300
    with pytest.raises(http.NotHTTP, match="longer than 299 bytes"):
        asked(mutual, http_talk.answering(long), most=299)
    monkeypatch.setattr(http, "FREE_PIECES", 16)
    crumbs = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100
    with pytest.raises(http.NotHTTP, match="too many small pieces"):
        asked(mutual, http_talk.answering(crumbs))


def test_what_alpn_offers_depends_on_the_body_and_on_what_was_asked_for(monkeypatch):
    """RFC 7301: a long body goes by HTTP/1.1, where a server can refuse it early."""
    assert http.protocols(None) == ("h2", "http/1.1")
    assert http.protocols(b"x" * http.FIRST_WINDOW) == ("h2", "http/1.1")
    assert http.protocols(b"x" * (http.FIRST_WINDOW + 1)) == ("http/1.1",)
    assert http.protocols(b"x" * (http.FIRST_WINDOW + 1), "2") == ("h2",)
    monkeypatch.setattr(http, "find_spec", lambda name: None)
    assert http.protocols(None, "1.1") == ("http/1.1",)
    for only in (None, "2"):
        with pytest.raises(ConfigError, match=r"pip install 'bothways\[http\]'"):
            http.protocols(None, only)
