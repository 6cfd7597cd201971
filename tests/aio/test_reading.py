"""One buffer for all that a thread reads, and none of it is kept there."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from aio.loops import LOOPS
from aio_talk import ada, closed, echo, open_to, run, serving
from bothways.aio.reading import READ_AT_ONCE, ReadingProtocol


class Noting(ReadingProtocol):
    """What came."""

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.came.append(data)


def test_protocols_that_share_a_buffer_do_not_get_data_of_each_other() -> None:
    """All of a thread share a buffer."""
    one, other = Noting(), Noting()
    for each, said in ((one, b"first"), (other, b"second"), (one, b"third")):
        buffer = each.get_buffer(-1)
        buffer[: len(said)] = said
        each.buffer_updated(len(said))
    assert one.came == [b"first", b"third"] and other.came == [b"second"]
    assert one.get_buffer(-1) is other.get_buffer(1) and len(one.get_buffer(-1)) == READ_AT_ONCE


def test_threads_have_buffers_of_their_own() -> None:
    """Each may run a loop."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(Noting().get_buffer(-1)))
    thread.start()
    thread.join()
    assert found[0] is not Noting().get_buffer(-1)


@pytest.mark.parametrize("loop", LOOPS)
def test_only_asyncio_reads_into_the_buffer(loop: str) -> None:
    """uvloop has one of its own, and and needs a call less for each message."""
    given: list[int] = []

    class Asked(Noting):
        def get_buffer(self, sizehint: int) -> memoryview:
            given.append(sizehint)
            return super().get_buffer(sizehint)

    async def talk() -> None:
        one, other = socket.socketpair()
        transport, noting = await asyncio.get_running_loop().create_connection(Asked, sock=one)
        other.send(b"hello")
        while not noting.came:
            await asyncio.sleep(0)
        transport.close()
        other.close()
        assert noting.came == [b"hello"] and bool(given) is (loop == "asyncio")

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(talk(), 20))


@pytest.mark.network
@run
async def test_connections_of_one_loop_get_what_is_theirs():
    """Many at once, each with more than a buffer holds."""

    async def talk(server: asyncio.Server, number: int) -> None:
        reader, writer = await open_to(server, ada())
        said = bytes([number]) * (READ_AT_ONCE + 1000 * number + 1)
        writer.write(said)
        assert await reader.readexactly(len(said)) == said
        await closed(writer)

    async with serving(echo) as server:
        await asyncio.gather(*(talk(server, number) for number in range(8)))
