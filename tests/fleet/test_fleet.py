"""Three gateways and one Redis: what they share, what reaches all of them, and what it costs when Redis is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.errors import TLSError
from bothways.net.channel import Channel
from bothways.testing import Client, MutualTLS
from fleet.gateways import Machine, gateways
from fleet.storm import Storm
from gateway_talk import behind
from http_callers import until
from ticket_keys.redis_server import RedisServer, running_redis

pytestmark = [pytest.mark.network, pytest.mark.interop]


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[MutualTLS]:
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as made:
        yield made


def says(channel: Channel, text: bytes) -> bool:
    channel.settimeout(20)
    channel.sendall(text + b"\n")
    return channel.recv(100) == text + b"\n"


def resumes(client: Client, machine: Machine) -> bool:
    """Whether a client that has been elsewhere resumes its session at this gateway, and is served."""
    with client.connect("127.0.0.1", machine.port) as channel:
        assert says(channel, b"hello")
        return channel.resumed


def refused(client: Client, machine: Machine) -> bool:
    try:
        with client.connect("127.0.0.1", machine.port) as channel:
            channel.settimeout(20)
            channel.sendall(b"nobody reads this")
            return channel.recv(100) == b"refused"
    except TLSError as error:
        return "certificate_revoked" in str(error)


@contextlib.contextmanager
def three(mutual: MutualTLS, folder: Path) -> Iterator[tuple[list[Machine], RedisServer]]:
    with (
        behind() as port,
        running_redis(folder) as redis,
        gateways(mutual, folder, port, redis.url, 3) as machines,
    ):
        yield machines, redis


def test_sessions_resume_anywhere_a_revocation_reaches_all_and_no_connection_needs_redis(
    mutual: MutualTLS, tmp_path: Path
) -> None:
    with three(mutual, tmp_path) as (machines, redis), contextlib.ExitStack() as stack:
        good = mutual.client()
        until(lambda: _is_shared(good, machines))

        leaving = mutual.client(mutual.identity("client", dns=["leaving.example"]))
        opened = [stack.enter_context(leaving.connect("127.0.0.1", each.port)) for each in machines]
        assert [says(each, b"before") for each in opened] == [True] * 3
        assert leaving.identity is not None
        mutual.revoke(leaving.identity)
        for each in machines:
            each.publish(mutual.crl)
        for channel in opened:
            with pytest.raises(TLSError, match="certificate_revoked"):
                channel.recv(100)
        assert [refused(leaving, each) for each in machines] == [True] * 3

        staying = [stack.enter_context(good.connect("127.0.0.1", each.port)) for each in machines]
        assert [says(each, b"one") for each in staying] == [True] * 3
        redis.kill()
        assert [says(each, b"two") for each in staying] == [True] * 3
        assert [resumes(good, each) for each in machines] == [True] * 3  # by the keys at hand
        new = mutual.client(mutual.identity("client", dns=["new.example"]))
        assert [resumes(new, each) for each in machines] == [False, True, True]
    printed = [each.gateway.printed for each in machines]
    assert not [each for each in printed if "Traceback" in each or "DEFECT" in each]


def test_a_client_has_as_many_connections_to_all_as_to_one(mutual: MutualTLS, tmp_path: Path) -> None:
    """With Redis; a gateway that asks too late on a busy machine may admit one more for a moment."""
    with behind() as port, running_redis(tmp_path) as redis, contextlib.ExitStack() as stack:
        limits = f'[limits]\nper_identity = 3\nshared = "{redis.url}"\nshared_secret = "secret"'
        machines = stack.enter_context(gateways(mutual, tmp_path, port, redis.url, 3, limits))
        client = mutual.client()
        opened = [stack.enter_context(client.connect("127.0.0.1", each.port)) for each in machines]
        assert [says(each, b"one") for each in opened] == [True] * 3

        def refuses(machine: Machine) -> bool:
            with client.connect("127.0.0.1", machine.port) as channel:
                channel.settimeout(20)
                with contextlib.suppress(TLSError, OSError):
                    channel.sendall(b"four\n")
                    return channel.recv(100) == b""
            return True

        for each in machines:
            until(lambda machine=each: refuses(machine) and "to all gateways" in machine.gateway.printed)
        redis.kill()
        for each in machines:  # its own limit holds, and it has one connection
            until(lambda machine=each: not refuses(machine))
        assert [says(each, b"two") for each in opened] == [True] * 3


def test_a_revocation_that_one_has_in_its_file_reaches_all(mutual: MutualTLS, tmp_path: Path) -> None:
    """By news, while the files of the others stay as they are; one that comes later has it, too."""
    with behind() as port, running_redis(tmp_path) as redis, contextlib.ExitStack() as stack:
        limits = f'[limits]\nshared = "{redis.url}"\nshared_secret = "secret"'
        machines = stack.enter_context(gateways(mutual, tmp_path, port, redis.url, 3, limits))
        leaving = mutual.client(mutual.identity("client", dns=["leaving.example"]))
        good = mutual.client()
        opened = [stack.enter_context(leaving.connect("127.0.0.1", each.port)) for each in machines]
        staying = [stack.enter_context(good.connect("127.0.0.1", each.port)) for each in machines]
        assert [says(each, b"before") for each in (*opened, *staying)] == [True] * 6
        assert leaving.identity is not None
        mutual.revoke(leaving.identity)
        machines[0].publish(mutual.crl)
        for channel in opened:
            channel.settimeout(20)
            with pytest.raises(TLSError, match="certificate_revoked"):
                channel.recv(100)
        assert [refused(leaving, each) for each in machines] == [True] * 3
        assert [says(each, b"after") for each in staying] == [True] * 3
        assert "was taken from unix://" in machines[1].gateway.printed


def _is_shared(client: Client, machines: list[Machine]) -> bool:
    """Whether all gateways have the keys: they take those of whoever was first within a second."""
    return [resumes(client, each) for each in (*machines, machines[0])][1:] == [True] * 3


def test_a_gateway_that_starts_without_redis_serves_without_resumption(
    mutual: MutualTLS, tmp_path: Path
) -> None:
    url = f"unix://{tmp_path / 'nobody.sock'}"
    with behind() as port, gateways(mutual, tmp_path, port, url, 1) as [machine]:
        client = mutual.client()
        assert [resumes(client, machine) for _ in range(2)] == [False, False]
        until(lambda: "cannot be reached" in machine.gateway.printed)


@pytest.mark.full
def test_a_storm_loses_no_connection_when_redis_is_killed(tmp_path: Path) -> None:
    storm = Storm(tmp_path, 20)
    asyncio.run(storm.run())
    assert not storm.wrong, "\n".join([*storm.figures, *storm.wrong[:20]])
