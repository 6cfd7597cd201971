"""Many clients of a gateway of two workers, and the service behind it, whose bytes are checked at both ends by content.

Each connection has two streams that depend on its number and on the place in them, so that a byte that is lost,
invented or another connection's is found where it happens. What the gateway writes in its log is held against both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bothways import ClientConfig, TLSError
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.testing import Identity
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting

PATIENCE = 60.0
AT_ONCE = 16  # handshakes of our own clients
LARGEST = 20_000  # bytes of a turn
NUMBER = struct.Struct("!Q")
_BLOCK = random.Random(20261130).randbytes(1 << 20)
_TWICE = _BLOCK * 2


def pattern(direction: str, number: int, at: int, size: int) -> bytes:
    """Return so many bytes of a stream, `up` or `down`, of at most a MiB."""
    start = (number * 977 + at + (len(_BLOCK) // 2 if direction == "down" else 0)) % len(_BLOCK)
    return _TWICE[start : start + size]


@dataclass
class Party:
    """One connection at the service. `ended`: by an end in order (`end`), by a cut (`cut`), or of itself (`died`)."""

    number: int
    writer: asyncio.StreamWriter
    received: int = 0
    sent: int = 0
    ended: str = ""
    has_closed: bool = False


@dataclass
class Talk:
    """One client. `error`: what ended it before its time.  `port`: from which it came."""

    number: int
    reader: StreamReader
    writer: StreamWriter
    sent: int = 0
    got: int = 0
    error: BaseException | None = None
    ended_at: float = 0.0

    @property
    def port(self) -> int:
        return int(self.writer.get_extra_info("sockname")[1])


class Service:
    """For each byte of `up` it sends one of `down`. `parties`: by the numbers that clients begin with."""

    def __init__(self) -> None:
        self.parties: dict[int, Party] = {}
        self.wrong: list[str] = []
        self.hanging: set[int] = set()
        self._goes_on = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Listen no more; who is connected stays."""
        assert self._server is not None
        self._server.close()

    def hang(self, numbers: set[int]) -> None:
        """Read nothing more of these."""
        self.hanging |= numbers
        self._goes_on.clear()

    def go_on(self) -> None:
        """Read of all again."""
        self.hanging.clear()
        self._goes_on.set()

    def die(self, number: int) -> None:
        """Reset a connection, as the system does for a process that is gone with bytes unread."""
        party = self.parties[number]
        party.ended = "died"
        own = party.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        party.writer.transport.abort()

    def close_half(self, number: int) -> None:
        """Say that nothing more comes, and go on to read."""
        party = self.parties[number]
        party.has_closed = True
        party.writer.write_eof()

    def end(self) -> None:
        """End everything."""
        self.refuse()
        for party in self.parties.values():
            party.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            [number] = NUMBER.unpack(await reader.readexactly(NUMBER.size))
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
            return
        if number in self.parties:
            self.wrong.append(f"{number} came twice")
        party = self.parties[number] = Party(number, writer)
        try:
            await self._answer(party, reader)
            party.ended = party.ended or "end"
        except OSError:
            party.ended = "cut"
        writer.close()

    async def _answer(self, party: Party, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(1 << 16):
            if data != pattern("up", party.number, party.received, len(data)):
                self.wrong.append(f"{party.number}: other bytes came than were sent, after {party.received}")
            party.received += len(data)
            if not party.has_closed:
                party.writer.write(pattern("down", party.number, party.sent, len(data)))
                party.sent += len(data)
                await party.writer.drain()
            while party.number in self.hanging:
                await self._goes_on.wait()


class Load:
    """The clients, in front of one gateway. `wrong`: what does not hold, in words."""

    def __init__(self, setting: Setting, service: Service, gateway: Background) -> None:
        self.setting = setting
        self.service = service
        self.gateway = gateway
        self.talks: list[Talk] = []
        self._chance = random.Random(1)
        self.wrong = service.wrong

    # -- clients ---------------------------------------------------------------------------------------

    async def open(
        self, count: int, who: ClientConfig | Identity | str = "good", **settings: Any
    ) -> list[Talk]:
        """Connect so many more clients; each has sent its number and had its first turn."""
        made = who if isinstance(who, ClientConfig) else self.setting.mutual.client(who, **settings).config
        turns, config = asyncio.Semaphore(AT_ONCE), made

        async def opened(number: int) -> Talk:
            async with turns:
                reader, writer = await connect(
                    "127.0.0.1", int(self.gateway.port or 0), config, "localhost", timeout=PATIENCE
                )
                talk = Talk(number, reader, writer)
                writer.write(NUMBER.pack(number))
                await self._turn(talk, 100)
                return talk

        first = len(self.talks)
        new = await asyncio.gather(*map(opened, range(first, first + count)))
        self.talks += new
        return list(new)

    @contextlib.asynccontextmanager
    async def talking(self, talks: list[Talk]) -> AsyncIterator[None]:
        """Have these clients take turn after turn while the block lasts, and one more after it."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._talk(each, stop)) for each in talks]
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*tasks)

    async def _talk(self, talk: Talk, stop: asyncio.Event) -> None:
        pause = max(0.05, len(self.talks) / 1000)
        try:
            while not stop.is_set():
                await self._turn(talk, self._chance.choice((1, 100, LARGEST)))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._chance.random() * pause)
            await self._turn(talk, 500)
        except (TLSError, OSError, EOFError) as error:
            talk.error, talk.ended_at = error, time.monotonic()

    def send(self, talk: Talk, size: int) -> None:
        """Send so many bytes of a client's stream."""
        talk.writer.write(pattern("up", talk.number, talk.sent, size))
        talk.sent += size

    async def _turn(self, talk: Talk, size: int) -> None:
        """Send so many bytes, and read as many that the service sends for them."""
        self.send(talk, size)
        await talk.writer.drain()
        while talk.got < talk.sent:
            if not await self._read(talk):
                raise EOFError("an end in order in the middle of a turn")

    async def _read(self, talk: Talk) -> int:
        data = await talk.reader.read(1 << 16)
        if data != pattern("down", talk.number, talk.got, len(data)):
            self.wrong.append(f"{talk.number} got other bytes than were sent to it, after {talk.got}")
        talk.got += len(data)
        return len(data)

    async def until_ended(self, talks: list[Talk]) -> None:
        """Read of clients that say nothing until each of them has ended."""

        async def read(talk: Talk) -> None:
            try:
                while await self._read(talk):
                    pass
                talk.error = EOFError("an end in order")
            except (TLSError, OSError) as error:
                talk.error = error
            talk.ended_at = time.monotonic()

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(read, talks))

    # -- what is told ----------------------------------------------------------------------------------

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of connections so far."""
        told = [json.loads(line) for line in self.gateway.printed.splitlines() if line.startswith("{")]
        return [each for each in told if each["kind"] == "connection"]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.02)

    async def until_said(self, words: str, change: Callable[[], object]) -> None:
        """Make a change, and wait until the gateway has written these words once more."""
        before = self.gateway.printed.count(words)
        made = change()
        if isinstance(made, Awaitable):
            await made
        try:
            await self.until(lambda: self.gateway.printed.count(words) > before)
        except TimeoutError:
            raise AssertionError(
                f"the gateway did not say {words!r}: {self.gateway.printed[-1500:]}"
            ) from None

    async def reload(self, change: Callable[[], object]) -> None:
        """Change the file of the gateway, and wait until all workers have taken it."""

        def both() -> None:
            change()
            self.gateway.process.send_signal(signal.SIGHUP)

        await self.until_said("all workers use what was read", both)

    # -- the end ---------------------------------------------------------------------------------------

    async def finish(self, ended: dict[str, list[Talk]], *, untold: list[Talk] | None = None) -> None:
        """Close all others in order, and hold both ends and the log against each other.

        ended: who had to end, by the code of it; everybody else had to stay.  untold: those without a line, since their
        worker is gone.
        """
        codes = {talk.number: code for code, talks in ended.items() for talk in talks}
        gone = {talk.number for talk in untold or ()}
        staying = [each for each in self.talks if each.number not in codes and each.number not in gone]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(self._close, staying))
        for talk in self.talks:
            talk.writer.transport.abort()
        telling = [each for each in self.talks if each.number not in gone]
        await self.until(lambda: len(self._told(telling)) == len(telling))
        told = self._told(telling)
        for talk in telling:
            self._compare(talk, codes.get(talk.number), told[talk.number])
        assert not self.wrong, "\n".join(self.wrong[:20])

    def _told(self, talks: list[Talk]) -> dict[int, dict[str, Any]]:
        """Return the line of each talk that has one, by its number.

        A port of one that has ended may be given to a client that comes later: the first line is that of the first.
        """
        lines: dict[object, deque[dict[str, Any]]] = {}
        for line in self.lines():
            lines.setdefault(_port(line), deque()).append(line)
        return {each.number: lines[each.port].popleft() for each in talks if lines.get(each.port)}

    async def _close(self, talk: Talk) -> None:
        if talk.error is not None:
            self.wrong.append(f"{talk.number} ended: {talk.error!r}")
            return
        try:
            talk.writer.write_eof()
            while await self._read(talk):
                pass
            talk.writer.close()
            await talk.writer.wait_closed()
        except (TLSError, OSError) as error:
            self.wrong.append(f"{talk.number} did not end in order: {error!r}")

    def _compare(self, talk: Talk, code: str | None, line: dict[str, Any]) -> None:
        """Hold one client, the service and the log against each other."""
        party = self.service.parties[talk.number]
        told = f"{talk.number}: {line['code']}, {talk.sent} sent, {party.received} received, {line['bytes_in']} told"
        if line["code"] != (code or "CLOSED"):
            self.wrong.append(f"{told}: not {code or 'CLOSED'}: {line['ended']}")
        if code is not None and talk.error is None:
            self.wrong.append(f"{told}: its client heard nothing of the end")
        all_up = talk.sent == party.received == line["bytes_in"] - NUMBER.size
        all_down = talk.got == party.sent == line["bytes_out"]
        if code is None and not (all_up and all_down and party.ended == "end"):
            self.wrong.append(f"{told}, {party.sent} sent back, {talk.got} got, {party.ended}: not all of it")
        if party.received > talk.sent or talk.got > party.sent:
            self.wrong.append(f"{told}: more came than was sent")
        if code is not None and party.ended == "end" and not party.has_closed:
            self.wrong.append(f"{told}: the service took a part for the whole")


def _port(line: dict[str, Any]) -> int:
    return int(str(line["client"]).rpartition(":")[2] or 0)


@contextlib.asynccontextmanager
async def loaded(
    setting: Setting,
    count: int,
    route: str = "",
    *more: str,
    who: ClientConfig | Identity | str = "good",
    **tables: Any,
) -> AsyncIterator[Load]:
    """Run a gateway of two workers, with so many clients through it.

    route: more lines of the route.  more: further words on the command line.  tables: of the file.
    """
    service = Service()
    await service.start()
    words = ["gateway", "-c", "gateway.toml", "--workers", "2", *more]
    keys = f'server_names = ["localhost"]\nbackend = "127.0.0.1:{service.port}"\n{ANYBODY}\n{route}'
    setting.write(keys, **{"times": {"drain": 1}} | tables)
    gateway = await asyncio.to_thread(Background, words, setting.folder)
    load = Load(setting, service, gateway)
    try:
        await load.open(count, who)
        yield load
    finally:
        service.go_on()
        for talk in load.talks:
            talk.writer.transport.abort()
        await asyncio.to_thread(gateway.end, signal.SIGTERM)
        service.end()
        await asyncio.sleep(0)
    for sign in ("Traceback", "DEFECT"):
        assert sign not in gateway.printed, gateway.printed[gateway.printed.find(sign) :][:2000]


def codes(lines: list[dict[str, Any]]) -> Counter[str]:
    """Count lines by their codes."""
    return Counter(str(each["code"]) for each in lines)


def by_turns(talks: list[Talk], count: int) -> Iterator[list[Talk]]:
    """Deal clients out to so many groups."""
    return (talks[number::count] for number in range(count))
