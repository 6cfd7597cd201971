"""The client of a store: strict and bounded reading of whatever answers, and the pauses after there was no answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bothways.errors import ConfigError
from bothways.gateway.store import store_client
from bothways.gateway.store.store_client import StoreClient, check_usable
from bothways.testing import MutualTLS
from bothways.ticket_keys.store_answers import BadAnswer, StoreRefused
from processes import free_port
from ticket_keys.redis_server import redis_server, running_redis


@contextlib.asynccontextmanager
async def answering(folder: Path, *answers: bytes, seconds: float = 20.0) -> AsyncIterator[StoreClient]:
    """A server that has one answer for each question, whatever it is, and stays silent then."""
    remaining, writers = list(answers), []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                if remaining:
                    writer.write(remaining.pop(0))
        writer.close()

    server = await asyncio.start_unix_server(talk, str(folder / "store.sock"))
    client = StoreClient(f"unix://{folder}/store.sock", seconds)
    try:
        yield client
    finally:
        client.disconnect()
        server.close()
        for each in writers:
            each.transport.abort()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"+OK\r\n", b"OK"),
        (b":17\r\n", 17),
        (b":-1\r\n", -1),
        (b"$-1\r\n", None),
        (b"$0\r\n\r\n", b""),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*3\r\n:1\r\n$1\r\nx\r\n$-1\r\n", [1, b"x", None]),
    ],
)
def test_answers_are_read(tmp_path: Path, answer: bytes, expected: object) -> None:
    async def talk() -> None:
        async with answering(tmp_path, answer) as client:
            assert await client.ask(["PING"]) == [expected]

    asyncio.run(talk())


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n", b"?1\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"%1\r\n+a\r\n+b\r\n", b":\r\n", b":x\r\n", b":1 \r\n",
        b":" + b"9" * 21 + b"\r\n", b"$x\r\n", b"$99\r\n" + b"x" * 99 + b"\r\n", b"$99999999999999\r\n",
        b"*99999999999\r\n", b"*1025\r\n", b"*1\r\n*1\r\n:1\r\n", b"+" + b"x" * 99, b"x" * 200_000, b"+x\r\n" * 99,
        b"*40\r\n" + b":1\r\n" * 40,
    ],
    ids=range(18),
)  # fmt: skip
def test_an_invalid_or_too_long_answer_ends_the_connection(tmp_path: Path, answer: bytes) -> None:
    """Not more is read than was asked for, however much is announced or sent."""

    async def talk() -> None:
        commands = [["PING"]] * (99 if answer.startswith(b"+x\r\n") else 1)
        async with answering(tmp_path, answer, b"+OK\r\n") as client:
            with pytest.raises(BadAnswer):
                await client.ask(*commands, most=64)
            assert await client.ask(["PING"], most=64) == [b"OK"]

    asyncio.run(talk())


def test_an_error_is_told_and_the_next_question_has_its_own_answer(tmp_path: Path) -> None:
    async def talk() -> None:
        async with answering(tmp_path, b"-ERR no\x1b[1m\r\n:1\r\n", b":2\r\n") as client:
            with pytest.raises(StoreRefused, match=r"it answers: ERR no\\x1b"):
                await client.ask(["A"], ["B"])
            assert await client.ask(["C"]) == [2]

    asyncio.run(talk())


def test_an_answer_that_comes_too_late_is_none_to_the_next_question(tmp_path: Path) -> None:
    async def talk() -> None:
        async with answering(tmp_path, b"", b":2\r\n", seconds=0.1) as client:
            with pytest.raises(TimeoutError):
                await client.ask(["A"])
            assert await client.ask(["B"]) == [2]

    asyncio.run(talk())


def test_whatever_comes_is_an_answer_or_one_of_its_errors(tmp_path: Path) -> None:
    """Random pieces of answers, and then the end."""
    chance = random.Random(11)
    pieces = [
        b":1\r\n", b"$-1\r\n", b"$5\r\nhello\r\n", b"*2\r\n", b"*-1\r\n", b"+OK\r\n", b"-ERR\r\n", b"$9\r\nx",
        b"\r\n", b"\n", b"$", b"*", b":", b"\x00\xff", b"*1\r\n" * 500, b"$4000000000\r\n", b"_\r\n", b"x" * 70_000,
    ]  # fmt: skip
    made = [b"".join(chance.choices(pieces, k=chance.randrange(6))) for _ in range(200)]
    remaining = iter(made)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            writer.write(next(remaining))
            await writer.drain()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_unix_server(talk, str(tmp_path / "store.sock"))
        client, answered = StoreClient(f"unix://{tmp_path}/store.sock", 20.0), 0
        for _ in made:
            with contextlib.suppress(StoreRefused, BadAnswer, EOFError, ConnectionError):
                answers = await client.ask(["A"], ["B"], most=4096)
                assert len(answers) == 2
                answered += 1
            client.disconnect()
        assert 0 < answered < len(made) // 2
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(ask())


@pytest.mark.interop
def test_a_real_server_is_asked_by_every_kind_of_url(tmp_path: Path) -> None:
    """With a password, a user, a database; by TCP; and again after it was gone."""

    async def talk(make: Callable[[str], str], port: int) -> None:
        values = bytes(range(256)) * 40
        for url in (make("unix://:secret@"), f"redis://default:secret@127.0.0.1:{port}/3"):
            client = StoreClient(url, 20.0)
            assert "secret" not in client.where
            [put, got] = await client.ask(["SET", "k", values], ["GETRANGE", "k", 0, 999], most=2000)
            assert (put, got) == (b"OK", values[:1000])
            assert await client.ask(["MULTI"], ["INCRBY", "n", 5], ["EXEC"]) == [b"OK", b"QUEUED", [5]]
            await client.ask(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"])
            await asyncio.sleep(0.05)
            assert await client.ask(["GET", "n"]) == [b"5"]
            client.disconnect()
        wrong = StoreClient(make("unix://:wrong@"), 20.0)
        for _ in range(2):
            with pytest.raises(StoreRefused, match="WRONGPASS|invalid"):
                await wrong.ask(["PING"])

    port = free_port()
    with redis_server(tmp_path, "--requirepass", "secret", "--port", str(port)) as url:
        asyncio.run(talk(lambda head: url.replace("unix://", head), port))


@pytest.mark.interop
def test_tls_verifies_the_server(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()

    async def talk(port: int, ca: Path) -> None:
        client = StoreClient(f"rediss://localhost:{port}?ssl_ca_certs={ca}", 20.0)
        assert await client.ask(["PING"]) == [b"PONG"]
        client.disconnect()
        with pytest.raises(ssl.SSLCertVerificationError):
            await StoreClient(f"rediss://localhost:{port}", 20.0).ask(["PING"])

    with MutualTLS(tmp_path / "pki") as mutual:
        mine, port = mutual.identity("server"), free_port()
        tls: list[Any] = ["--tls-port", port, "--tls-cert-file", mine.cert, "--tls-key-file", mine.key]
        with running_redis(
            tmp_path, *map(str, [*tls, "--tls-ca-cert-file", mutual.ca, "--tls-auth-clients", "no"])
        ):
            asyncio.run(talk(port, mutual.ca))


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="http://localhost: expected one of redis://"):
        check_usable("http://localhost")
    for bad in (
        "redis://localhost?database=1",
        "redis://localhost:99999",
        "redis://localhost?socket_timeout=x",
    ):
        with pytest.raises(ConfigError, match="redis://localhost"):
            check_usable(bad)

    async def made() -> None:
        with pytest.raises(ConfigError, match="redis://localhost: "):
            StoreClient("redis://localhost?socket_timeout=never", 1.0)

    asyncio.run(made())


def test_pauses_become_longer_and_end_with_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why is said once, without the password. After answers for a while a pause begins anew; a server that answers now
    and then makes no more lines than one that never does makes questions.
    """
    monkeypatch.setattr(store_client, "FIRST_PAUSE", 100.0)
    monkeypatch.setattr(store_client, "LONGEST_PAUSE", 250.0)

    async def talk() -> None:
        client = StoreClient("redis://me:secret@localhost:1/2", 0.1)
        assert client.where == "redis://localhost:1/2"
        assert not client.paused_for
        assert client.failed(OSError("no route.\n")) == "no route.\\n"
        assert 99 < client.paused_for <= 100
        assert client.failed(OSError("no route")) is None
        assert 199 < client.paused_for <= 200
        assert client.failed(TimeoutError()) is None
        assert 249 < client.paused_for <= 250
        assert client.answered()
        assert not client.answered()
        assert client.failed(TimeoutError()) == "TimeoutError"
        assert 249 < client.paused_for <= 250
        monkeypatch.setattr(store_client, "STEADY_SECONDS", 0.0)
        assert client.answered()
        assert not client.answered()
        assert client.failed(TimeoutError()) == "TimeoutError"
        assert 99 < client.paused_for <= 100

    asyncio.run(talk())
