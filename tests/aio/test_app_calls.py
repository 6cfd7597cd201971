"""Protocols of an application that fail, or end their connection, in a call of ours: nothing else suffers by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import identities
from aio.loops import Echo, in_every_loop
from aio_talk import ada, closed, port, run
from bothways import PeerFault, Truncated
from bothways.aio import Server, connect, create_server, start_tls
from bothways.aio.turns import Turns
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from inside import connection_of

pytestmark = pytest.mark.network


class Failing(asyncio.Protocol):
    """Fails in one of its calls, and writes down all of them."""

    def __init__(self, fails_in: str, mistake: type[BaseException] = RuntimeError) -> None:
        self.fails_in, self.mistake = fails_in, mistake
        self.calls: list[str] = []
        self.data = bytearray()

    def note(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fails_in:
            raise self.mistake(call)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("connection_made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.note("data_received")

    def eof_received(self) -> None:
        self.note("eof_received")

    def client_answered(self, peer: object) -> None:
        self.note("client_answered")

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end = exc
        self.note("connection_lost")


@contextlib.asynccontextmanager
async def served(app: asyncio.Protocol, config: Any = None) -> AsyncIterator[tuple[Server, Any, list[str]]]:
    """A server with one client, and the mistakes that the event loop is told of."""
    mistakes: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: mistakes.append(str(context["exception"])))
    server = await create_server(lambda: app, "127.0.0.1", 0, config or identities.server_config())
    _, writer = await connect("127.0.0.1", port(server), ada(post_handshake_auth=True), "localhost")
    try:
        yield server, writer, mistakes
    finally:
        writer.transport.abort()
        server.close()  # a connection that was forgotten would be waited for
        server.close_clients()


# A protocol that asks for the result of a task that was cancelled raises CancelledError.
MISTAKES = [RuntimeError, asyncio.CancelledError]


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize(
    "call", ["connection_made", "data_received", "eof_received", "client_answered", "connection_lost"]
)
def test_a_protocol_that_fails_loses_its_own_connection(
    call: str, in_turn: bool, mistake: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the call follows in a later turn of the loop, and nothing of the connection is kept."""

    @run
    async def talk() -> None:
        app = Failing(call, mistake)
        async with served(app) as (server, writer, mistakes):
            while not app.calls:
                await asyncio.sleep(0)
            if in_turn:
                monkeypatch.setattr(Turns, "has_room", False)
            if call == "data_received":
                writer.write(b"data")
            elif call == "client_answered":
                asked = asyncio.ensure_future(app.transport.authenticate_client(required=False))
                asked.add_done_callback(lambda done: done.exception())
            elif call != "connection_made":
                writer.write_eof()
            await server.wait_closed()
            assert mistakes == [call]
            assert app.calls.count("connection_lost") == 1 and app.calls[-1] == "connection_lost"

    talk()


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("call", ["pause_writing", "resume_writing"])
def test_a_protocol_that_does_not_follow_how_it_may_write_loses_no_data(
    call: str, mistake: type[BaseException]
) -> None:
    """As in asyncio, where that is reported and nothing else."""

    @run
    async def talk() -> None:
        app, size = Failing(call, mistake), 8 * 1024 * 1024
        async with served(app) as (server, _, mistakes):
            reader, writer = await connect("127.0.0.1", port(server), ada(), "localhost")
            writer.write(b"?")
            while not app.data:
                await asyncio.sleep(0)
            app.transport.write(bytes(size))
            app.transport.write_eof()
            assert len(await reader.read()) == size
            assert mistakes == [call]
            writer.close()

    talk()


@run
async def test_a_protocol_gets_no_data_after_its_end():
    """What it did with the first record made its peer one that is not accepted, and the second came with the first."""
    lists = CRLStore(identities.crls())

    class Revoking(Failing):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            lists.replace(CRLStore(identities.crls(identities.client(), number=2)))
            self.transport.write(b"an answer")

    app = Revoking("nothing")
    config = identities.server_config(revocation=Revocation(crls=lists), judge_again="change")
    async with served(app, config) as (server, writer, mistakes):
        client = connection_of(writer)
        writer.transport.write(client.send_data(b"one") + client.send_data(b"two"))
        await server.wait_closed()
        assert isinstance(app.end, PeerFault) and not mistakes
        assert app.data == b"one" and app.calls == ["connection_made", "data_received", "connection_lost"]


@run
async def test_a_protocol_that_has_closed_is_not_told_the_peers_end():
    """What followed its close may be missing, so that the end of the peer's data would be none."""

    class Closing(Failing):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.close()

    app = Closing("nothing")
    async with served(app) as (server, writer, mistakes):
        client = connection_of(writer)
        sent = client.send_data(b"one") + client.send_data(b"two")
        client.close()
        writer.transport.write(sent + client.data_to_send())
        await server.wait_closed()
        assert app.data == b"one" and not mistakes
        assert app.calls == ["connection_made", "data_received", "connection_lost"]


@run
async def test_a_protocol_that_fails_at_the_end_of_data_that_was_kept_for_it_loses_its_connection():
    """`start_tls` keeps what comes before it returns."""
    mistakes: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: mistakes.append(str(context["exception"])))
    app = Failing("eof_received")
    upgraded: list[asyncio.Task[Any]] = []

    class Plain(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            upgraded.append(asyncio.ensure_future(start_tls(transport, app, identities.server_config())))

    async with await loop.create_server(Plain, "127.0.0.1", 0) as server:
        _, writer = await connect("127.0.0.1", server.sockets[0].getsockname()[1], ada(), "localhost")
        writer.write_eof()
        await upgraded[0]
        while "connection_lost" not in app.calls:
            await asyncio.sleep(0.001)
        assert app.calls == ["eof_received", "connection_lost"] and mistakes == ["eof_received"]
        writer.transport.abort()


@in_every_loop
async def test_a_factory_that_fails_closes_one_connection_and_the_next_is_served():
    """uvloop itself would accept no other."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    reported: list[Any] = []
    failing = [True]

    def factory() -> Echo:
        if failing.pop():
            raise asyncio.CancelledError("none")
        failing.append(False)
        return Echo()

    async with await create_server(factory, "127.0.0.1", 0, identities.server_config()) as server:
        with pytest.raises((Truncated, OSError)):
            await connect("127.0.0.1", port(server), ada(), "localhost", timeout=10)
        failing.append(False)
        for _ in range(2):
            reader, writer = await connect("127.0.0.1", port(server), ada(), "localhost", timeout=10)
            writer.write(b"here")
            assert await reader.readexactly(4) == b"here"
            await closed(writer)
    assert [str(each["exception"]) for each in reported] == ["none"]
    assert not server.admission.here and not server.admission.places
