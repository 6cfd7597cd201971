"""A connection of ours whose transport keeps what is written, and the engine as its peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import identities
from aio_talk import ada
from bothways import Connection, ServerConfig
from bothways.aio.protocol import TLSProtocol
from bothways.aio.watch import Watch
from bothways.tls.events import Data

SMALL = {"record_size_limit": 64}
MUCH = bytes(range(256)) * 512


class Written(asyncio.Transport):
    """A transport that keeps what is written, each piece for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no limit."""

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close


class Pair:
    """Our protocol on a transport that is looked at, and the engine as its peer."""

    def __init__(self, tls: TLSProtocol, peer: Connection, below: Written | None = None) -> None:
        self.tls, self.peer, self.below = tls, peer, below or Written()
        self.events: list[object] = []
        tls.connection_made(self.below)

    def to_peer(self) -> int:
        """Give the peer all that was written, and return how many pieces that were."""
        pieces, self.below.pieces = self.below.pieces, []
        for each in pieces:
            self.events += self.peer.receive(each)
        return len(pieces)

    def to_us(self) -> None:
        self.tls.data_received(self.peer.data_to_send())

    def has_heard(self, kind: type) -> bool:
        return any(isinstance(each, kind) for each in self.events)


class Writing(asyncio.Protocol):
    """What an application is told about its writing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


class Turns:
    """A server's connection that is open, and the records that it writes in each turn of the loop."""

    def __init__(
        self,
        version: str = "1.3",
        own: ServerConfig | None = None,
        idle: float | None = None,
        below: Written | None = None,
        kind: Callable[..., TLSProtocol] = TLSProtocol,
        **client: Any,
    ) -> None:
        config, self.app = own or identities.server_config(versions=(version,)), Writing()
        peer = ada(versions=(version,), **client).connection("localhost")
        watch = Watch(config.settings)
        self.pair = Pair(kind(config.connection(), watch, self.app, idle_timeout=idle), peer, below)
        self.tls = self.pair.tls
        while not (self.tls.driver.status.established and peer.established):
            self.pair.to_us()
            self.pair.to_peer()

    async def begin(self) -> None:
        """Have the peer take what completes the handshake."""
        await asyncio.sleep(0)
        self.pair.to_peer()
        self.pair.events.clear()

    async def count(self, work: Callable[[], None]) -> list[int]:
        """Let `work` write, and return how many records came from it in each turn, until none comes."""
        await self.begin()
        turns: list[int] = []
        work()
        while self.pair.below.pieces or not turns:
            turns.append(sum(map(records, self.pair.below.pieces)))
            self.pair.to_peer()
            await asyncio.sleep(0)
        return turns

    @property
    def data(self) -> bytes:
        """All data that the peer has received."""
        return b"".join(each.data for each in self.pair.events if isinstance(each, Data))


def records(flight: bytes) -> int:
    """The number of records."""
    count = at = 0
    while at < len(flight):
        at += 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
        count += 1
    return count
