"""`start_server`: handlers, refusals, ends."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

import skins
from aio_talk import closed, echo, open_to, port, quiet, run, serving
from bothways import (
    Alert,
    Fault,
    PeerAlert,
    Truncated,
)
from bothways.aio import server as server_source
from bothways.aio import start_server

pytestmark = pytest.mark.network


@run
async def test_a_handlers_last_words_arrive_though_the_client_still_talks():
    """The server lingers a moment: closing with unread data would destroy them."""

    async def short(reader, writer) -> None:
        await reader.read(1)
        writer.write(b"short answer")

    async with serving(short) as server:
        reader, writer = await open_to(server)
        writer.write(bytes(300_000))
        writer.write_eof()
        assert await reader.read() == b"short answer"
        await closed(writer)


@run
async def test_a_slow_client_gets_all_of_an_answer_that_its_handler_left_behind():
    """The server's patience counts from the last byte that the client took."""
    size = 8 * 1024 * 1024

    async def big(reader, writer) -> None:
        writer.write(bytes(size))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_source, "LINGER_SECONDS", 0.2)
        async with serving(big) as server:
            reader, writer = await open_to(server)
            received = 0
            while data := await reader.read(256 * 1024):
                received += len(data)
                await asyncio.sleep(0.02)
            assert received == size
            await closed(writer)


@run
async def test_server_gives_up_on_a_client_that_stays_silent():
    """The configuration's own limit is a fault of the peer."""
    async with serving(echo, skins.server_config(handshake_timeout=0.05)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        alert = await reader.read()
        writer.close()
        assert bytes((Alert.USER_CANCELED,)) in alert
        assert server.refusals[0].fault is Fault.HANDSHAKE_TIMEOUT


@run
async def test_a_server_ends_with_its_connections():
    """Leaving the context cancels handlers and closes their connections in order (close_notify)."""
    cancelled: list[bool] = []

    async def waits(reader, writer) -> None:
        try:
            await reader.read()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serving(waits) as server:
        reader, writer = await open_to(server)
        await asyncio.sleep(0.02)
    assert cancelled == [True]
    assert not server.is_serving()
    assert await reader.read() == b""
    await closed(writer)


@run
async def test_serve_forever_ends_when_cancelled():
    """As asyncio's; handlers end with it."""
    server = await start_server(quiet, "127.0.0.1", 0, skins.server_config())
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.01)
    _, writer = await open_to(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed(writer)


@run
async def test_a_failing_handler_ends_its_own_connection_only(caplog=None):
    """The loop is told; the peer sees a cut; others go on."""
    told: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

    async def fails(reader, writer) -> None:
        if await reader.read(1) == b"!":
            raise ZeroDivisionError
        raise TimeoutError("a handler's own")

    async with serving(fails) as server:
        for word, kind in ((b"!", ZeroDivisionError), (b"?", None)):
            reader, writer = await open_to(server)
            writer.write(word)
            with pytest.raises(Truncated):
                await reader.read(1)
            await closed(writer)
            assert [type(error) for error in told] == ([kind] if kind else [ZeroDivisionError])


def test_refusals_are_logged_unless_taken(caplog):
    """The default of `refused`."""

    async def refused() -> None:
        server = await start_server(quiet, "127.0.0.1", 0, skins.server_config())
        async with server:
            reader, writer = await open_to(server, skins.client_config())
            with pytest.raises(PeerAlert):
                await reader.read(1)
            await closed(writer)

    with caplog.at_level(logging.INFO, "bothways"):
        asyncio.run(refused())
    assert "sent no certificate although we require one" in caplog.text


@run
async def test_what_came_before_a_failure_still_has_its_sender():
    """A client's data is not an anonymous one's because of what came behind it in the same read."""
    heard: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()

    async def listen(reader, writer) -> None:
        heard.set_result((writer.peer.names.common_name, await reader.read(100)))

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port(server))) as sock:
            skins.say_and_break(sock)

    async with serving(listen) as server:
        await asyncio.to_thread(client)
        assert await heard == ("Ada", b"last words")
