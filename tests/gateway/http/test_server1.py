"""Requests of HTTP/1.1 as clients write them: what is understood in one way only passes, all else is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from bothways.gateway.http.messages import (
    FIELDS_LIMIT,
    HEAD_LIMIT,
    BodyEnd,
    ClientGone,
    RefusedRequest,
    Response,
    ServiceFailed,
)
from bothways.gateway.http.server1 import HTTP1Exchange, HTTP1Server, Patience
from bothways.gateway.relay.streams import ByteStream
from gateway_http import Wire

HOST = b"Host: a.example\r\n"


def talk(
    data: bytes, what: Callable[[HTTP1Server, Wire], Awaitable[Any]], *, end: bool = True, head: float = 5.0
) -> Any:
    """What comes of a client that sends this."""

    async def run() -> Any:
        stream, wire = ByteStream(), Wire()
        stream.connection_made(wire)
        stream.data_received(data)
        if end:
            stream.eof_received()
        return await what(HTTP1Server(stream, Patience(0.05, head, 5.0)), wire)

    return asyncio.run(run())


async def read_all(server: HTTP1Server, _: Wire) -> list[tuple[HTTP1Exchange, bytes, BodyEnd | None]]:
    """Every request with its body, each answered with 204."""
    found = []
    while (exchange := await server.next_exchange()) is not None:
        body, part = b"", None
        while exchange.request.has_body and not isinstance(part := await exchange.receive(), BodyEnd):
            body += part
        await exchange.respond(Response(204, []))
        await exchange.finish([])
        found.append((exchange, body, part))
    return found


def head(first: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST) -> bytes:
    return first + b"\r\n" + host + b"".join(each + b"\r\n" for each in fields) + b"\r\n"


def test_a_client_that_sends_nothing_but_empty_lines_gets_no_more_time_for_a_request() -> None:
    async def run() -> Any:
        stream = ByteStream()
        stream.connection_made(Wire())

        async def send() -> None:
            while True:
                if not stream.has_unread:
                    stream.data_received(b"\r\n")
                await asyncio.sleep(0.01)

        sending = asyncio.get_running_loop().create_task(send())
        try:
            async with asyncio.timeout(30):
                return await HTTP1Server(stream, Patience(0.2, 0.2, 5.0)).next_exchange()
        finally:
            sending.cancel()

    assert asyncio.run(run()) is None


POST, CHUNKED = b"POST /p HTTP/1.1", b"Transfer-Encoding: chunked"


def test_requests_come_one_after_another_with_their_bodies() -> None:
    data = head(POST, b"Content-Length: 5") + b"hello" + b"\r\n" + head(b"OPTIONS * HTTP/1.1")
    data += (
        head(POST, CHUNKED)
        + b'3;a="b;c"\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n'
        + head(b"HEAD /x?y HTTP/1.1")
    )
    found = talk(data, read_all)
    assert [each.request.method for each, *_ in found] == [b"POST", b"OPTIONS", b"POST", b"HEAD"]
    assert [each.request.target for each, *_ in found] == [b"/p", b"*", b"/p", b"/x?y"]
    assert [each.request.length for each, *_ in found] == [5, 0, None, 0]
    assert [body for _, body, _ in found] == [b"hello", b"", b"abcde", b""]
    assert found[2][2] == BodyEnd([(b"x-sum", b"1")])
    assert all(each.may_go_on for each, *_ in found)


REFUSED = [
    # lengths that two parsers would read in two ways (RFC 9112 6.3, 11.2)
    (head(POST, b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 400, "Content-Length beside"),
    (head(POST, b"Content-Length: 5", b"Content-Length: 6"), 400, "conflicting Content-Length"),
    (head(POST, b"Content-Length: 5, 6"), 400, "conflicting Content-Length"),
    (head(POST, b"Content-Length: +5"), 400, "bad Content-Length"),
    (head(POST, b"Content-Length: 0x5"), 400, "bad Content-Length"),
    (head(POST, b"Content-Length: -1"), 400, "bad Content-Length"),
    (head(POST, b"Content-Length: 1_0"), 400, "bad Content-Length"),
    (head(POST, b"Content-Length: "), 400, "bad Content-Length"),
    (head(POST, b"Content-Length: " + b"9" * 30), 400, "bad Content-Length"),
    (head(POST, CHUNKED, CHUNKED), 501, "multiple Transfer-Encoding"),
    (head(POST, b"Transfer-Encoding: gzip, chunked"), 501, "Only Transfer-Encoding: chunked"),
    (head(POST, b"Transfer-Encoding: chunked, identity"), 501, "Only Transfer-Encoding: chunked"),
    (head(POST, b"Transfer-Encoding: xchunked"), 501, "Only Transfer-Encoding: chunked"),
    (head(POST, b"Transfer-Encoding: \x0bchunked"), 400, "illegal header line"),
    (head(POST, b"Transfer-Encoding : chunked"), 400, "illegal header line"),
    (head(POST, b" Transfer-Encoding: chunked"), 400, "second line"),
    # lines (RFC 9112 2.2, 5.2)
    (head(b"GET / HTTP/1.1", b"X: a\r\n b"), 400, "second line"),
    (head(b"GET / HTTP/1.1", b"X: a\r\n\tb"), 400, "second line"),
    (head(b"GET / HTTP/1.1", b"X: a\nTransfer-Encoding: chunked"), 400, "CR LF"),
    (head(b"GET / HTTP/1.1", b"X: a\rb"), 400, "CR LF"),
    (b"GET / HTTP/1.1\nHost: a.example\n\n", 400, "CR LF"),
    (head(b"GET / HTTP/1.1", b"X: a\x00b"), 400, "illegal header line"),
    (head(b"GET / HTTP/1.1", b"no colon"), 400, "illegal header line"),
    (head(b"GET / HTTP/1.1", b": no name"), 400, "illegal header line"),
    (head(b"GET / HTTP/1.1", b"Client-Cert : x"), 400, "illegal header line"),
    (head(b"GET / HTTP/1.1", b"Client Cert: x"), 400, "illegal header line"),
    # for whom (RFC 9112 3.2)
    (head(host=b""), 400, "Missing mandatory Host"),
    (head(b"GET / HTTP/1.1", b"host: b.example"), 400, "multiple Host"),
    (head(b"GET https://b.example/ HTTP/1.1"), 400, "another host than Host"),
    (head(b"GET http://a.example/ HTTP/1.1"), 400, "neither a path nor a URL of https"),
    (head(b"GET a.example HTTP/1.1"), 400, "neither a path nor a URL of https"),
    (head(b"CONNECT a.example:443 HTTP/1.1"), 400, "neither a path nor a URL of https"),
    # versions and request lines
    (head(b"GET / HTTP/1.0"), 505, "HTTP/1.1 is needed"),
    (head(b"GET / HTTP/2.0"), 505, "HTTP/1.1 is needed"),
    (head(b"GET /"), 400, "illegal request line"),
    (head(b"GET  / HTTP/1.1"), 400, "illegal request line"),
    (head(b"GET /a b HTTP/1.1"), 400, "illegal request line"),
    (head(b"GET\t/ HTTP/1.1"), 400, "illegal request line"),
    (b"\r\n\r\n" + head(), 400, "no request line"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1 is needed"),
    # bounds
    (head(b"GET / HTTP/1.1", *[b"X: y"] * FIELDS_LIMIT), 431, "more than 128 header fields"),
    (head(b"GET /" + b"x" * HEAD_LIMIT + b" HTTP/1.1"), 431, "more than 32768 bytes"),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT, 431, "more than 32768 bytes"),
    # bodies
    (head(POST, CHUNKED) + b"x\r\n", 400, "illegal chunk header"),
    (head(POST, CHUNKED) + b"-1\r\n", 400, "illegal chunk header"),
    (head(POST, CHUNKED) + b"0x5\r\nhello\r\n", 400, "illegal chunk header"),
    (head(POST, CHUNKED) + b"5\nhello\r\n0\r\n\r\n", 400, "illegal chunk header"),
    (head(POST, CHUNKED) + b"5\r\nhelloXX0\r\n\r\n", 400, "malformed chunk footer"),
    (head(POST, CHUNKED) + b"5;" + b"x" * (HEAD_LIMIT + 16384), 400, "Receive buffer too long"),
    (head(POST, CHUNKED) + b"1" * 21 + b"\r\n", 400, "illegal chunk header"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status", "told"), REFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused(data: bytes, status: int, told: str) -> None:
    with pytest.raises(RefusedRequest, match=told) as refused:
        talk(data + b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n", read_all)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHo",
        head(POST, b"Content-Length: 5") + b"hell",
        head(POST, CHUNKED) + b"5\r\nhello\r\n",
        head(POST, CHUNKED) + b"5\r\nhello\r\n0\r\nX: y\r\n",
    ],
)
def test_a_request_that_ends_too_early_is_no_request(data: bytes) -> None:
    with pytest.raises((ClientGone, RefusedRequest)):
        talk(data, read_all)


@pytest.mark.parametrize(
    "body", [b"0\r\nX: y\nZ: y\r\n\r\n", b"0\r\n\n", b"2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n"]
)
def test_lines_of_a_body_are_checked_too_where_it_comes_after_its_head(body: bytes) -> None:
    """What a service could read otherwise than h11 is refused, whether or not a client waits with it."""

    async def read(together: bool) -> None:
        stream = ByteStream()
        stream.connection_made(Wire())
        server = HTTP1Server(stream, Patience(5.0, 5.0, 5.0))
        stream.data_received(head(POST, CHUNKED) + body * together)
        exchange = await server.next_exchange()
        assert exchange is not None
        stream.data_received(body * (not together))
        with pytest.raises(RefusedRequest, match="after the body of the request") as refused:
            while not isinstance(await exchange.receive(), BodyEnd):
                pass
        assert refused.value.status == 400

    for together in (True, False):
        asyncio.run(read(together))


def test_every_split_of_a_head_is_read_alike() -> None:
    """And a body is not part of it."""
    data = head(POST, b"Content-Length: 4") + b"\n\r\n "

    async def split(at: int) -> bytes:
        stream = ByteStream()
        stream.connection_made(Wire())
        server = HTTP1Server(stream, Patience(5.0, 5.0, 5.0))
        reading = asyncio.ensure_future(server.next_exchange())
        for part in (data[:at], data[at:]):
            stream.data_received(part)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        exchange = await reading
        assert exchange is not None
        body = b""
        while not isinstance(part_of := await exchange.receive(), BodyEnd):
            body += part_of
        return body

    assert {asyncio.run(split(at)) for at in range(1, len(data))} == {b"\n\r\n "}


@pytest.mark.parametrize(
    ("after", "path"),
    [(b"?q", b"/?q"), (b"", b"/"), (b"/a/b?q", b"/a/b?q"), (b"/?q/", b"/?q/"), (b"//a", b"//a")],
)
def test_absolute_form_is_the_path_of_the_same_host(after: bytes, path: bytes) -> None:
    [(exchange, *_)] = talk(head(b"GET HTTPS://A.example" + after + b" HTTP/1.1"), read_all)
    assert (exchange.request.target, exchange.request.authority) == (path, b"a.example")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ((b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket"), True),
        ((b"Connection: upgrade", b"Upgrade: h2c"), False),
        ((b"Connection: upgrade", b"Upgrade: websocket, h2c"), False),
        ((b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: tls"), False),
        ((b"Upgrade: websocket",), False),
        ((b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 1"), False),
    ],
)
def test_nothing_but_a_websocket_is_switched_to(fields: tuple[bytes, ...], wanted: bool) -> None:
    async def ask(server: HTTP1Server, _: Wire) -> bool:
        exchange = await server.next_exchange()
        assert exchange is not None
        return exchange.request.websocket

    assert talk(head(b"GET / HTTP/1.1", *fields), ask) is wanted


def test_a_head_that_is_slow_gets_a_408_and_silence_ends_the_connection() -> None:
    with pytest.raises(RefusedRequest, match="did not come in time") as refused:
        talk(b"GET / HTTP/1.1\r\nX: y", read_all, end=False, head=0.05)
    assert refused.value.status == 408
    assert talk(b"", read_all, end=False, head=0.05) == []
    assert len(talk(head(), read_all, end=False)) == 1


def test_an_error_response_is_short_and_ends_the_connection() -> None:
    async def refuse(server: HTTP1Server, wire: Wire) -> bytes:
        await server.refuse(RefusedRequest(421, "not here \x1b\u2603"))
        return bytes(wire.written)

    answer = talk(b"", refuse)
    first, _, body = answer.partition(b"\r\n\r\n")
    assert first.splitlines()[0] == b"HTTP/1.1 421 Misdirected Request"
    assert b"connection: close" in first.lower() and b"content-length: %d" % len(body) in first.lower()
    assert body == b"421 Misdirected Request: not here \\x1b\\u2603\n"

    async def hide(server: HTTP1Server, wire: Wire) -> bytes:
        await server.refuse(RefusedRequest(502, "the backend 10.0.0.1:80 cannot be reached"))
        return bytes(wire.written)

    assert b"10.0.0.1" not in talk(b"", hide)


def test_a_response_that_http_cannot_have_is_the_services_fault() -> None:
    async def answer(server: HTTP1Server, _: Wire) -> None:
        exchange = await server.next_exchange()
        assert exchange is not None
        await exchange.respond(Response(200, [(b"content-length", b"1")]))
        with pytest.raises(ServiceFailed):
            await exchange.send(b"two")
        with pytest.raises(ServiceFailed):
            await exchange.respond(Response(200, [(b"x\r\ny", b"1")]))

    talk(head(), answer)


def test_any_bytes_are_requests_or_refused(full: bool) -> None:
    """RFC 9112; nothing but the documented exceptions."""
    chance = random.Random(9112)
    good = head(POST, CHUNKED) + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n" + head(POST, b"Content-Length: 2") + b"ok"
    for _ in range(5000 if full else 150):
        data = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 2)] = bytes(
                chance.choices(b"\r\n\t :;,0aA\x00\xff", k=chance.randint(0, 2))
            )
        with suppress(RefusedRequest, ClientGone):
            talk(bytes(data), read_all, end=True)
