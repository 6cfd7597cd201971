"""A gateway before services of HTTP/1.1 and of HTTP/2, and clients that break the rules of HTTP/2 frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import hpack
import pytest

from bothways.errors import TLSError
from bothways.gateway.server import Gateway
from bothways.http2.frames import PREFACE, Frame, FrameReader, GoAway, Kind
from bothways.http2.violations import ErrorCode
from gateway_http import HTTP, told_requests, web
from gateway_talk import ANYBODY, Setting, service, until
from http2_cases import ALL, STREAMS, Case, f, literal, posted, request

pytestmark = pytest.mark.network

START = PREFACE + f(Kind.SETTINGS, 0, 0)
LAST = 2 * STREAMS + 99
OK = hpack.Encoder().encode([(b":status", b"200"), (b"content-length", b"0")])


async def answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service of HTTP/2 that answers each request when it has ended."""
    frames = FrameReader(PREFACE)
    writer.write(f(Kind.SETTINGS, 0, 0))
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            for each in frames.take(data):
                if each.kind in (Kind.DATA, Kind.HEADERS) and each.flags & 1:
                    writer.write(f(Kind.HEADERS, 5, each.stream, OK))
    writer.close()


class RawClient:
    """A client that writes frames as they are, and keeps those that come."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.reader, self.writer = reader, writer
        self.got: list[Frame] = []
        self.ended = False
        self._frames = FrameReader()
        self._decoder = hpack.Decoder()
        self.statuses: dict[int, bytes] = {}

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(TLSError, OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(20):
            while not self.ended and not holds():
                try:
                    data = await self.reader.read(65536)
                except (TLSError, OSError):
                    data = b""
                self.ended = not data
                for each in self._frames.take(data):
                    self.got.append(each)
                    if each.kind == Kind.HEADERS:
                        fields = dict(self._decoder.decode(each.content, raw=True))
                        self.statuses.setdefault(each.stream, fields.get(b":status", b""))

    @property
    def goaway(self) -> int | None:
        """The code by which the gateway ended the connection."""
        found = [GoAway.of(each).code for each in self.got if each.kind == Kind.GOAWAY]
        return found[0] if found else None

    @property
    def resets(self) -> dict[int, int]:
        """The first code by which each stream was reset."""
        found: dict[int, int] = {}
        for each in self.got:
            if each.kind == Kind.RST_STREAM:
                found.setdefault(each.stream, int.from_bytes(each.content))
        return found


@contextlib.asynccontextmanager
async def raw_client(setting: Setting, gateway: Gateway) -> AsyncIterator[RawClient]:
    reader, writer = await setting.open(gateway, alpn=("h2",))
    made = RawClient(reader, writer)
    await made.send(START)
    yield made
    writer.transport.abort()


@contextlib.asynccontextmanager
async def gateway_before(setting: Setting, version: str) -> AsyncIterator[Gateway]:
    async with web() as requests, service(answer_each) as of_http2:
        behind = requests.behind if version == "1.1" else of_http2
        setting.write(behind.route(ANYBODY, keys=f'{HTTP}\nbackend_http = "{version}"'))
        async with setting.gateway() as gateway:
            yield gateway


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_that_breaks_a_rule_loses_what_the_rfc_says_and_no_more(
    setting: Setting, version: str, full: bool
) -> None:
    """RFC 9113 3 to 8, RFC 7541; the same before each kind of service."""

    async def talk() -> None:
        async with gateway_before(setting, version) as gateway:
            cases = ALL if full else random.Random(version).sample(ALL, 50)
            for case in cases:
                async with raw_client(setting, gateway) as client:
                    try:
                        await _check(client, case)
                    except TimeoutError:
                        pytest.fail(f"{case.id}: {client.got}")

    asyncio.run(talk())


async def _check(client: RawClient, case: Case) -> None:
    await client.send(case.sent)
    if case.ends is not None:
        await client.until(lambda: client.ended)
        assert client.goaway == case.ends, case.id
        return
    resets = case.resets or {}
    await client.until(
        lambda: client.resets.keys() >= resets.keys() and client.statuses.keys() >= {*case.answers}
    )
    assert not client.ended, case.id
    assert client.resets == resets, case.id
    assert {client.statuses[each] for each in case.answers} <= {b"200"}, case.id
    if 2**31 - 1 not in case.answers:
        await client.send(request(LAST))
        await client.until(lambda: LAST in client.statuses)
        assert client.statuses[LAST] == b"200", f"{case.id}: the connection goes on"


def test_one_request_too_many_is_refused_told_and_may_be_made_again(setting: Setting) -> None:
    """RFC 9113 5.1.2, 8.7: the others go on, and their end makes room."""

    async def talk() -> None:
        async with gateway_before(setting, "1.1") as gateway, raw_client(setting, gateway) as client:
            bodies = [2 * each + 1 for each in range(STREAMS)]
            await client.send(b"".join(map(posted, bodies)) + request(LAST))
            await client.until(lambda: client.resets)
            assert client.resets == {LAST: ErrorCode.REFUSED_STREAM}
            await until(lambda: told_requests(setting))
            [line] = told_requests(setting)
            assert (line["status"], line["cause"]) == (None, "SERVICE_BUSY")
            assert "5.1.2" in line["ended"]
            await client.send(b"".join(f(Kind.DATA, 1, each) for each in bodies))
            await client.until(lambda: len(client.statuses) == STREAMS)
            assert set(client.statuses.values()) == {b"200"}
            await client.send(request(LAST + 2))
            await client.until(lambda: LAST + 2 in client.statuses)
            assert client.statuses[LAST + 2] == b"200"

    asyncio.run(talk())


def test_a_client_that_goes_on_with_malformed_requests_is_ended_and_its_lines_with_it(
    setting: Setting,
) -> None:
    async def talk() -> None:
        async with gateway_before(setting, "1.1") as gateway, raw_client(setting, gateway) as client:
            for number in range(1, 2001, 2):
                await client.send(request(number, ("X", "a")))
                if number % 100 == 1:
                    await client.until(lambda at=number: at in client.resets)
                if client.ended:
                    break
            await client.until(lambda: client.ended)
            assert client.goaway == ErrorCode.ENHANCE_YOUR_CALM
            assert 50 < len(told_requests(setting)) < 400
            await until(lambda: "not valid HTTP/2" in setting.lines[-1])
        [ended] = [each for each in setting.reported() if each["kind"] == "connection"]
        assert (ended["code"], ended["cause"]) == ("REQUEST_REFUSED", "PEER_BREAKS_RULES")

    asyncio.run(talk())


def test_a_client_that_sends_pings_and_no_request_is_ended_as_an_idle_one(setting: Setting) -> None:
    """The time between requests is one: frames that ask nothing do not renew it, a request does."""

    async def talk() -> None:
        async with web() as requests:
            setting.write(requests.behind.route(ANYBODY, keys=HTTP), times={"keep_alive": 1.0})
            async with setting.gateway() as gateway, raw_client(setting, gateway) as client:
                await client.send(request(1))
                await client.until(lambda: 1 in client.statuses)
                pings = asyncio.create_task(_ping(client))
                await asyncio.sleep(0.7)
                await client.send(request(3))
                await client.until(lambda: client.ended)
                assert (client.statuses[3], client.goaway) == (b"200", ErrorCode.NO_ERROR)
                pings.cancel()

    asyncio.run(talk())


async def _ping(client: RawClient) -> None:
    while True:
        await client.send(f(Kind.PING, 0, 0, bytes(8)))
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("fields", "method", "path"),
    [
        (b"", "", "*"),
        (literal(":method", "a\x1b[31m"), "a\\x1b[31m", "*"),
        (literal(":path", "/" + "p" * 9000) + literal("x", "y"), "", "/" + "p" * 116 + "..."),
        (literal(":path", "/a?token=secret") + literal("X", "y"), "", "/a"),
        (literal(":path", "\xe4\r\n"), "", None),
    ],
)
def test_what_is_no_request_has_a_line_of_its_own_in_bounded_words(
    setting: Setting, fields: bytes, method: str, path: str | None
) -> None:
    async def talk() -> None:
        async with gateway_before(setting, "1.1") as gateway, raw_client(setting, gateway) as client:
            await client.send(f(Kind.HEADERS, 5, 1, fields))
            await client.until(lambda: client.resets)
            await until(lambda: told_requests(setting))
            [line] = told_requests(setting)
            assert (line["status"], line["method"], line["cause"]) == (None, method, "PEER_BREAKS_RULES")
            assert line["path"].isprintable() and len(line["path"]) <= 130
            assert path is None or line["path"] == path
            assert "secret" not in str(line)

    asyncio.run(talk())


def test_a_request_that_is_broken_on_its_way_is_ended_at_the_service_and_told(setting: Setting) -> None:
    """Its log line says what its client did."""

    async def talk() -> None:
        async with gateway_before(setting, "1.1") as gateway, raw_client(setting, gateway) as client:
            await client.send(posted(1, ("content-length", "5")) + posted(3))
            await asyncio.sleep(0.05)
            await client.send(f(Kind.DATA, 0, 1, b"more than 5"))
            await client.until(lambda: client.resets)
            await until(lambda: told_requests(setting))
            [line] = told_requests(setting)
            assert line["cause"] == "PEER_BREAKS_RULES" and "Content-Length" in line["ended"]
            await client.send(f(Kind.DATA, 1, 3))
            await client.until(lambda: 3 in client.statuses)
            assert client.statuses[3] == b"200"

    asyncio.run(talk())
