"""Floods of connections that are begun, or refused, in front of a gateway whose places they all take."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bothways import TLSError
from bothways.aio import connect
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.listening import open_listener
from bothways.gateway.log.log import Log
from bothways.gateway.server import Gateway
from bothways.servers.listening import ACCEPTED_AT_ONCE, BACKLOG
from gateway_load import loaded
from gateway_talk import ANYBODY, Setting, port

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs all of 127.0.0.0/8 on loopback"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
PLACES, ADDRESSES, REFUSED = 48, 140, 6
PAUSE = 1.0  # so that in the time of a handshake fewer come than there are places
HALF = b"\x16\x03\x01\x40\x00" + b"\x01\x00\x60\x00\x03\x03" + bytes(12_000)
Attack = Callable[[int, int], Awaitable[object]]


async def connected(source: str, port: int) -> socket.socket:
    """Return a socket that is connected from an address of this machine."""
    sock = socket.socket()
    try:
        sock.setblocking(False)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock


async def half_open(number: int, port: int) -> None:
    """Send much of a ClientHello that has no end, and wait."""
    reader, writer = await asyncio.open_connection(sock=await connected(f"127.1.0.{number + 1}", port))
    try:
        writer.write(HALF)
        await reader.read()
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def flooding(attack: Attack, count: int, port: int) -> AsyncIterator[list[int]]:
    """Have so many attack, each again and again; yields how often each was ended."""
    ended = [0] * count

    async def again(number: int) -> None:
        while True:
            with contextlib.suppress(OSError, TLSError):
                await attack(number, port)
            ended[number] += 1
            await asyncio.sleep(PAUSE)

    tasks = [asyncio.create_task(again(number)) for number in range(count)]
    try:
        yield ended
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_flood_keeps_no_good_client_out_and_ends_none(setting: Setting) -> None:
    """Of begun handshakes from more addresses than there are places, and of clients without a certificate."""
    nobody = setting.mutual.client(None).config

    async def refused(number: int, port: int) -> None:
        sock = await connected(f"127.2.0.{number + 1}", port)
        reader, writer = await connect(None, None, nobody, "localhost", sock=sock)
        try:
            assert await reader.read() == b""
        finally:
            writer.transport.abort()

    async def flood() -> None:
        limits = {"handshakes": PLACES}
        async with loaded(setting, 8, limits=limits) as load:
            port, before = int(load.gateway.port or 0), list(load.talks)
            async with (
                flooding(half_open, ADDRESSES, port) as ended,
                flooding(refused, REFUSED, port) as turned,
                load.talking(before),
            ):
                await load.until(lambda: sum(ended) > ADDRESSES / 2 and sum(turned) > REFUSED)
                for _ in range(24):
                    await load.open(1)
            await load.finish({})

    asyncio.run(flood())


def test_a_burst_waits_in_the_queue_of_the_system_and_is_taken_in_parts(setting: Setting) -> None:
    """What does not fit in the queue comes again after seconds; what is taken at once holds up the others."""
    listening: list[socket.socket] = []

    def listen(config: ListenerConfig) -> socket.socket:
        listening.append(open_listener(config))
        return listening[0]

    async def burst() -> None:
        setting.write(f'backend = "127.0.0.1:9"\n{ANYBODY}', limits={"handshakes": 1000})
        gateway = Gateway(setting.load(), Log(setting.lines.append, "json"), listen)
        await gateway.start()
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
        assert queue_length(listening[0]) == min(BACKLOG, most)
        waiting = [socket.create_connection(("127.0.0.1", port(gateway)), 20) for _ in range(200)]
        grown, before = [], 0
        while before < len(waiting):
            await asyncio.sleep(0)
            now = len(gateway.clients)
            grown.append(now - before)
            before = max(now, before)
        assert 0 < max(grown) <= ACCEPTED_AT_ONCE + 1  # asyncio of Python 3.14 takes one more
        for each in waiting:
            each.close()
        await gateway.close()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(burst())


def queue_length(listening: socket.socket) -> int:
    """Return how many connections may wait: of a socket that listens it is `tcpi_sacked` (tcp(7), TCP_INFO)."""
    told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("=I", told, 28)[0])
