"""What tests of HTTP routes share: services that write down what they get, and clients that write what they please."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import h11

from bothways.errors import TLSError
from bothways.gateway.server import Gateway
from gateway_talk import ANYBODY, Service, Setting, service

HTTP = 'mode = "http"'
CUT = b"<cut>"


@dataclass
class Got:
    """A request as a service has got it, read by h11."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for key, value in self.fields if key == name)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fields]


def _text(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in headers]


@dataclass
class Requests:
    """The requests that a service has got, and its connections."""

    behind: Service
    got: list[Got] = field(default_factory=list)
    connections: int = 0


Answer = Callable[[Got], bytes | Awaitable[bytes]]


def page(got: Got) -> bytes:
    text = json.dumps({"method": got.method, "target": got.target, "body": len(got.body)}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + (
        b"" if got.method == "HEAD" else text
    )


@contextlib.asynccontextmanager
async def web(answer: Answer = page) -> AsyncIterator[Requests]:
    """A service of HTTP/1.1, which answers each whole request with these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        http = h11.Connection(h11.SERVER)
        got: Got | None = None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65536)
                http.receive_data(data)
            elif isinstance(event, h11.Request):
                got = Got(event.method.decode(), event.target.decode(), _text(event.headers))
            elif isinstance(event, h11.Data):
                assert got is not None
                got.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert got is not None
                got.trailers = _text(event.headers)
                made.got.append(got)
                made_of = answer(got)
                writer.write(made_of if isinstance(made_of, bytes) else await made_of)
                await writer.drain()
                rest = http.trailing_data[0]
                http = h11.Connection(h11.SERVER)
                http.receive_data(rest) if rest else None
            else:
                return

    async with service(talk) as behind:
        made = Requests(behind)
        yield made


@contextlib.asynccontextmanager
async def gateway_to(
    setting: Setting, requests: Requests, *keys: str, **tables: dict[str, Any]
) -> AsyncIterator[Gateway]:
    """A gateway with one route of HTTP to a service."""
    setting.write(requests.behind.route(ANYBODY, keys="\n".join([HTTP, *keys])), **tables)
    async with setting.gateway() as gateway:
        yield gateway


async def talk_raw(
    setting: Setting, gateway: Gateway, data: bytes, *, end: bool = True, seconds: float = 20.0
) -> bytes:
    """All that comes back to a client that sends this, and ends; with CUT where that is not in order."""
    reader, writer = await setting.open(gateway)
    writer.write(data)
    if end:
        writer.write_eof()
    came = b""
    async with asyncio.timeout(seconds):
        try:
            while part := await reader.read(65536):
                came += part
        except (TLSError, OSError):
            came += CUT
    return came


def told_requests(setting: Setting) -> list[dict[str, Any]]:
    """What was told of requests."""
    return [each for each in map(json.loads, setting.lines) if "method" in each]


ADDED = re.compile(rb"(?:x-forwarded-[a-z-]+|client-cert): [^\r\n]*\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Recorder:
    """A service that reads no HTTP: it writes down what comes, and answers once for each that it expects."""

    expected: list[bytes] = field(default_factory=list)
    came: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, answered = len(self.came), 0
        self.came.append(b"")
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.came[number] += data
                rest = ADDED.sub(b"", self.came[number])[answered:]
                if rest in self.expected:
                    answered += len(rest)
                    writer.write(OK)

    @property
    def requests(self) -> bytes:
        """All that came, on whatever connection, without the fields that the gateway adds."""
        return ADDED.sub(b"", b"".join(self.came))


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    made = Recorder()
    async with service(made.serve) as behind:
        made.port = behind.server.sockets[0].getsockname()[1]
        yield made


def recorded_route(port: int) -> str:
    """A route to a service that is recorded: what the gateway adds is what `ADDED` matches."""
    keys = f'server_names = ["localhost"]\nbackend = "127.0.0.1:{port}"\nidentity_headers = ["client-cert"]'
    return f"{keys}\n{HTTP}\n{ANYBODY}"


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.ended = self.aborted = self.closed = False
        self.reading = True
        self.left = 0

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return self.left
