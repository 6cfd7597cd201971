"""What completes a handshake is written together with the first data, and in the next turn of the loop without any."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import identities
from aio_talk import ada, run
from bothways import Connection, PeerFault
from bothways.aio.protocol import TLSProtocol
from bothways.aio.watch import Watch
from bothways.tls.events import Data, Established, Failed, PeerClosed

VERSIONS = ("1.2", "1.3")


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


class Answering(asyncio.Protocol):
    """Says something as soon as something is said to it, by a task of its own, as handlers of streams do."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.task = asyncio.create_task(self.answer(data))

    async def answer(self, data: bytes) -> None:
        self.transport.write(b"reply to " + data)


class Pair:
    """Our protocol on a transport that is looked at, and the engine as its peer."""

    def __init__(self, tls: TLSProtocol, peer: Connection) -> None:
        self.tls, self.peer, self.below = tls, peer, Written()
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


def of_client(version: str = "1.3") -> Pair:
    """Our client has the server's last flight, and has written nothing since."""
    config = ada(versions=(version,))
    connection = config.connection("localhost")
    pair = Pair(
        TLSProtocol(connection, Watch(config.settings), asyncio.Protocol()),
        identities.server_config(versions=(version,)).connection(),
    )
    for _ in range(1 if version == "1.3" else 2):
        assert pair.to_peer() == 1
        pair.to_us()
    return pair


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_writes_its_finished_with_its_first_data(version: str) -> None:
    """In TLS 1.2 the server's Finished comes last: there is nothing to hold back."""

    @run
    async def talk() -> None:
        pair = of_client(version)
        assert pair.tls.driver.status.established and not pair.below.pieces
        pair.tls.send(b"question")
        assert pair.to_peer() == 1
        await asyncio.sleep(0)
        assert pair.to_peer() == 0
        assert pair.events[-1] == Data(b"question") and pair.peer.peer is not None

    talk()


@run
async def test_a_client_that_says_nothing_writes_its_finished_in_the_next_turn():
    """The server waits for it, and may speak first."""
    pair = of_client()
    assert not pair.has_heard(Established)
    await asyncio.sleep(0)
    assert pair.to_peer() == 1 and pair.has_heard(Established)


@run
async def test_a_client_that_closes_at_once_writes_both_before_it_closes():
    """The server is told who was there."""
    pair = of_client()
    pair.tls.close(0.0)
    assert pair.below.is_closing()
    assert pair.to_peer() == 1 and pair.has_heard(Established) and pair.has_heard(PeerClosed)


@run
async def test_an_alert_is_written_before_the_end_where_the_handshake_and_a_fault_come_together():
    """The transport is closed in the same turn."""
    config = ada()
    tls = TLSProtocol(config.connection("localhost"), Watch(config.settings), asyncio.Protocol())
    pair = Pair(tls, identities.server_config().connection())
    pair.to_peer()
    tls.data_received(pair.peer.data_to_send() + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(tls.driver.status.failure, PeerFault) and tls.driver.status.established
    assert pair.to_peer() == 1 and pair.has_heard(Established) and pair.has_heard(Failed)


@run
async def test_a_server_writes_its_ticket_with_its_first_reply():
    """Where the client's first data comes with its Finished."""
    config, app = identities.server_config(), Answering()
    pair = Pair(TLSProtocol(config.connection(), Watch(config.settings), app), ada().connection("localhost"))
    pair.to_us()
    assert pair.to_peer() == 1
    pair.peer.send(b"question")
    pair.to_us()
    assert not pair.below.pieces
    await app.task
    assert pair.to_peer() == 1
    await asyncio.sleep(0)
    assert pair.to_peer() == 0
    assert pair.events[-1] == Data(b"reply to question")
