"""What tests of aio share: a server, a client's way to it, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

import identities
from bothways.aio import Server, StreamReader, StreamWriter, connect, start_server, turns

Talk = Callable[[StreamReader, StreamWriter], Awaitable[None]]


SECONDS = 60.0  # a test that hangs has failed; on a busy machine one waits for a processor too


def run(test: Callable[..., Awaitable[None]]):
    """Let a test be a coroutine, which has a limited time."""

    def in_loop() -> None:
        async def limited() -> None:
            async with asyncio.timeout(SECONDS):
                await test()

        asyncio.run(limited())

    in_loop.__name__ = test.__name__
    in_loop.__doc__ = test.__doc__
    return in_loop


class Clock:
    """The clock of the running loop, which a test sets forward instead of waiting: by less than `SECONDS` in all."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ahead = 0.0
        time = self._loop.time
        self._loop.time = lambda: time() + self._ahead

    def set_forward(self, seconds: float) -> None:
        """Set it forward; the timers that are due then run in the next turn."""
        self._ahead += seconds

    async def advance(self, seconds: float) -> None:
        """Set it forward, and let the timers run that are due then."""
        self.set_forward(seconds)
        for _ in range(3):
            await asyncio.sleep(0)


class TurnClock:
    """The clock of the turns of all loops, which goes on only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(turns, "monotonic", lambda: self.now)
            yield


@contextlib.asynccontextmanager
async def serving(talk: Talk, config=None, **options) -> AsyncIterator[Server]:
    refusals: list[Exception] = []
    options.setdefault("refused", lambda error, address: refusals.append(error))
    server = await start_server(talk, "127.0.0.1", 0, config or identities.server_config(), **options)
    server.refusals = refusals
    async with server:
        yield server


def port(server: Server) -> int:
    return server.sockets[0].getsockname()[1]


def ada(**options):
    return identities.client_config(identities.client(), **options)


async def open_to(server: Server, config=None, **options) -> tuple[StreamReader, StreamWriter]:
    return await connect("127.0.0.1", port(server), config or ada(), **options)


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def quiet(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read()


async def closed(*writers: StreamWriter) -> None:
    for writer in writers:
        writer.close()
        await writer.wait_closed()
