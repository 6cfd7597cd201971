"""One HTTP exchange over real sockets: what is dialled, what is sent, and what ends a reply."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest

import identities
from bothways import TLSError
from bothways.fetch.transport import CHUNK, HEAD_LIMIT, Reply, exchange, resolve
from bothways.net import wrap
from bothways.trust.evidence.http_exchange import HTTPRequest
from bothways.trust.evidence.locations import read_location
from fetch.responders import Asked, Responder, answering, redirect, reply

pytestmark = pytest.mark.network

LIMIT = 1000
# What `socket.getaddrinfo` returns for 8.8.8.8.
ADDRESSES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]


def talk(
    responder: Responder, method: str = "GET", body: bytes = b"", path: str = "x", **headers: str
) -> Reply:
    location = read_location(f"http://ocsp.example:{responder.port}/{path}")
    return asyncio.run(exchange(HTTPRequest(method, location, headers, body), "127.0.0.1", LIMIT))


def test_the_address_is_connected_to_and_the_host_is_in_the_header() -> None:
    """Whatever the name leads to: it was looked at before."""
    with answering(b"hello") as responder:
        assert talk(responder, Accept="x/y") == Reply(200, "", b"hello")
        [asked] = responder.asked
        assert (asked.method, asked.target) == ("GET", "/x")
        assert asked.headers["host"] == f"ocsp.example:{responder.port}"
        assert asked.headers["accept"] == "x/y"


def test_a_request_is_posted_with_its_length() -> None:
    """RFC 6960 A.1."""
    with answering(lambda asked: reply(asked.body[::-1])) as responder:
        assert talk(responder, "POST", b"abc").body == b"cba"
        assert responder.asked[0].headers["content-length"] == "3"


def test_proxy_variables_and_stored_passwords_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment says where a question goes."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    with answering(b"direct") as responder:
        assert talk(responder).body == b"direct"
        assert "authorization" not in responder.asked[0].headers


def test_a_redirect_is_returned_and_not_followed() -> None:
    """Where it leads has to be looked at first."""
    with answering(lambda _: redirect("http://inner.example/", "307 Temporary Redirect")) as responder:
        assert talk(responder) == Reply(307, "http://inner.example/")
        assert len(responder.asked) == 1


def test_content_of_a_refusal_is_not_read() -> None:
    """It may be as long as it likes."""
    with answering(lambda _: reply(b"x" * LIMIT * 2, "404 Not Found")) as responder:
        assert talk(responder) == Reply(404)


def chunked(pieces: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"64\r\n" + (b"x" * 100 + b"\r\n64\r\n") * pieces


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(b"x" * (LIMIT + 1)), "longer than 1000 bytes"),
        (chunked(20), "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1), "longer than 1000 bytes"),
        (reply(b"x", Content_Encoding="gzip"), r"compressed \(gzip\)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "is not valid HTTP"),
        (b"SSH-2.0-OpenSSH_9\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "does not begin within"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n" * 10_000, "does not begin within"),
        (b"", "is not valid HTTP"),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_a_malformed_or_too_long_reply_is_refused(answer: bytes, problem: str) -> None:
    """However long it is, no more is read than is allowed."""
    with answering(lambda _: answer) as responder, pytest.raises(ValueError, match=problem):
        talk(responder)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (CHUNKED + b"1\r\nx\r\n" * 500_000, "comes in too many small pieces"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, "does not begin within"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000, "does not begin within"),
        (CHUNKED + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 50_000, "Receive buffer too long"),
        (CHUNKED + b"1;" + b"x" * 200_000, "Receive buffer too long"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "conflicting Content-Length",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "bad Content-Length"),
        (b"x" * 30_000 + b"\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: " + b"x" * 30_000 + b"\r\n\r\n", "is compressed"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ""),
    ],
    ids=["crumbs", "1xx", "headers", "trailers", "extension", "lengths", "digits", "status", "coding", "101"],
)
def test_an_endless_or_malformed_reply_is_ended_and_delays_nothing(answer: bytes, problem: str) -> None:
    """Whatever it is made of; other connections have their turn meanwhile, and the words for it are few."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ask(port: int) -> str:
        waiting = asyncio.create_task(others())
        form = HTTPRequest("GET", read_location(f"http://ocsp.example:{port}/"), {})
        try:
            return str((await exchange(form, "127.0.0.1", 32 * 1024 * 1024)).status)
        except ValueError as error:
            return str(error)
        finally:
            waiting.cancel()

    with answering(lambda _: answer) as responder:
        said = asyncio.run(ask(responder.port))
    assert problem in said and len(said) < 400
    # Never more than a piece is looked at in one turn.
    assert turns > min(len(answer), HEAD_LIMIT) // CHUNK


def test_a_body_without_length_ends_with_the_connection() -> None:
    """RFC 9112 6.3."""
    with answering(lambda _: b"HTTP/1.1 200 OK\r\n\r\nall of it") as responder:
        assert talk(responder).body == b"all of it"


def test_a_refused_connection_is_an_os_error() -> None:
    """OSError, which says what."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    form = HTTPRequest("GET", read_location(f"http://127.0.0.1:{port}/"), {})
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(exchange(form, "127.0.0.1", LIMIT))


def test_a_cancelled_exchange_closes_its_connection() -> None:
    """A responder that answers very slowly, or never, blocks nothing."""
    stalling: list[Responder] = []

    def never(_: Asked) -> bytes:
        stalling[0].stall()
        return b""

    async def impatient(responder: Responder) -> None:
        form = HTTPRequest("GET", read_location(responder.url), {})
        async with asyncio.timeout(0.1):
            await exchange(form, "127.0.0.1", LIMIT)

    with answering(never) as responder:
        stalling.append(responder)
        with pytest.raises(TimeoutError):
            asyncio.run(impatient(responder))


def over_https(host: str) -> Reply:
    """One exchange with a server of ours for localhost."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answered_once, args=(listener,), daemon=True).start()
        location = read_location(f"https://{host}:{listener.getsockname()[1]}/", https=True)
        return asyncio.run(exchange(HTTPRequest("GET", location, {}), "127.0.0.1", LIMIT))


def _answered_once(listener: socket.socket) -> None:
    sock, _ = listener.accept()
    config = identities.server_config(client_anchors=None)
    with contextlib.suppress(TLSError, OSError), wrap(sock, config, timeout=60) as channel:
        channel.recv(4096)
        channel.sendall(reply(b"safe"))


def test_https_is_verified_for_the_hosts_name_by_the_systems_anchors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is dialled that was looked at, and the certificate must have the name all the same."""
    with pytest.raises(OSError, match="certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        over_https("localhost")
    (tmp_path / "root.pem").write_bytes(identities.root().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    assert over_https("localhost").body == b"safe"
    with pytest.raises(OSError, match="certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        over_https("elsewhere.example")


def test_names_are_resolved_and_an_invalid_name_is_an_error() -> None:
    """In the order of the system; each once."""
    assert "127.0.0.1" in asyncio.run(resolve("localhost", 80))
    assert asyncio.run(resolve("127.1", 80)) == ["127.0.0.1"]
    with pytest.raises(OSError):
        asyncio.run(resolve("a" * 70 + ".example", 80))
