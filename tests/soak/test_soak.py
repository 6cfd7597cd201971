"""A short soak holds, and what must not happen would be noticed."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from bothways import ServerConfig, aio
from bothways.testing import MutualTLS
from soak.clients import Clients
from soak.ledger import Ledger
from soak.processes import Samples
from soak.run import Soak

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to see the processes"),
]


@pytest.mark.full
def test_a_short_soak_holds(tmp_path: Path) -> None:
    soak = Soak(tmp_path, 60, seed=1, progress=lambda line: None)
    asyncio.run(soak.run())
    assert not soak.wrong, "\n".join(soak.report())
    happened = "\n".join(soak.report())
    for what in ("reloaded", "renewed", "broken CRLs", "killed", "ended by revocation", "refused", "resumed"):
        assert what in happened


async def _with_service(meet, mutual: MutualTLS, ledger: Ledger) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await meet(reader, writer)
        writer.close()

    config = ServerConfig(client_anchors=mutual.anchors, credentials=mutual.identity("server").credentials)
    server = await aio.start_server(serve, "127.0.0.1", 0, config)
    clients = Clients(mutual, server.sockets[0].getsockname()[1], ledger, random.Random(1))
    task = asyncio.create_task(clients.good())
    deadline = time.monotonic() + 60
    async with server:
        while not ledger.wrong and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)  # the client's connection sees its end, and nobody is there for another one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.05)


def test_a_byte_that_is_another_one_is_noticed(tmp_path: Path) -> None:
    async def invert(reader, writer) -> None:
        await reader.readuntil(b"\n")
        while data := await reader.read(65536):
            writer.write(bytes([data[0] ^ 1]) + data[1:])
            await writer.drain()

    ledger = Ledger()
    asyncio.run(_with_service(invert, MutualTLS(tmp_path), ledger))
    assert "got other bytes than it sent" in ledger.wrong[0]


def test_a_connection_that_is_lost_is_noticed_unless_a_worker_was_killed(tmp_path: Path) -> None:
    async def cut(reader, writer) -> None:
        await reader.readuntil(b"\n")
        writer.transport.abort()

    ledger = Ledger()
    asyncio.run(_with_service(cut, MutualTLS(tmp_path), ledger))
    assert "lost its connection" in ledger.wrong[0]
    ledger = Ledger()
    ledger.killed()
    ledger.lost("good-1", time.monotonic(), OSError("gone"))
    assert not ledger.wrong


def test_whoever_is_barred_and_reaches_the_service_is_noticed() -> None:
    ledger = Ledger(barred={"expired"})
    ledger.reached("good-1")
    assert not ledger.wrong
    ledger.reached("expired")
    assert "expired reached the service" in ledger.wrong[0]


def test_growth_is_noticed() -> None:
    flat = Samples("worker", 1, [50_000.0, 60_000, 61_000, 60_500] * 2, [40.0] * 8)
    assert not flat.growth()
    grown = Samples(
        "worker", 1, [1000.0 * n for n in range(10, 90, 2)], [float(n) for n in range(10, 410, 10)]
    )
    assert len(grown.growth()) == 2
