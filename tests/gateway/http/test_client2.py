"""Services of HTTP/2 that are hostile: whatever they send, the client gets 502 or a cut for that request alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import h2.connection
import h2.events
import hpack
import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PushPromiseFrame, SettingsFrame

from bothways.gateway.http.conversation import REFUSALS
from bothways.gateway.http.forward import INFORMATIONAL
from bothways.gateway.http.services import IDLE
from bothways.http2.frames import PREFACE, FrameReader, Kind
from bothways.http2.frames import Frame as Frame2
from gateway_http import HTTP, told_requests
from gateway_talk import Setting, service, until

pytestmark = pytest.mark.network

BY_HTTP2 = f'{HTTP}\nbackend_http = "2"'
HEAD = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(*fields: tuple[str, str], end: bool = False) -> Frame:
    return HeadersFrame(1, data=hpack.Encoder().encode(fields), flags=["END_HEADERS", *["END_STREAM"] * end])


def answering(*frames: Frame) -> Callable[..., Any]:
    """A service that answers the first request with these frames."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)
        writer.write(SettingsFrame(0).serialize())
        kind = -1
        while kind != HeadersFrame.type:
            first = await reader.readexactly(9)
            kind = first[3]
            await reader.readexactly(int.from_bytes(first[:3]))
        writer.write(b"".join(each.serialize() for each in frames))
        await writer.drain()
        while await reader.read(65536):
            pass

    return talk


async def got(setting: Setting, *frames: Frame, version: str = "http/1.1") -> bytes:
    """What a client of HTTP/1.1 gets, until the end or the first that is enough."""
    async with service(answering(*frames)) as behind:
        setting.write(behind.route(keys=BY_HTTP2))
        async with setting.gateway() as gateway:
            reader, writer = await setting.open(gateway, alpn=(version,))
            writer.write(GET)
            received = await reader.readuntil(b"\r\n\r\n")
            await until(lambda: told_requests(setting))
            return bytes(received)


PROMISE = hpack.Encoder().encode(
    [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
)
EVIL = {
    "a status with a sign": [head((":status", "+200"), end=True)],
    "a status with an underscore": [head((":status", "2_00"), end=True)],
    "a status below all": [head((":status", "50"), end=True)],
    "a status above all": [head((":status", "123456789"), end=True)],
    "a status that is no number": [head((":status", "abc"), end=True)],
    "a negative status": [head((":status", "-5"), end=True)],
    "a switch to another protocol": [head((":status", "101"), end=False)],
    "a field with a line end": [head((":status", "200"), ("x", "a\r\nset-cookie: b"), end=True)],
    "a name with a line end": [head((":status", "200"), ("x\r\ny", "a"), end=True)],
    "a field with a control character": [head((":status", "200"), ("x", "a\x1b[2J"), end=True)],
    "an informational response with one": [head((":status", "103"), ("x", "a\x7f"))],
    "a name with an upper-case letter": [head((":status", "200"), ("X-Y", "a"), end=True)],
    "a field of HTTP/1.1 connections": [head((":status", "200"), ("transfer-encoding", "chunked"), end=True)],
    "a pseudo-header field of requests": [head((":status", "200"), (":path", "/"), end=True)],
    "no status": [head(("x", "y"), end=True)],
    "a length and no body": [head((":status", "200"), ("content-length", "2"), end=True)],
    "fields that are larger than we said": [head((":status", "200"), *[("x", "a" * 3000)] * 24, end=True)],
    "informational responses without an end": [head((":status", "103"))] * 200,
    "a body before a head": [DataFrame(1, data=b"abc")],
    "a pushed response": [PushPromiseFrame(1, 2, data=PROMISE, flags=["END_HEADERS"])],
}


@pytest.mark.parametrize("what", EVIL)
def test_an_invalid_response_reaches_no_client(
    setting: Setting, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        received = await got(setting, *EVIL[what])
        assert b"set-cookie" not in received.lower()
        final = [each for each in received.split(b"HTTP/1.1 ")[1:] if not each.startswith(b"1")]
        assert [each[:4] for each in final] == [b"502 "] or what.startswith("informational")
        [line] = told_requests(setting)
        assert line["status"] == 502
        assert line["cause"] in ("PEER_BREAKS_RULES", "BEYOND_OUR_LIMITS"), line

    asyncio.run(talk())
    assert "never retrieved" not in caplog.text


BROKEN = {
    "a malformed head": head((":status", "200"), ("X", "a"), end=True).serialize(),
    "a status that is none": head((":status", "abc"), end=True).serialize(),
    "heads without an end": head((":status", "103")).serialize() * 40,
    "a head after the head": head((":status", "200")).serialize() * 2,
    "a body that is too long": head((":status", "200"), ("content-length", "1")).serialize()
    + DataFrame(1, data=b"xy").serialize(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_malformed_response_ends_its_request_and_no_other_of_the_same_connection(
    setting: Setting, what: str
) -> None:
    """RFC 9113 8.1.1: the second request is under way while the first one gets no response."""

    async def talk_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames, heads = FrameReader(PREFACE), 0
        writer.write(SettingsFrame(0).serialize())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for each in frames.take(data):
                    got.append(each)
                    heads += each.kind == Kind.HEADERS
                    if each.kind == Kind.HEADERS and heads == 2:
                        writer.write(BROKEN[what])
                    if each.kind == Kind.RST_STREAM:
                        ok = HeadersFrame(3, data=b"\x88", flags=["END_HEADERS", "END_STREAM"])
                        writer.write(ok.serialize())

    got: list[Frame2] = []

    async def talk() -> None:
        async with service(talk_to) as behind:
            setting.write(behind.route(keys=BY_HTTP2))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway, alpn=("h2",))
                http = h2.connection.H2Connection()
                http.initiate_connection()
                for number in (1, 3):
                    http.send_headers(number, HEAD, end_stream=True)
                    writer.write(http.data_to_send())
                    await until(lambda: any(each.kind == Kind.HEADERS for each in got))
                statuses: dict[int, bytes] = {}
                while statuses.get(3) is None:
                    for event in http.receive_data(await reader.read(65536)):
                        if isinstance(event, h2.events.ResponseReceived):
                            statuses[event.stream_id] = dict(event.headers)[b":status"]
                await until(lambda: len(told_requests(setting)) == 2)
                assert statuses[3] == b"200" and statuses.get(1) in (b"502", b"200")
                assert len(behind.writers) == 1
                writer.transport.abort()
        broken, good = sorted(told_requests(setting), key=lambda each: each["cause"] is None)
        assert (broken["cause"], good["status"], good["cause"]) == ("PEER_BREAKS_RULES", 200, None)
        assert "(RFC 9113 " in broken["ended"]
        assert "(RFC 9113 " not in str(statuses)

    asyncio.run(talk())


def test_some_informational_responses_pass(setting: Setting) -> None:
    frames = [*[head((":status", "103"))] * 3, head((":status", "204"), end=True)]
    assert INFORMATIONAL > 3

    async def talk() -> None:
        assert (await got(setting, *frames)).startswith(b"HTTP/1.1 103")
        [line] = told_requests(setting)
        assert line["status"] == 204

    asyncio.run(talk())


@pytest.mark.parametrize("status", ["204", "304"])
def test_trailers_of_a_response_that_has_no_body_are_left_out(setting: Setting, status: str) -> None:
    """RFC 9112 6.3: nothing may follow its head."""

    async def talk() -> None:
        received = await got(setting, head((":status", status)), head(("x-sum", "1"), end=True))
        assert received.startswith(b"HTTP/1.1 " + status.encode())
        [line] = told_requests(setting)
        assert (line["status"], line["ended"]) == (int(status), None)

    asyncio.run(talk())


LEAVING = GoAwayFrame(0, last_stream_id=1)


def test_a_service_that_takes_no_more_requests_ends_those_that_it_took(setting: Setting) -> None:
    """RFC 9113 6.8: nginx, Go and gRPC say so, when they end or a connection is old; then a new one is used."""
    ok = DataFrame(1, data=b"ok", flags=["END_STREAM"])

    async def talk() -> None:
        async with service(answering(LEAVING, head((":status", "200")), LEAVING, ok)) as behind:
            setting.write(behind.route(keys=BY_HTTP2))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                for _ in range(3):
                    writer.write(GET)
                    await reader.readuntil(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
                assert len(behind.writers) == 3
                writer.transport.abort()

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("request_", "refusals", "status"),
    [
        (GET, 1, 200),
        (GET, REFUSALS - 1, 200),
        (GET, REFUSALS, 502),
        (GET.replace(b"GET", b"DELETE"), 1, 200),
        (GET.replace(b"GET", b"POST")[:-2] + b"Content-Length: 1\r\n\r\nx", 1, 502),
    ],
)
def test_an_unprocessed_request_is_repeated_if_that_is_safe(
    setting: Setting, request_: bytes, refusals: int, status: int
) -> None:
    """RFC 9113 8.7. Each connection of nginx takes so many requests; of a body a part is gone."""
    answers = [answering(GoAwayFrame(0, last_stream_id=0))] * refusals
    answers.append(answering(head((":status", "200"), end=True)))

    async def talk() -> None:
        async with service(lambda reader, writer: answers.pop(0)(reader, writer)) as behind:
            setting.write(behind.route(keys=BY_HTTP2))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(request_)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
                writer.transport.abort()

    asyncio.run(talk())


class OneAtOnce:
    """A service that takes one request at once on each connection, and answers none."""

    def __init__(self) -> None:
        self.connections = self.ready = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readexactly(24)
        writer.write(SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1}).serialize())
        missing = {"request", "acknowledgement"}
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                first = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(first[:3]))
                if first[3] == HeadersFrame.type:
                    missing.discard("request")
                elif first[3] == SettingsFrame.type and first[4] & 1:
                    missing.discard("acknowledgement")
                else:
                    continue
                self.ready += not missing


def test_a_client_gets_so_many_connections_to_a_service_and_no_more(setting: Setting) -> None:
    """However few requests the service takes at once on each."""

    async def talk() -> None:
        busy = OneAtOnce()
        async with service(busy.talk) as behind:
            setting.write(behind.route(keys=BY_HTTP2))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway, alpn=("h2",))
                http = h2.connection.H2Connection()
                http.initiate_connection()
                for count in range(1, IDLE + 2):
                    http.send_headers(2 * count - 1, HEAD, end_stream=True)
                    writer.write(http.data_to_send())
                    if count <= IDLE:
                        await until(lambda count=count: busy.ready == count)
                answers: list[h2.events.ResponseReceived] = []
                while not answers:
                    events = http.receive_data(await reader.read(65536))
                    answers += [each for each in events if isinstance(each, h2.events.ResponseReceived)]
                assert [each.stream_id for each in answers] == [2 * IDLE + 1]
                assert dict(answers[0].headers)[b":status"] == b"503"
                assert busy.connections == IDLE
                await until(lambda: told_requests(setting))
                assert "takes no more requests at once" in told_requests(setting)[0]["ended"]
                writer.transport.abort()

    asyncio.run(talk())
