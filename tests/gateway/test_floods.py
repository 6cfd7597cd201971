"""Floods of connections that are begun, or refused, in front of a gateway whose places they all take."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bothways import TLSError
from bothways.aio import connect
from gateway_load import loaded
from gateway_talk import Setting

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
