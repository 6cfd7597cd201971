"""Who may ask a gateway as its operator, over TCP and with how many connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.gateway.config.gateway import read_config
from bothways.gateway.http.operator import MOST_CONNECTIONS, Operator, is_this_host
from bothways.gateway.observe.pages import METRICS, Answer, PageAnswer
from gateway_talk import Setting
from operator_talk import asked

pytestmark = pytest.mark.network
ROUTE = 'backend = "127.0.0.1:1"\nallow = "any verified client"'
NOW = datetime.now(UTC)


@contextlib.asynccontextmanager
async def operator_of(setting: Setting) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to where a gateway answers its operator over TCP."""
    setting.write(ROUTE, metrics={"host": "localhost", "port": 0})
    async with setting.gateway() as gateway:
        number = int(gateway.addresses()[-1].removesuffix(" (metrics)").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("localhost", number)
        yield reader, writer
        writer.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:1", 421),
        ("[evil.example]", 421),
    ],
)
def test_a_web_page_does_not_read_it_by_a_name_that_leads_here(
    setting: Setting, host: str, status: int
) -> None:
    """DNS rebinding: the browser sends the name of the page."""
    assert is_this_host(host.encode()) == (status == 200)

    async def talk() -> None:
        async with operator_of(setting) as (reader, writer):
            writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 %d " % status)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("HEAD /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 200),
        ("GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n", 421),
        ("GET /healthz HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", 400),
        ("GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_probes_of_http10_are_answered_and_the_connection_closed(
    setting: Setting, request_text: str, status: int
) -> None:
    """HAProxy and keepalived ask in HTTP/1.0, and without a host, unless they are told otherwise."""

    async def talk() -> None:
        async with operator_of(setting) as (reader, writer):
            writer.write(request_text.encode())
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert b"\r\nconnection: close\r\n" in answer.lower()

    asyncio.run(talk())


async def nothing() -> None:
    """There are no numbers."""


@contextlib.asynccontextmanager
async def serving(answers: dict[bytes, Answer], path: Path) -> AsyncIterator[Operator]:
    operator = Operator(answers, nothing)
    server = await asyncio.get_running_loop().create_unix_server(operator.protocol, path)
    try:
        yield operator
    finally:
        server.close()
        await operator.close()


class Slow:
    """An answer that comes when it may."""

    def __init__(self) -> None:
        self.may_come = threading.Event()

    def __call__(self) -> PageAnswer:
        self.may_come.wait(20)
        return PageAnswer(200, "text/plain", b"at last")


def test_connections_without_a_request_keep_no_probe_out(tmp_path: Path) -> None:
    """There are so many and no more: the oldest of them is ended. Whoever waits for an answer keeps its place."""
    path, slow = tmp_path / "m.sock", Slow()

    async def talk() -> None:
        answers = {b"/slow": slow, b"/healthz": lambda: PageAnswer(200, "text/plain", b"ok")}
        async with serving(answers, path):
            waiting = asyncio.create_task(asyncio.to_thread(asked, path, "/slow"))
            held = [await asyncio.open_unix_connection(path) for _ in range(2 * MOST_CONNECTIONS)]
            try:
                assert await asyncio.to_thread(asked, path, "/healthz") == await asyncio.to_thread(
                    asked, path, "/healthz"
                )
                slow.may_come.set()
                assert (await waiting)[2] == b"at last"
                async with asyncio.timeout(20):
                    ended = [await reader.read() for reader, _ in held[:MOST_CONNECTIONS]]
                assert ended == [b""] * MOST_CONNECTIONS
            finally:
                slow.may_come.set()
                for _, each in held:
                    each.close()

    asyncio.run(talk())


def test_no_two_threads_make_one_answer_while_clients_wait(tmp_path: Path) -> None:
    """As many as there are would take the interpreter from the event loop again and again."""
    path, both = tmp_path / "m.sock", threading.Barrier(2)

    def metrics() -> PageAnswer:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.05)
            return PageAnswer(200, "text/plain", b"another thread is here, too")
        both.reset()
        return PageAnswer(200, "text/plain", b"alone")

    async def talk() -> None:
        async with serving({METRICS: metrics}, path):
            asking = [asyncio.to_thread(asked, path, "/metrics") for _ in range(4)]
            assert {content for _, _, content in await asyncio.gather(*asking)} == {b"alone"}

    asyncio.run(talk())


def test_no_connection_is_taken_where_all_wait_for_an_answer(tmp_path: Path) -> None:
    path, slow = tmp_path / "m.sock", Slow()

    async def talk() -> None:
        async with serving({METRICS: slow}, path) as operator:
            held = [await asyncio.open_unix_connection(path) for _ in range(MOST_CONNECTIONS)]
            try:
                for _, each in held:
                    each.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while len(operator.answering) < MOST_CONNECTIONS:
                    await asyncio.sleep(0.001)
                reader, writer = await asyncio.open_unix_connection(path)
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
                slow.may_come.set()
                for reader, _ in held:
                    assert (await reader.read()).endswith(b"at last")
            finally:
                slow.may_come.set()
                for _, each in held:
                    each.close()

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            'host = "0.0.0.0"\nport = 1',
            "0.0.0.0 is not this machine, and whoever connects could read who our",
        ),
        ('host = "metrics.example"\nport = 1', "metrics.example is not this machine"),
        ("", "expected `port`, with `host`"),
        ('port = 1\nhots = "x"', "did you mean `host`"),
        ('unix = "m.sock"\nport = 1', "metrics.port: stands beside `unix`; name one of the two"),
        ("port = 5555", "two listeners have the address 127.0.0.1:5555"),
    ],
)
def test_an_impossible_configuration_is_refused_with_its_line(
    setting: Setting, table: str, problem: str
) -> None:
    setting.write(ROUTE)
    text = setting.path.read_text().replace("port = 0", "port = 5555")
    setting.path.write_text(f"{text}[metrics]\n{table}\n")
    with pytest.raises(ConfigError, match=problem):
        read_config(setting.path)
    setting.path.write_text(f'{text}[metrics]\nhost = "0.0.0.0"\nport = 1\ninsecure_remote = true\n')
    assert str(read_config(setting.path).all_listeners[-1].address) == "0.0.0.0:1"
