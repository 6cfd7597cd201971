"""Counts of several processes in a real Redis: exact while it answers, each for itself while it does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bothways.errors import ConfigError
from bothways.gateway import shared_limits
from bothways.gateway.shared_limits import PREFIX, SharedLimits
from bothways.trust.verdict import Names
from gateway_talk import until
from ticket_keys.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.interop

SECRET = bytes(range(32))
ALICE = Names("CN=alice", "alice", dns=("alice.example",))
BOB = Names("CN=bob", "bob", dns=("bob.example",))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may answer late; that nobody waits longer has a test of its own."""
    monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 30.0)


@contextlib.asynccontextmanager
async def processes(server: RedisServer, count: int, told: list[str]) -> AsyncIterator[list[SharedLimits]]:
    made = [SharedLimits(server.url, SECRET, told.append) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            await each.close()


def with_redis(folder: Path, talk: Any) -> None:
    with running_redis(folder) as server:
        asyncio.run(talk(server))


def stored(server: RedisServer) -> dict[bytes, dict[bytes, bytes]]:
    with redis.Redis(unix_socket_path=server.url.removeprefix("unix://")) as client:
        return {key: client.hgetall(key) for key in client.keys("*")}


def test_all_together_have_as_many_as_one_may(tmp_path: Path) -> None:
    """However the connections are spread, and all at once; other names have a count of their own."""

    async def talk(server: RedisServer) -> None:
        told: list[str] = []
        async with processes(server, 3, told) as limits:
            asked = [
                each.admits((number, n), ALICE, 5) for n, each in enumerate(limits) for number in range(4)
            ]
            assert sum(await asyncio.gather(*asked)) == 5
            assert await limits[0].admits("bob", BOB, 5)
        assert told == []

    with_redis(tmp_path, talk)


def test_who_leaves_makes_room_everywhere(tmp_path: Path) -> None:
    async def talk(server: RedisServer) -> None:
        async with processes(server, 2, []) as (one, other):
            assert await one.admits("first", ALICE, 1)
            assert not await other.admits("second", ALICE, 1)
            one.leaves("first")
            one.leaves("first")

            async def has_room() -> bool:
                return await other.admits("third", ALICE, 1)

            async with asyncio.timeout(10):
                while not await has_room():
                    await asyncio.sleep(0.01)

    with_redis(tmp_path, talk)


def test_names_lie_there_as_digests(tmp_path: Path) -> None:
    async def talk(server: RedisServer) -> None:
        async with processes(server, 1, []) as [one]:
            assert await one.admits("first", ALICE, 1)
            [(key, counts)] = stored(server).items()
            assert key.startswith(PREFIX.encode())
            assert b"alice" not in repr((key, counts)).encode()
            assert len(counts) == 1

    with_redis(tmp_path, talk)


def test_what_a_process_that_died_has_left_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_limits, "FORGET_SECONDS", 0.2)

    async def talk(server: RedisServer) -> None:
        async with processes(server, 2, []) as (dead, other):
            assert await dead.admits("first", ALICE, 1)
            await dead.close()
            async with asyncio.timeout(10):
                while not await other.admits("second", ALICE, 1):
                    await asyncio.sleep(0.02)

    with_redis(tmp_path, talk)


def test_without_an_answer_each_decides_alone_and_counts_are_put_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started anew, empty: nobody is refused for it, and then all are counted again."""
    monkeypatch.setattr(shared_limits, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(shared_limits, "LONGEST_PAUSE", 0.1)

    async def talk(server: RedisServer) -> None:
        told: list[str] = []
        async with processes(server, 1, told) as [one]:
            assert await one.admits("first", ALICE, 1)
            server.kill()
            assert await one.admits("second", ALICE, 1)
            assert await one.admits("third", ALICE, 1)
            assert [each for each in told if "counted for this process alone: unix://" in each] == told
            assert len(told) == 1
            Path(server.url.removeprefix("unix://")).unlink()
            with running_redis(tmp_path) as again:
                await until(lambda: len(told) == 2)
                assert "for all gateways again" in told[1]
                await until(
                    lambda: [each[:2] for x in stored(again).values() for each in x.values()] == [b"3 "]
                )
                assert not await one.admits("fourth", ALICE, 3)

    with_redis(tmp_path, talk)


def test_a_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that accepts and says nothing; whoever comes later does not ask it."""
    monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 0.05)

    async def talk() -> None:
        told: list[str] = []
        accepted = []

        async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.append(writer)

        silent = await asyncio.start_unix_server(say_nothing, str(tmp_path / "redis.sock"))
        limits = SharedLimits(f"unix://{tmp_path}/redis.sock", SECRET, told.append)
        assert await limits.admits("first", ALICE, 1)
        await until(lambda: told)
        assert await limits.admits("second", ALICE, 1)
        await limits.close()
        silent.close()
        for each in accepted:
            each.close()
            await each.wait_closed()

    asyncio.run(talk())


@pytest.mark.parametrize("garbage", ["a string", "fields"])
def test_whatever_lies_there_refuses_nobody(tmp_path: Path, garbage: str) -> None:
    async def talk(server: RedisServer) -> None:
        async with processes(server, 1, []) as [one]:
            assert await one.admits("first", ALICE, 10)
            [key] = stored(server)
            with redis.Redis(unix_socket_path=server.url.removeprefix("unix://")) as client:
                if garbage == "fields":
                    client.hset(key, mapping={"x": "9 x", "y": "-1", "z": "", "w": b"\xff" * 100})
                else:
                    client.delete(key)
                    client.set(key, "no hash")
            assert await one.admits("second", ALICE, 10)

    with_redis(tmp_path, talk)


def test_connections_that_are_there_count_from_the_beginning(tmp_path: Path) -> None:
    async def talk(server: RedisServer) -> None:
        limits = SharedLimits(server.url, SECRET, print, [("first", ALICE), ("second", ALICE)])
        assert not await limits.admits("third", ALICE, 2)
        await until(lambda: [each[:2] for x in stored(server).values() for each in x.values()] == [b"2 "])
        await limits.close()
        assert await limits.admits("fourth", ALICE, 2)

    with_redis(tmp_path, talk)


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="http://: expected one of redis://"):
        shared_limits.check_usable("http://localhost")
