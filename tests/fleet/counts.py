"""What shared counts cost a server of Redis, by how many processes hold connections with the same names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bothways.gateway.store.limits import SharedLimits
from bothways.trust.verdict import Names
from processes import spent
from ticket_keys.redis_server import running_redis

PROCESSES = (1, 10, 100, 1000)
CONNECTIONS, AT_ONCE = 2000, 20
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
        for _ in range(count - 1):
            other = SharedLimits(server.url, bytes(32), lambda line: None)
            await other.admits("first", BUSY, 1 << 20)
            await other.close()  # its count stays for a while
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
