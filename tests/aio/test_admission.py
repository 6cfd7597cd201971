"""What a server knows of its connections, whatever is above them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import pytest

import identities
from aio.loops import Echo, Noting, in_every_loop, openssl_client, until
from aio_talk import ada, port
from bothways import Fault, PeerAlert, UsageError
from bothways.aio import connect, create_connection, create_server

pytestmark = pytest.mark.network


def serve(factory, config=None, **options):
    where = {"host": "127.0.0.1", "port": 0} | {
        key: options.pop(key) for key in ("host", "port") if key in options
    }
    return create_server(
        factory, where["host"], where["port"], config or identities.server_config(), **options
    )


@in_every_loop
async def test_a_server_makes_a_protocol_for_each_client_that_is_known():
    """Both sides as protocols; each is told of the other when it is known, and of the end."""
    made: list[Echo] = []

    def factory() -> Echo:
        made.append(Echo())
        return made[-1]

    async with await serve(factory) as server:
        assert server.is_serving()
        pairs = [
            await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost") for _ in range(3)
        ]
        for number, (transport, app) in enumerate(pairs):
            transport.write(bytes([number]) * 100_000)
            await until(lambda app=app: len(app.data) == 100_000)
        assert [each.transport.peer.names.common_name for each in made] == ["Ada"] * 3
        pairs[0][0].close()
        assert await pairs[0][1].ended is None
        await until(lambda: len(server.admission.here) == 2)
    assert [await each.ended for each in made] == [None] * 3
    assert [await app.ended for _, app in pairs] == [None] * 3
    assert server.admission.here == set()


@in_every_loop
async def test_protocols_of_open_connections_share_the_names_of_their_attributes():
    """CPython does so for up to 27 or 30 names; with more, each of thousands of connections has a table of its own."""
    made: list[Echo] = []

    def factory() -> Echo:
        made.append(Echo())
        return made[-1]

    async with await serve(factory) as server:
        upper, app = await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost")
        upper.write(bytes(100_000))
        await until(lambda: len(app.data) == 100_000)
        for each in (upper, made[0].transport):
            assert sys.getsizeof(vars(each.tls)) < 1000


@in_every_loop
async def test_a_client_of_openssl_is_served_and_one_without_a_certificate_refused(folder):
    """The other side is not ours; the protocol of a refused client hears nothing."""
    made: list[Echo] = []
    refused: list[tuple[Exception, object]] = []

    def factory() -> Echo:
        made.append(Echo())
        return made[-1]

    async with await serve(factory, refused=lambda *what: refused.append(what)) as server:
        context = openssl_client(folder, identities.client())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port(server), ssl=context, server_hostname="localhost"
        )
        writer.write(bytes(300_000))
        assert len(await reader.readexactly(300_000)) == 300_000
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port(server), ssl=openssl_client(folder), server_hostname="localhost"
        )
        with pytest.raises((ssl.SSLError, ConnectionError)):
            assert await reader.read(1)
            raise ConnectionResetError  # cpython#98078: its loop may lose our alert
        writer.close()
        await until(lambda: refused)
    assert refused[0][0].fault is Fault.NO_CERTIFICATE
    assert made[0].reported == ["made", None] and made[1].reported == []


@in_every_loop
async def test_a_client_that_is_refused_late_learns_it_in_its_protocol():
    """In TLS 1.3 after its own Finished."""
    async with await serve(Echo, refused=lambda *_: None) as server:
        _, app = await create_connection(
            Noting, "127.0.0.1", port(server), identities.client_config(), "localhost"
        )
        assert isinstance(await app.ended, PeerAlert)


@in_every_loop
async def test_a_server_listens_on_a_socket_file_on_a_socket_or_on_a_port_that_others_listen_on(folder):
    """In each way clients are known."""
    path = folder / "here"
    async with await serve(Echo, host=None, port=None, path=path):
        reader, writer = await connect(None, None, ada(), "localhost", path=path)
        await talk(reader, writer)
    listening = socket.create_server(("127.0.0.1", 0))
    async with await serve(Echo, host=None, port=None, sock=listening) as server:
        calling = socket.create_connection(("127.0.0.1", port(server)))
        await talk(*await connect(None, None, ada(), "localhost", sock=calling))
    one = await serve(Echo, reuse_port=True)
    async with one, await serve(Echo, reuse_port=True, port=port(one)) as other:
        assert port(one) == port(other)
        for _ in range(4):
            await talk(*await connect("127.0.0.1", port(one), ada(), "localhost"))


async def talk(reader, writer) -> None:
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "where",
    [
        {"host": None, "port": None},
        {"host": "127.0.0.1", "port": 0, "path": "here"},
        {"host": None, "port": None, "path": "here", "sock": "a socket"},
        {"host": None, "port": 0, "sock": "a socket"},
    ],
)
def test_a_server_and_a_client_are_where_one_way_says(where):
    """A mistake of the caller's."""

    async def wrong() -> None:
        with pytest.raises(UsageError, match="give one of them"):
            await serve(Echo, **where)
        here = dict(where)
        with pytest.raises(UsageError, match="give one of them"):
            await connect(here.pop("host"), here.pop("port"), ada(), "localhost", **here)

    asyncio.run(wrong())


@in_every_loop
async def test_a_mistake_in_what_is_called_for_refusals_ends_no_server():
    """The loop is told."""
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context["exception"])
    )

    def fails(error: Exception, address: object) -> None:
        raise ZeroDivisionError

    async with await serve(Echo, refused=fails) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"\x02\x2f" in await reader.read() or reported
        writer.close()
        await until(lambda: reported)
        await talk(*await connect("127.0.0.1", port(server), ada(), "localhost"))
    assert [type(each) for each in reported] == [ZeroDivisionError]


@in_every_loop
async def test_a_mistake_of_a_protocol_ends_its_own_connection_only():
    """The loop is told; nothing more is handed out, since something was lost."""
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context["exception"])
    )

    handed_out: list[bytes] = []

    class Fails(Echo):
        def data_received(self, data: bytes) -> None:
            handed_out.append(data)
            if b"!" in data:
                raise ZeroDivisionError
            super().data_received(data)

    async with await serve(Fails) as server:
        transport, app = await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost")
        for each in (b"!", b"more"):
            transport.tls.connection.send(each)
        transport.write(b"in one piece")
        assert await app.ended is not None
        assert handed_out == [b"!"]
        await talk(*await connect("127.0.0.1", port(server), ada(), "localhost"))
    assert [type(each) for each in reported] == [ZeroDivisionError]


class Buffered(asyncio.BufferedProtocol):
    """Has seven bytes of room at a time."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.room = bytearray(7)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.room

    def buffer_updated(self, size: int) -> None:
        self.data += self.room[:size]
        self.transport.write(bytes(self.room[:size]))


@in_every_loop
async def test_a_protocol_may_bring_a_buffer_of_its_own():
    """As asyncio's BufferedProtocol."""
    made: list[Buffered] = []

    def factory() -> Buffered:
        made.append(Buffered())
        return made[-1]

    sent = bytes(range(256)) * 20
    async with await serve(factory) as server:
        transport, app = await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost")
        transport.write(sent)
        await until(lambda: bytes(app.data) == sent)
        transport.close()
        await app.ended
    assert bytes(made[0].data) == sent


@in_every_loop
async def test_a_peer_that_takes_nothing_more_cannot_keep_a_server_from_ending():
    """What waits to be sent is given up when nothing of it is taken for a while."""
    made: list[Echo] = []

    def factory() -> Echo:
        made.append(Echo())
        return made[-1]

    async with await serve(factory) as server:
        transport, _ = await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost")
        transport.tls.transport.pause_reading()
        await until(lambda: made and made[0].reported)
        made[0].transport.write(bytes(32 * 1024 * 1024))
    assert server.admission.here == set()
    transport.abort()
    await asyncio.sleep(0)
