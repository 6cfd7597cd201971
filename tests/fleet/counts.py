"""What shared counts cost a server of Redis, by how many processes hold connections with the same names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import redis

from bothways.gateway.shared_limits import SharedLimits
from bothways.trust.verdict import Names
from processes import spent
from ticket_keys.redis_server import RedisServer, running_redis

PROCESSES = (1, 10, 100, 1000)
CONNECTIONS, AT_ONCE = 2000, 20
FAR = 1 << 43  # milliseconds since 1970
BUSY = Names("CN=busy", "busy", dns=("busy.example",))


def measured(folder: Path) -> list[str]:
    """Return, in words, the processor time of Redis for each connection that comes and goes."""
    return [asyncio.run(_cost(folder, count)) for count in PROCESSES]


async def _cost(folder: Path, count: int) -> str:
    inside = folder / f"counts-{count}"
    inside.mkdir()
    with running_redis(inside) as server:
        limits = SharedLimits(server.url, bytes(32), lambda line: None)
        await limits.admits("first", BUSY, 1 << 20)
        _fill(server, count - 1)
        before = spent(server.process.pid)
        for begin in range(0, CONNECTIONS, AT_ONCE):
            several = range(begin, begin + AT_ONCE)
            assert all(await asyncio.gather(*(limits.admits(each, BUSY, 1 << 20) for each in several)))
            for each in several:
                limits.leaves(each)
        took = spent(server.process.pid) - before
        await limits.close()
    return (
        f"{count} processes: {1e6 * took / CONNECTIONS:.0f} us of processor time of Redis for each connection"
    )


def _fill(server: RedisServer, count: int) -> None:
    """Write the counts of other processes."""
    with redis.Redis(unix_socket_path=server.url.removeprefix("unix://")) as client:
        [name] = client.keys("bothways:connections:*")
        if count:
            client.hset(name, mapping={f"process-{each}": f"1 {FAR}" for each in range(count)})
