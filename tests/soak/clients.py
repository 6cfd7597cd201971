"""The clients of a soak: good ones, those that are revoked while they are connected, refused ones, hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from bothways import ClientConfig, TLSError
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.testing import Identity, MutualTLS
from soak.ledger import Ledger

PATIENCE = 60.0
LARGEST = 64 * 1024
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32) + bytes(100)
DENIED = "denied.example"
Streams = tuple[Any, Any]  # over TLS or without
Change = Callable[[], Awaitable[object]]
REFUSED = ("unknown_ca", "expired", "revoked", "anonymous", "denied")


class Clients:
    """All of them, at one port."""

    def __init__(self, mutual: MutualTLS, port: int, ledger: Ledger, chance: random.Random) -> None:
        self._mutual = mutual
        self._port = port
        self._ledger = ledger
        self._chance = chance
        self._denied = mutual.identity("client", dns=[DENIED])
        self._count = 0
        ledger.barred.update(REFUSED)

    async def good(self) -> None:
        """Talk on one connection after another, resumed where that is possible; every byte has to come back."""
        name, config = self._name("good"), self._config("good")
        while True:
            await self._talk(name, partial(self._open, name, config), self._chance.randrange(1, 12))

    async def tunnelled(self, path: str) -> None:
        """Do the same without TLS, through a tunnel that leads to the gateway itself. path: of its socket."""
        name = self._name("tunnelled")

        async def opened() -> Streams:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(f"{name}\n".encode())
            return reader, writer

        while True:
            await self._talk(name, opened, self._chance.randrange(1, 12))
            self._ledger.counts["connections through a tunnel"] += 1

    async def _talk(self, name: str, opened: Callable[[], Awaitable[Streams]], rounds: int) -> None:
        since, writer = time.monotonic(), None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await opened()
                since = time.monotonic()
                for _ in range(rounds):
                    await self._exchange(name, reader, writer)
                    await asyncio.sleep(self._chance.random() / 4)
                await self._end(name, reader, writer)
        except (TLSError, OSError, TimeoutError, EOFError) as error:
            self._ledger.lost(name, since, error)
        else:
            self._ledger.counts["good connections"] += 1
            if isinstance(writer, StreamWriter):
                self._ledger.counts["good connections that were resumed"] += int(writer.resumed)
        finally:
            if writer is not None:
                writer.transport.abort()

    async def _exchange(self, name: str, reader: StreamReader, writer: StreamWriter) -> None:
        data = self._chance.randbytes(self._chance.randrange(1, LARGEST))
        writer.write(data)
        await writer.drain()
        if await reader.readexactly(len(data)) != data:
            self._ledger.violation(f"{name} got other bytes than it sent")
        self._ledger.counts["KiB echoed"] += len(data) // 1024

    async def _end(self, name: str, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write_eof()
        if await reader.read() != b"":
            self._ledger.violation(f"{name} got bytes that it never sent")
        writer.close()
        await writer.wait_closed()

    async def leaving(self, changed: Callable[[Change], Awaitable[None]]) -> None:
        """Have a client with open connections revoked: they end, and it comes in no more.

        changed: makes a change, and returns when the gateway says that all of it goes by that.
        """
        name = self._name("leaving")
        identity = await asyncio.to_thread(self._mutual.identity, "client", dns=[f"{name}.example"])
        config = self._config(identity)
        opened = []
        for _ in range(3):
            try:
                reader, writer = await self._open(name, config)
                await self._exchange(name, reader, writer)
                opened.append((reader, writer, time.monotonic()))
            except (TLSError, OSError, EOFError) as error:
                self._ledger.lost(name, time.monotonic(), error)
        began = time.monotonic()
        ends = [asyncio.create_task(self._await_end(name, each, began)) for each in opened]
        await changed(lambda: asyncio.to_thread(self._mutual.revoke, identity))
        self._ledger.barred.add(name)
        await asyncio.gather(*ends)
        await self._refused(name, identity)

    async def _await_end(
        self, name: str, opened: tuple[StreamReader, StreamWriter, float], began: float
    ) -> None:
        reader, writer, since = opened
        try:
            async with asyncio.timeout(PATIENCE):
                got = await reader.read()
            self._ledger.violation(
                f"{name} was revoked, and its connection ended with {got!r}, not with an alert"
            )
        except TimeoutError:
            self._ledger.violation(f"{name} was revoked, and is connected {PATIENCE:g} seconds later")
        except TLSError as error:
            if "certificate_revoked" in str(error):
                self._ledger.ended_after.append(time.monotonic() - began)
            else:
                self._ledger.lost(name, since, error)
        except OSError as error:
            self._ledger.lost(name, since, error)
        finally:
            writer.transport.abort()

    async def refused(self) -> None:
        """Come in with what is refused, one after the other, and send at once what should reach nobody."""
        while True:
            name = self._chance.choice(REFUSED)
            who: Identity | str | None = self._denied if name == "denied" else name
            await self._refused(name, None if name == "anonymous" else who)
            await asyncio.sleep(self._chance.random() / 4)

    async def _refused(self, name: str, who: Any) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await self._open(name, self._config(who))
                writer.write(b"nobody reads this")
                got = await reader.read()
                writer.transport.abort()
            self._ledger.violation(f"{name} was not refused, and read {got!r}")
        except TLSError:
            self._ledger.counts["refused"] += 1
        except TimeoutError:
            self._ledger.violation(f"{name} was neither let in nor refused within {PATIENCE:g} seconds")
        except OSError:
            self._ledger.counts["refused by a reset"] += 1

    async def hostile(self) -> None:
        """Do what a client must not do, one thing after the other."""
        ways = (self._garbage, self._half_a_hello, self._byte_by_byte, self._flood, self._vanish)
        while True:
            way = self._chance.choice(ways)
            with contextlib.suppress(OSError, TimeoutError, TLSError, EOFError):
                async with asyncio.timeout(PATIENCE):
                    await way()
            self._ledger.counts[f"hostile: {way.__name__.strip('_').replace('_', ' ')}"] += 1

    async def _garbage(self) -> None:
        await self._send_raw([self._chance.randbytes(self._chance.randrange(1, 400))])

    async def _half_a_hello(self) -> None:
        await self._send_raw([HELLO[: self._chance.randrange(1, len(HELLO))]])

    async def _byte_by_byte(self) -> None:
        await self._send_raw([HELLO[index : index + 1] for index in range(8)], 0.5)

    async def _flood(self) -> None:
        await self._send_raw([b"\x16\x03\x01\x40\x00" + bytes(0x4000)] * 16)

    async def _send_raw(self, pieces: list[bytes], pause: float = 0.0) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for each in pieces:
                writer.write(each)
                await writer.drain()
                await asyncio.sleep(pause)
            async with asyncio.timeout(self._chance.random() * 4):
                await reader.read()
        finally:
            writer.transport.abort()

    async def _vanish(self) -> None:
        """Leave in the middle of a stream, without a word."""
        _, writer = await self._open("vanishing", self._config("good"))
        writer.write(bytes(LARGEST))
        await asyncio.sleep(self._chance.random())
        writer.transport.abort()

    async def _open(self, name: str, config: ClientConfig) -> tuple[StreamReader, StreamWriter]:
        reader, writer = await connect("127.0.0.1", self._port, config, "localhost")
        writer.write(f"{name}\n".encode())
        return reader, writer

    def _config(self, who: Any) -> ClientConfig:
        return self._mutual.client(who).config

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"
