"""What a server of a test answers, remembers, and how it ends."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.request
from contextlib import suppress

import pytest

from bothways.testing import server as module
from bothways.testing.mutual import MutualTLS
from bothways.testing.server import BODY_LIMIT, CONNECTIONS_AT_ONCE, echo

pytestmark = pytest.mark.network


@pytest.fixture
def both(tmp_path):
    with MutualTLS(tmp_path) as made:
        yield made


def context_of(both, who="good") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=both.ca)
    if who is not None:
        mine = both.identity("client", who)
        context.load_cert_chain(mine.cert, mine.key)
    return context


def test_answers_of_http_tell_the_request_and_who_sent_it(both):
    server = both.server(client_auth="require")
    request = urllib.request.Request(server.url + "pay?x=1", data=b"amount=1", headers={"X-Test": "yes"})
    with urllib.request.urlopen(request, context=context_of(both)) as answer:
        reported = json.load(answer)
    assert (reported["method"], reported["path"], reported["body"]) == ("POST", "/pay?x=1", "amount=1")
    assert reported["headers"]["X-Test"] == "yes"
    assert reported["client"]["uri"] == ["spiffe://testing.example/client"]


def test_a_connection_carries_several_requests_also_of_anonymous_clients(both):
    server = both.server()
    connection = http.client.HTTPSConnection("localhost", server.port, context=context_of(both, None))
    for method in ("GET", "HEAD", "DELETE"):
        connection.request(method, "/")
        body = connection.getresponse().read()
        assert (body == b"") if method == "HEAD" else (json.loads(body)["client"] is None)
    connection.close()
    assert server.handshake().peer is None
    with pytest.raises(TimeoutError, match="no connection to port"):
        server.handshake(timeout=0.01)


@pytest.mark.parametrize("length", [str(BODY_LIMIT + 1), "-1", "many", "9" * 100])
def test_a_body_that_is_too_long_or_of_no_length_is_refused(both, length):
    answer = both.client().attempt(
        "localhost",
        both.server().port,
        request=f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode(),
    )
    assert answer.received.startswith(b"HTTP/1.1 413")


def test_echo_returns_what_comes(both):
    server = both.server(respond=echo)
    with both.client().connect("localhost", server.port) as channel:
        channel.sendall(b"both ways")
        assert channel.recv(100) == b"both ways"


def test_a_handshake_that_failed_tells_what_for(both):
    server = both.server(client_auth="require")
    with suppress(OSError), urllib.request.urlopen(server.url, context=context_of(both, "revoked")):
        pass
    reported = server.handshake()
    assert reported.peer is None
    assert "revoked" in str(reported)
    assert reported.explanation.causes
    server.close()
    assert str(both.server and reported).startswith("refused: the client ")


def test_a_handshake_that_succeeded_tells_who_came(both):
    server = both.server(client_auth="request", respond=echo)
    with both.client().connect("localhost", server.port):
        assert str(server.handshake()) == "accepted: CN=good client"
    with both.client(None).connect("localhost", server.port):
        assert str(server.handshake()) == "accepted: an anonymous client"


def test_a_server_ends_at_once_although_clients_hang(both, monkeypatch):
    """One that said nothing, one in the middle of its connection."""
    monkeypatch.setattr(module, "END_SECONDS", 90.0)
    server = both.server(respond=echo)
    silent = socket.create_connection((server.host, server.port))
    talking = both.client().connect("localhost", server.port)
    talking.sendall(b"hello")
    assert talking.recv(10) == b"hello"
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 60
    assert not [each for each in threading.enumerate() if each.name == "bothways-testing"]
    talking.close()
    silent.close()


def test_connections_beyond_the_limit_are_closed(both):
    server = both.server()
    several = [socket.create_connection((server.host, server.port)) for _ in range(CONNECTIONS_AT_ONCE + 1)]
    several[-1].settimeout(60)
    assert several[-1].recv(1) == b""
    for each in several:
        each.close()
