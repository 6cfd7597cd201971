"""Clients of HTTP/2, by the frames that they send: many requests at once, and no more cost than they are worth."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    AltSvcFrame,
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from bothways.errors import TLSError
from bothways.gateway.http.link2 import STREAM_WINDOW, Link2, Stream2
from bothways.gateway.http.messages import BodyEnd
from bothways.gateway.http.services import BUSY
from bothways.gateway.relay.streams import ByteStream
from bothways.gateway.server import Gateway
from bothways.http2.budget import COST_AT_ONCE
from bothways.http2.frames import FrameReader, GoAway, Kind
from gateway_http import (
    HTTP,
    Got,
    Wire,
    gateway_to,
    page,
    recorded_route,
    recording,
    told_requests,
    web,
)
from gateway_talk import Setting, service, until

pytestmark = pytest.mark.network

HEAD = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]


CONFIG = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)


class Client:
    """A client of HTTP/2 that does what it is told; `ended` is set when the gateway has ended the connection."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.reader, self.writer = reader, writer
        self.http = h2.connection.H2Connection(CONFIG)
        self.http.initiate_connection()
        self.frames = FrameReader()
        self.goaways: list[GoAway] = []  # taken out, since h2 would take each for the end of all streams
        self.events: list[Any] = []
        self.ended = False

    async def flush(self) -> None:
        with contextlib.suppress(TLSError, OSError):
            self.writer.write(self.http.data_to_send())
            await self.writer.drain()

    async def read(self) -> None:
        try:
            data = await self.reader.read(65536)
        except (TLSError, OSError):
            data = b""
        if not data:
            self.ended = True
            return
        for frame in self.frames.take(data):
            if frame.kind == Kind.GOAWAY:
                self.goaways.append(GoAway.of(frame))
            else:
                self.events += self.http.receive_data(frame.wire)
        for event in self.events:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                event.flow_controlled_length = 0
        await self.flush()

    async def until(self, holds: Any, seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds() and not self.ended:
                await self.read()

    def of(self, kind: type, number: int | None = None) -> list[Any]:
        found = [each for each in self.events if isinstance(each, kind)]
        return [each for each in found if number is None or each.stream_id == number]

    async def ask(
        self, *fields: tuple[str, str], body: bytes | None = None, **changes: str
    ) -> tuple[int, bytes]:
        """The status and the body of the answer to one request."""
        number = self.http.get_next_available_stream_id()
        head = [(name, changes.get(name[1:], value)) for name, value in HEAD]
        self.http.send_headers(number, [*head, *fields], end_stream=body is None)
        if body is not None:
            for at in range(0, len(body), 16384):
                self.http.send_data(number, body[at : at + 16384])
            self.http.end_stream(number)
        await self.flush()
        over = (h2.events.StreamEnded, h2.events.StreamReset)
        await self.until(lambda: any(self.of(each, number) for each in over))
        answers = self.of(h2.events.ResponseReceived, number)
        status = int(dict(answers[0].headers)[b":status"]) if answers else 0
        return status, b"".join(each.data for each in self.of(h2.events.DataReceived, number))


@contextlib.asynccontextmanager
async def client_of(setting: Setting, gateway: Gateway) -> AsyncIterator[Client]:
    reader, writer = await setting.open(gateway, alpn=("h2", "http/1.1"))
    made = Client(reader, writer)
    await made.flush()
    yield made
    writer.transport.abort()


def test_many_requests_at_once_reach_a_service_of_http11_with_who_asks(setting: Setting) -> None:
    """Slow ones hold up nobody; forged fields do not pass, in requests and in trailers."""
    may_go_on = asyncio.Event

    async def talk() -> None:
        go = may_go_on()

        async def answer(got: Got) -> bytes:
            if got.target == "/slow":
                await go.wait()
            return page(got)

        async with web(answer) as requests, gateway_to(setting, requests) as gateway:
            async with client_of(setting, gateway) as client:
                slow = client.http.get_next_available_stream_id()
                client.http.send_headers(slow, [*HEAD[:3], (":path", "/slow")], end_stream=True)
                status, body = await client.ask(("client-cert", "forged"), ("x_ssl_client_verify", "SUCCESS"))
                assert (status, b'"/"' in body) == (200, True)
                assert (await client.ask(body=b"x" * 60_000, method="POST", path="/p"))[0] == 200
                assert not client.of(h2.events.ResponseReceived, slow)
                go.set()
                await client.until(lambda: client.of(h2.events.StreamEnded, slow))
            assert "forged" not in str(requests.got) and "SUCCESS" not in str(requests.got)
            assert [len(each.body) for each in requests.got] == [0, 0, 60_000]
            assert all('"CN=good client"' in each["x-forwarded-client-cert"] for each in requests.got)
            await until(lambda: len(told_requests(setting)) == 3)
            assert {each["status"] for each in told_requests(setting)} == {200}

    asyncio.run(talk())


def test_trailers_of_http2_reach_the_service_without_what_a_client_made_up(setting: Setting) -> None:
    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            async with client_of(setting, gateway) as client:
                number = client.http.get_next_available_stream_id()
                client.http.send_headers(number, [(":method", "POST"), *HEAD[1:]])
                client.http.send_data(number, b"ok")
                client.http.send_headers(number, [("x-sum", "1"), ("client-cert", "forged")], end_stream=True)
                await client.flush()
                await client.until(lambda: client.of(h2.events.StreamEnded, number))
            [got] = requests.got
            assert (got.body, got.trailers) == (b"ok", [("x-sum", "1")])

    asyncio.run(talk())


def test_a_response_without_content_has_no_length(setting: Setting) -> None:
    """RFC 9110 8.6: curl resets the stream where there is one."""

    async def talk() -> None:
        async with web(lambda _: b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n") as requests:  # noqa: SIM117
            async with gateway_to(setting, requests) as gateway, client_of(setting, gateway) as client:
                assert await client.ask() == (204, b"")
                [answer] = client.of(h2.events.ResponseReceived)
                assert b"content-length" not in dict(answer.headers)

    asyncio.run(talk())


def test_a_request_that_its_client_resets_is_ended_at_the_service(setting: Setting) -> None:
    """Also one that the service does not answer: nothing is left of it."""

    async def talk() -> None:
        begun, over = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            begun.set()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            over.set()

        async with service(silent) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway, client_of(setting, gateway) as client:
                number = client.http.get_next_available_stream_id()
                client.http.send_headers(number, [(":method", "POST"), *HEAD[1:]])
                await client.flush()
                await asyncio.wait_for(begun.wait(), 20)
                client.http.reset_stream(number)
                await client.flush()
                await asyncio.wait_for(over.wait(), 5)

    asyncio.run(talk())


def test_more_requests_than_a_service_gets_at_once_wait_for_the_others(setting: Setting) -> None:
    async def talk() -> None:
        at_once = most = 0

        async def answer(got: Got) -> bytes:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.05)
            at_once -= 1
            return page(got)

        async with web(answer) as requests, gateway_to(setting, requests) as gateway:  # noqa: SIM117
            async with client_of(setting, gateway) as client:
                for _ in range(BUSY + 10):
                    number = client.http.get_next_available_stream_id()
                    client.http.send_headers(number, HEAD, end_stream=True)
                await client.flush()
                await client.until(lambda: len(client.of(h2.events.StreamEnded)) == BUSY + 10)
                assert len(client.of(h2.events.ResponseReceived)) == BUSY + 10
        assert len(requests.got) == BUSY + 10 and 1 < most <= BUSY

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("fields", "changes", "status"),
    [
        ((), {"authority": "other.example"}, 421),
        ((("host", "localhost"),), {}, 200),
        ((), {"scheme": "http"}, 400),
        ((), {"path": "x"}, 400),
        ((), {"method": "TRACE"}, 405),
        ((("connection", "close"),), {}, 0),
        ((("transfer-encoding", "chunked"),), {}, 0),
        ((("x", "a\r\nclient-cert: y"),), {}, 0),
        ((("content-length", "5"),), {}, 0),
        ((("content-length", "5"), ("content-length", "5")), {}, 0),
        ((("x", "a" * 20_000), ("z", "a" * 20_000)), {}, 431),
        ((), {"path": ""}, 0),
        ((("host", "other.example"),), {}, 0),
        ((("content-length", "+0"),), {}, 0),
        ((("content-length", "0"), ("content-length", "1")), {}, 0),
        ([(f"x-{number}", "y") for number in range(130)], {}, 431),
    ],
)
def test_a_request_of_http2_that_is_not_served_ends_its_stream_at_most(
    setting: Setting, fields: Any, changes: dict[str, str], status: int
) -> None:
    """RFC 9113 8.2, 8.3; 421 is for a client that uses one connection for several hosts (9.1.1)."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            async with client_of(setting, gateway) as client:
                assert (await client.ask(*fields, **changes))[0] == status
                if status == 0:
                    [reset] = client.of(h2.events.StreamReset)
                    assert reset.error_code == ErrorCodes.PROTOCOL_ERROR
                    await until(lambda: told_requests(setting))
                    [line] = told_requests(setting)
                    assert (line["status"], line["cause"]) == (None, "PEER_BREAKS_RULES")
                    assert "(RFC 9113 8." in line["ended"] and line["method"] == "GET"
                assert (await client.ask())[0] == 200, "the connection goes on"
            assert len(requests.got) == (2 if status == 200 else 1)

    asyncio.run(talk())


def on_the_wire(first: str, *fields: str, body: bytes = b"") -> bytes:
    return "".join(f"{each}\r\n" for each in (first, "host: localhost", *fields)).encode() + b"\r\n" + body


PASSED = on_the_wire("GET / HTTP/1.1")
POSTED = on_the_wire("POST / HTTP/1.1", "content-length: 2", body=b"ok")
CHUNKS = on_the_wire("POST / HTTP/1.1", "transfer-encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n")
LAST = on_the_wire("GET /last HTTP/1.1")


@pytest.mark.parametrize(
    ("fields", "body", "changes", "status", "passed"),
    [
        # what ends a line or a name in HTTP/1.1, in values and in names (RFC 9113 8.2.1)
        ([("x", "a\r\nTransfer-Encoding: chunked")], None, {}, 0, b""),
        ([("x", "a\nb: c")], None, {}, 0, b""),
        ([("x", "a\rb")], None, {}, 0, b""),
        ([("x", "a\0b")], None, {}, 0, b""),
        ([("x", " a")], None, {}, 0, b""),
        ([("x: y\r\nz", "a")], None, {}, 0, b""),
        ([("x:y", "a")], None, {}, 0, b""),
        ([("x y", "a")], None, {}, 0, b""),
        ([("", "a")], None, {}, 0, b""),
        ([("X", "a")], None, {}, 0, b""),
        # the same in pseudo-header fields, which become the request line
        ([], None, {"path": "/ HTTP/1.1\r\nHost: x\r\n\r\n"}, 0, b""),
        ([], None, {"path": "/ x"}, 400, b""),
        ([], None, {"path": ""}, 0, b""),
        ([], None, {"path": "https://localhost/"}, 400, b""),
        ([], None, {"path": "/a#b"}, 400, b""),
        ([], None, {"path": "*"}, 400, b""),
        ([("x", "a\x1b[2J")], None, {}, 400, b""),
        ([], None, {"method": "GET /x HTTP/1.1\r\nX:"}, 0, b""),
        ([], None, {"method": "GET x"}, 400, b""),
        ([], None, {"method": "CONNECT"}, 0, b""),
        ([], None, {"authority": "localhost\r\nx: y"}, 0, b""),
        ([], None, {"authority": "a@localhost"}, 400, b""),
        ([], None, {"authority": "localhost/x"}, 400, b""),
        ([("host", "other.example")], None, {}, 0, b""),
        # framing is that of HTTP/2 alone (RFC 9113 8.2.2)
        ([("transfer-encoding", "chunked")], b"0\r\n\r\n", {"method": "POST"}, 0, b""),
        ([("connection", "x")], None, {}, 0, b""),
        ([("upgrade", "h2c")], None, {}, 0, b""),
        ([("te", "gzip")], None, {}, 0, b""),
        ([("content-length", "1")], b"ok", {"method": "POST"}, 0, b""),
        ([("content-length", "3")], b"ok", {"method": "POST"}, 0, b""),
        ([("content-length", str(2**64 + 2))], b"ok", {"method": "POST"}, 0, b""),
        ([("content-length", "2"), ("content-length", "2")], b"ok", {"method": "POST"}, 400, b""),
        ([("content-length", str(2**64 + 2))], None, {"method": "POST"}, 0, b""),
        ([("content-length", "2")], b"ok", {"method": "POST"}, 200, POSTED),
        ([], b"ok", {"method": "POST"}, 200, CHUNKS),
        # what passes
        ([], None, {"method": "OPTIONS", "path": "*"}, 200, on_the_wire("OPTIONS * HTTP/1.1")),
        ([("transfer_encoding", "chunked"), ("content_length", "9")], None, {}, 200, PASSED),
        ([("expect", "100-continue")], None, {}, 200, on_the_wire("GET / HTTP/1.1", "expect: 100-continue")),
        (
            [("cookie", "a=b"), ("cookie", "c=d")],
            None, {}, 200, on_the_wire("GET / HTTP/1.1", "cookie: a=b; c=d"),
        ),
    ],
)  # fmt: skip
def test_a_request_of_http2_becomes_one_request_of_http11_or_none(
    setting: Setting,
    fields: list[tuple[str, str]],
    body: bytes | None,
    changes: dict[str, str],
    status: int,
    passed: bytes,
) -> None:
    """Byte for byte; 0 is a stream or a connection that is reset. What has become a part of one has no end."""

    async def talk() -> None:
        async with recording() as recorder:
            recorder.expected = [passed, LAST]
            setting.write(recorded_route(recorder.port))
            async with setting.gateway() as gateway:
                async with client_of(setting, gateway) as client:
                    assert (await client.ask(*fields, body=body, **changes))[0] == status
                async with client_of(setting, gateway) as client:
                    assert (await client.ask(path="/last"))[0] == 200
            if status == 200:
                assert recorder.requests == passed + LAST
            else:
                assert recorder.requests == LAST

    asyncio.run(talk())


@pytest.mark.parametrize(
    "trailer", [(":path", "/x"), ("x", "a\r\nb: c"), ("x:y", "z"), ("connection", "close")]
)
def test_trailers_of_http2_that_are_none_leave_a_request_without_an_end(
    setting: Setting, trailer: tuple[str, str]
) -> None:
    """RFC 9113 8.1: no pseudo-header fields, and nothing that ends a line."""

    async def talk() -> None:
        async with recording() as recorder:
            recorder.expected = [LAST]
            setting.write(recorded_route(recorder.port))
            async with setting.gateway() as gateway:
                async with client_of(setting, gateway) as client:
                    number = client.http.get_next_available_stream_id()
                    client.http.send_headers(number, [(":method", "POST"), *HEAD[1:]])
                    client.http.send_data(number, b"ok")
                    client.http.send_headers(number, [trailer], end_stream=True)
                    await client.flush()
                    await client.until(lambda: client.of(h2.events.StreamReset, number))
                    assert not client.of(h2.events.ResponseReceived, number)
                async with client_of(setting, gateway) as client:
                    assert (await client.ask(path="/last"))[0] == 200
            begun, _, rest = recorder.requests.partition(LAST)
            assert CHUNKS.startswith(begun) and begun != CHUNKS and rest == b""

    asyncio.run(talk())


def test_websockets_over_http2_are_refused(setting: Setting) -> None:
    """RFC 8441 is not offered."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            async with client_of(setting, gateway) as client:
                number = client.http.get_next_available_stream_id()
                client.http.send_headers(number, [(":method", "CONNECT"), (":authority", "localhost")])
                await client.flush()
                await client.until(lambda: client.of(h2.events.ResponseReceived, number))
                [answer] = client.of(h2.events.ResponseReceived, number)
                assert dict(answer.headers)[b":status"] == b"501"
                assert client.http.remote_settings.enable_connect_protocol == 0
            assert requests.got == []

    asyncio.run(talk())


def test_a_client_that_does_not_read_stops_its_service_and_no_other_stream(setting: Setting) -> None:
    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/much" not in head:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await reader.read()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(90):
            writer.write(bytes(100_000))
            await writer.drain()
            sent.append(1)

    sent: list[int] = []

    async def talk() -> None:
        async with service(much) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway, client_of(setting, gateway) as client:
                number = client.http.get_next_available_stream_id()
                client.http.send_headers(number, [*HEAD[:3], (":path", "/much")], end_stream=True)
                await client.flush()
                await client.until(lambda: client.of(h2.events.DataReceived, number))
                client.events.clear()
                await asyncio.sleep(0.3)
                assert len(sent) < 90, "the service was stopped"

    asyncio.run(talk())


def rapid_reset(client: Client) -> bytes:
    data = b""
    for _ in range(400):
        number = client.http.get_next_available_stream_id()
        client.http.send_headers(number, HEAD, end_stream=True)
        client.http.reset_stream(number, ErrorCodes.CANCEL)
        data += client.http.data_to_send()
    return data


def pings(client: Client) -> bytes:
    for _ in range(int(COST_AT_ONCE * 2)):
        client.http.ping(b"12345678")
    return client.http.data_to_send()


def settings(client: Client) -> bytes:
    return SettingsFrame(0, settings={4: 65535}).serialize() * int(COST_AT_ONCE * 2)


def small_windows(client: Client) -> bytes:
    return WindowUpdateFrame(0, window_increment=1).serialize() * int(COST_AT_ONCE * 2)


def empty_data(client: Client) -> bytes:
    number = client.http.get_next_available_stream_id()
    client.http.send_headers(number, HEAD)
    return client.http.data_to_send() + DataFrame(number).serialize() * int(COST_AT_ONCE * 2)


def continuations(client: Client) -> bytes:
    """CVE-2024-27316: a head without an end."""
    first = HeadersFrame(1, data=client.http.encoder.encode([(k.encode(), v.encode()) for k, v in HEAD]))
    return first.serialize() + ContinuationFrame(1, data=b"").serialize() * 1000


def header_bomb(client: Client) -> bytes:
    """One long field in the table of HPACK, then its index a thousand times."""
    encoded = client.http.encoder.encode([(b"x", b"y" * 3900)])
    frame = HeadersFrame(1, data=encoded + b"\xbe" * 4000)
    for each in ("END_HEADERS", "END_STREAM"):
        frame.flags.add(each)
    return frame.serialize()


def long_head(client: Client) -> bytes:
    """1 MiB of one byte that changes the size of a table: h2 would work at it for a second."""
    number = client.http.get_next_available_stream_id()
    frames = [HeadersFrame(number, data=b"\x20" * 16384, flags=["END_STREAM"])]
    frames += [ContinuationFrame(number, data=b"\x20" * 16384) for _ in range(62)]
    head = client.http.encoder.encode([(name.encode(), value.encode()) for name, value in HEAD])
    frames.append(ContinuationFrame(number, data=head, flags=["END_HEADERS"]))
    return b"".join(each.serialize() for each in frames)


def one_request_that_was_reset(client: Client) -> int:
    number: int = client.http.get_next_available_stream_id()
    client.http.send_headers(number, HEAD)
    client.http.reset_stream(number, ErrorCodes.CANCEL)
    return number


def windows_of_what_has_ended(client: Client) -> bytes:
    """h2 says nothing of them."""
    frame = WindowUpdateFrame(one_request_that_was_reset(client), window_increment=1)
    return client.http.data_to_send() + frame.serialize() * int(COST_AT_ONCE * 2)


def resets_of_what_has_ended(client: Client) -> bytes:
    frame = RstStreamFrame(one_request_that_was_reset(client), error_code=8)
    return client.http.data_to_send() + frame.serialize() * int(COST_AT_ONCE * 2)


def alternative_services(client: Client) -> bytes:
    return AltSvcFrame(0, origin=b"abc", field=b"x").serialize() * int(COST_AT_ONCE * 2)


def long_frame(client: Client) -> bytes:
    """Its head alone: h2 would collect 16 MiB before it refuses them."""
    return (2**24 - 1).to_bytes(3) + bytes((0x77,)) + bytes(5)


@pytest.mark.parametrize(
    "attack",
    [
        rapid_reset,
        pings,
        settings,
        small_windows,
        empty_data,
        continuations,
        header_bomb,
        long_head,
        long_frame,
        windows_of_what_has_ended,
        resets_of_what_has_ended,
        alternative_services,
    ],
)
def test_a_client_that_costs_more_than_it_brings_is_ended_and_no_other(setting: Setting, attack: Any) -> None:
    """Rapid reset (CVE-2023-44487), floods of frames (CVE-2019-9512 and others), of continuations, bombs of fields."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:  # noqa: SIM117
            async with client_of(setting, gateway) as other, client_of(setting, gateway) as client:
                assert (await other.ask())[0] == 200
                before = len(requests.got)
                await client.flush()
                data = attack(client)
                with contextlib.suppress(TLSError, OSError):
                    client.writer.write(data)
                    await client.writer.drain()
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    await client.until(lambda: client.ended or client.goaways)
                assert client.ended or client.goaways
                assert len(requests.got) - before <= 200
                assert (await other.ask())[0] == 200

    asyncio.run(talk())


def test_a_gateway_that_drains_lets_requests_of_http2_end_and_takes_no_more(setting: Setting) -> None:
    async def talk() -> None:
        go_on = asyncio.Event()

        async def slow(got: Got) -> bytes:
            await go_on.wait()
            return page(got)

        async with web(slow) as requests, gateway_to(setting, requests) as gateway:  # noqa: SIM117
            async with client_of(setting, gateway) as client, client_of(setting, gateway) as idle:
                first = client.http.get_next_available_stream_id()
                client.http.send_headers(first, HEAD, end_stream=True)
                await client.flush()
                await until(lambda: requests.connections)
                draining = asyncio.ensure_future(gateway.drain())
                await asyncio.sleep(0)
                second = client.http.get_next_available_stream_id()
                client.http.send_headers(second, HEAD, end_stream=True)
                await client.flush()
                await client.until(lambda: client.of(h2.events.StreamReset, second))
                go_on.set()
                await client.until(lambda: client.of(h2.events.StreamEnded, first))
                assert client.of(h2.events.ResponseReceived, first)
                [reset] = client.of(h2.events.StreamReset, second)
                assert reset.error_code == ErrorCodes.REFUSED_STREAM
                assert client.goaways[0] == GoAway(first, ErrorCodes.NO_ERROR)
                await asyncio.wait_for(draining, 20)
                await idle.until(lambda: idle.ended)
                assert {each.last for each in client.goaways} == {first}, "it never grows"

    asyncio.run(talk())


@pytest.mark.parametrize("code", [ErrorCodes.NO_ERROR, ErrorCodes.ENHANCE_YOUR_CALM])
def test_a_client_that_makes_no_more_requests_gets_the_responses_to_those_it_made(
    setting: Setting, code: ErrorCodes
) -> None:
    """RFC 9113 6.8: GOAWAY ends no streams; this one is within a request."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:  # noqa: SIM117
            async with client_of(setting, gateway) as client:
                number = client.http.get_next_available_stream_id()
                client.http.send_headers(number, [(":method", "POST"), *HEAD[1:]])
                client.http.send_data(number, b"o")
                leaving = GoAwayFrame(0, last_stream_id=0, error_code=code).serialize()
                client.writer.write(client.http.data_to_send() + leaving)
                client.http.send_data(number, b"k", end_stream=True)
                await client.flush()
                await client.until(lambda: client.of(h2.events.StreamEnded, number))
                assert client.of(h2.events.ResponseReceived, number) and requests.got[0].body == b"ok"

    asyncio.run(talk())


class Windows:
    """Stands for the connection of one stream: notes how the windows are opened again."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.streams: dict[int, Stream2] = {}

    def acknowledge(self, number: int, size: int) -> None:
        self.opened.append(size)

    async def flush(self) -> None:
        """There is nothing to be sent."""

    def flush_soon(self) -> None:
        """There is nothing to be sent."""


def test_parts_of_a_byte_each_are_taken_together() -> None:
    """A client may fill the window of a stream by 65,535 of them, while its service is slow."""

    async def talk() -> None:
        link = Windows()
        stream = Stream2(cast(Link2, link), 1)
        for _ in range(STREAM_WINDOW // 2):
            stream.came(b"x", 2)
        stream.came_to_end(BodyEnd([(b"sum", b"1")]))
        stream.came_to_end(BodyEnd())
        assert await stream.next_part() == b"x" * (STREAM_WINDOW // 2)
        assert link.opened == [STREAM_WINDOW // 2 * 2]
        assert await stream.next_part() == BodyEnd([(b"sum", b"1")])
        for _ in range(3):
            stream.came(b"", 100)
        stream.end(8)
        stream.drop()
        assert link.opened[1:] == [300]

    asyncio.run(talk())


GRPC_REPLIES = (
    WindowUpdateFrame(1, window_increment=1),
    WindowUpdateFrame(0, window_increment=1),
    PingFrame(0, opaque_data=b"12345678"),
)


@pytest.mark.parametrize(("window", "ends"), [(65535, False), (1, True)])
def test_replies_to_parts_of_a_body_are_free_but_not_windows_of_one_byte(window: int, ends: bool) -> None:
    """gRPC does so to measure the bandwidth; messages of streams are small and many."""

    async def talk() -> None:
        client = h2.connection.H2Connection(CONFIG)
        client.initiate_connection()
        client.update_settings({SettingsFrame.INITIAL_WINDOW_SIZE: window})
        client.send_headers(1, HEAD, end_stream=True)
        wire = ByteStream()
        wire.connection_made(Wire())
        link = Link2(wire, client_side=False, taking=1, head_limit=1 << 15)
        await link.start()

        async def came(data: bytes) -> None:
            async def read() -> bytes:
                return data

            await link.take_some(read)

        await came(client.data_to_send())
        stream = link.streams[1]
        await stream.send_fields([(b":status", b"200")])
        replies = b"".join(each.serialize() for each in GRPC_REPLIES)
        sending = asyncio.ensure_future(_parts(stream, b"x" if window > 1 else b"x" * 10_000))
        try:
            for _ in range(int(COST_AT_ONCE)):
                await came(replies)
        finally:
            sending.cancel()

    if ends:
        with pytest.raises(ConnectionAbortedError, match="bring nothing"):
            asyncio.run(talk())
    else:
        asyncio.run(talk())


async def _parts(stream: Stream2, part: bytes) -> None:
    while True:
        await stream.send_data(part)
        await asyncio.sleep(0)
