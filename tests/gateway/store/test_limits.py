"""Counts of several processes in a real Redis: exact while it answers, each for itself while it does not."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bothways.gateway.store import limits as shared_limits
from bothways.gateway.store import store_client
from bothways.gateway.store.limits import PREFIX, SharedLimits
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


def connected(server: RedisServer) -> redis.Redis:
    return redis.Redis(unix_socket_path=server.url.removeprefix("unix://"))


def stored(server: RedisServer) -> dict[bytes, dict[bytes, bytes]]:
    with connected(server) as client:
        return {key: client.hgetall(key) for key in client.keys("*")}


def counted(server: RedisServer) -> int:
    """How many connections there are by the sums."""
    fields = [each for values in stored(server).values() for each in values.items()]
    return sum(int(value) for name, value in fields if name.isdigit())


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


def test_a_client_that_leaves_makes_room_at_all_gateways(tmp_path: Path) -> None:
    async def talk(server: RedisServer) -> None:
        async with processes(server, 2, []) as (one, other):
            assert await one.admits("first", ALICE, 1)
            assert not await other.admits("second", ALICE, 1)
            one.leaves("first")
            one.leaves("first")

            async def has_room() -> bool:
                return await other.admits("third", ALICE, 1)

            async with asyncio.timeout(60):
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
            assert len(counts) == 2  # the sum of a span, and that of the process

    with_redis(tmp_path, talk)


def test_counts_of_a_process_that_died_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "FORGET_SECONDS", 0.2)

    async def talk(server: RedisServer) -> None:
        async with processes(server, 2, []) as (dead, other):
            assert await dead.admits("first", ALICE, 1)
            await dead.close()
            async with asyncio.timeout(60):
                while not await other.admits("second", ALICE, 1):
                    await asyncio.sleep(0.02)

    with_redis(tmp_path, talk)


def test_without_an_answer_each_decides_alone_and_counts_are_put_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started anew, empty: nobody is refused for it, and then all are counted again."""
    monkeypatch.setattr(store_client, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(store_client, "LONGEST_PAUSE", 0.1)

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
                await until(lambda: counted(again) == 3)
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
            with connected(server) as client:
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
        await until(lambda: counted(server) == 2)
        await limits.close()
        assert await limits.admits("fourth", ALICE, 2)

    with_redis(tmp_path, talk)


def test_a_sum_is_that_of_all_processes_whatever_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that come and go at random, in many spans, with counts that are renewed."""
    monkeypatch.setattr(shared_limits, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(shared_limits, "FORGET_SECONDS", 3.0)
    chance = random.Random(7)

    async def talk(server: RedisServer) -> None:
        async with processes(server, 4, []) as limits:
            there: list[tuple[SharedLimits, int]] = []
            for number in range(300):
                if there and chance.random() < 0.45:
                    one, client = there.pop(chance.randrange(len(there)))
                    one.leaves(client)
                else:
                    one = chance.choice(limits)
                    assert await one.admits(number, ALICE, 1000)
                    there.append((one, number))
            await until(lambda: counted(server) == len(there))
            assert not await limits[0].admits("one more", ALICE, len(there))
            assert await limits[0].admits("one more", ALICE, len(there) + 1)

    with_redis(tmp_path, talk)


def test_values_that_others_write_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that are too high or below nothing, spans of the future, counts of processes that are none."""
    monkeypatch.setattr(shared_limits, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(shared_limits, "FORGET_SECONDS", 0.6)

    async def talk(server: RedisServer) -> None:
        async with processes(server, 2, []) as limits:
            for number in range(3):
                assert await limits[number % 2].admits(number, ALICE, 10)
            with connected(server) as client:
                [key] = stored(server)
                own = [each for each in client.hkeys(key) if each.isdigit()]
                false = dict(zip(own, (b"100", b"-7"), strict=False))
                client.hset(key, mapping={**false, b"9" * 20: b"50", b"x": b"1 9", b"process y": b"-1"})
            await until(lambda: counted(server) == 3 and len(stored(server)[key]) <= 2 + 6)
            assert await limits[0].admits("fourth", ALICE, 4)
            assert not await limits[1].admits("fifth", ALICE, 4)

    with_redis(tmp_path, talk)


def test_counting_a_connection_costs_the_same_for_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands that Redis executes for it, but for what is removed once in a span."""
    monkeypatch.setattr(shared_limits, "FORGET_SECONDS", 600.0)
    monkeypatch.setattr(shared_limits, "RENEW_SECONDS", 600.0)

    async def talk(server: RedisServer) -> None:
        with connected(server) as client:

            async def commands_for(limits: SharedLimits, client_name: str) -> int:
                before = _calls(client)
                assert await limits.admits(client_name, ALICE, 1000)
                return _calls(client) - before

            async with processes(server, 40, []) as limits:
                few = max([await commands_for(each, "first") for each in limits[:3]])
                for each in limits[3:]:
                    assert await each.admits("first", ALICE, 1000)
                many = max([await commands_for(each, "second") for each in limits[:3]])
            assert many <= few + 1

    with_redis(tmp_path, talk)


def _calls(client: redis.Redis) -> int:
    """How many commands of the script Redis has executed."""
    ours = ("cmdstat_h", "cmdstat_pexpire")
    return sum(each["calls"] for name, each in client.info("commandstats").items() if name.startswith(ours))
