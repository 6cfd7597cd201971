"""How a client reaches a server: which address of a name answers, and that many at once share the turns of a loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from functools import partial
from typing import Any

import pytest

from aio.loops import LOOPS, Noting, in_every_loop
from aio.written import Written
from aio_talk import TurnClock, ada, closed, echo, port, run, serving
from bothways import ConfigError, net
from bothways.addresses import TCPAddress
from bothways.aio import connect, create_connection
from bothways.aio.connecting import connected_socket
from bothways.aio.opening import ClientOpening
from bothways.aio.turns import TURN_SECONDS, turns_of
from bothways.diagnosis.failure import explain_failure

pytestmark = pytest.mark.network

REFUSED, LACKS = errno.ECONNREFUSED, errno.EADDRNOTAVAIL
MANY = 5


@pytest.mark.parametrize(
    ("met", "told"), [((REFUSED, LACKS), REFUSED), ((LACKS, REFUSED), REFUSED), ((LACKS, LACKS), LACKS)]
)
@pytest.mark.parametrize("way", ["protocol", "socket"])
def test_a_family_that_this_machine_lacks_is_told_only_where_nothing_else_is(
    met: tuple[int, ...], told: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop tells of several addresses at once, in a text without a number, which explains nothing."""
    rows = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{at}", 1)) for at in range(1, len(met) + 1)
    ]
    numbers = {f"127.0.0.{at}": number for at, number in enumerate(met, 1)}

    async def main() -> None:
        async def fails(sock: object, address: Any) -> None:
            number = numbers[address[0]]
            raise OSError(number, os.strerror(number))

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "sock_connect", fails)
        monkeypatch.setattr(loop, "getaddrinfo", found)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
        with pytest.raises(OSError) as failed:
            if way == "socket":
                await connected_socket(TCPAddress("service", 1))
            else:
                await connect("service", 1, ada(), "localhost")
        assert failed.value.errno == told
        if way == "protocol" and told == REFUSED:
            assert "nothing listens at service:1" in str(explain_failure(failed.value))

    async def found(*_: object, **__: object) -> list[Any]:
        return rows

    asyncio.run(main())


@run
async def test_the_next_address_of_a_name_is_tried():
    """On the first one nothing listens."""
    async with serving(echo) as server:

        async def found(host: str, number: int, **_: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, (each, number)) for each in ("127.9.9.9", "127.0.0.1")]

        asyncio.get_running_loop().getaddrinfo = found
        reader, writer = await connect("service", port(server), ada(), "localhost")
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"
        await closed(writer)


@pytest.mark.parametrize(
    ("host", "number", "problem"),
    [
        ("127.0.0.1", 99999, "port: expected a number of 1 to 65535, not 99999"),
        ("127.0.0.1", 0, "port: expected a number of 1 to 65535, not 0"),
        ("127.0.0.1", -1, "port: expected a number of 1 to 65535, not -1"),
        ("127.0.0.1", "https", "port: expected a number of 1 to 65535, not https"),
        ("", 1, "host: expected a name or an IP address, not an empty text"),
        (b"localhost", 1, "host: expected a name or an IP address, not bytes"),
        ("a..b", 1, "a..b is neither the name of a host nor an IP address"),
    ],
)
@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_no_address_is_refused_before_anything_is_connected(
    loop: str, host: Any, number: Any, problem: str
) -> None:
    """Systems take a port modulo 65536: the server would be another one."""

    async def main() -> None:
        for call in (connect(host, number, ada(), "localhost"), made(host, number)):
            with pytest.raises(ConfigError) as refused:
                await call
            assert problem in str(refused.value)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    with pytest.raises(ConfigError) as refused:
        net.connect(host, number, ada(), "localhost")
    assert problem in str(refused.value)


async def made(host: Any, number: Any) -> None:
    await create_connection(Noting, host, number, ada(), "localhost")


@in_every_loop
async def test_clients_that_connect_at_once_begin_in_as_many_turns_as_that_takes():
    """The key shares of a ClientHello take a good part of a millisecond; what waits is neither lost nor forgotten."""
    clock, now, begun = TurnClock(), 0, []

    async def count() -> None:
        nonlocal now
        while True:
            await asyncio.sleep(0)
            now += 1

    class First:
        """Takes a whole turn when the ClientHello is made."""

        def __init__(self) -> None:
            self.has_begun = False

        def __call__(self, note: object) -> None:
            if not self.has_begun:
                self.has_begun = True
                clock.now += TURN_SECONDS
                begun.append(now)

    counting = asyncio.ensure_future(count())
    async with serving(echo) as server:
        with clock.running():
            opened = await asyncio.gather(
                *(
                    connect("127.0.0.1", port(server), ada(), "localhost", observer=First())
                    for _ in range(MANY)
                )
            )
        assert len(begun) == len(set(begun)) == MANY
        for number, (reader, writer) in enumerate(opened):
            writer.write(b"%d" % number)
            assert await reader.readexactly(1) == b"%d" % number
        await closed(*(writer for _, writer in opened))
    counting.cancel()


class Kept(Written):
    """A transport that knows whether it reads, and passes its protocol on."""

    reads = True
    protocol: Any = None

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


@run
async def test_backends_whose_names_are_not_resolved_take_no_thread_of_others():
    """Files are read in those threads: revocations would wait for the resolver."""
    over = threading.Event()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
        await _beside_lookups(over)


async def _beside_lookups(over: threading.Event) -> None:
    waiting = [asyncio.create_task(connected_socket(TCPAddress("slow.example", 1))) for _ in range(100)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(len, "read") == 4
    finally:
        over.set()
    assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {OSError}


@run
async def test_a_client_that_waits_for_its_turn_reads_nothing_and_may_be_lost():
    """What the server says first waits in the system; a connection that is gone begins no TLS."""
    clock = TurnClock()
    with clock.running():
        turns_of(asyncio.get_running_loop()).run(partial(setattr, clock, "now", TURN_SECONDS))
        made: list[Noting] = []

        def make() -> Noting:
            made.append(Noting())
            return made[-1]

        ways = [Kept(), Kept()]
        kept, lost = (ClientOpening(None, make) for _ in ways)
        for opening, way in zip((kept, lost), ways, strict=True):
            opening.connection_made(way)
        assert not made and not any(each.reads for each in ways)
        lost.connection_lost(None)
        assert await kept.finished is ways[0].protocol is made[0]
        assert ways[0].reads and made[0].transport is ways[0] and len(made) == 1
        with pytest.raises(ConnectionResetError):
            await lost.finished
