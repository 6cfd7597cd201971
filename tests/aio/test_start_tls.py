"""TLS on a connection that is there already: after words in the clear, within another TLS, with OpenSSL's peers."""

from __future__ import annotations

import asyncio

import pytest

import identities
from aio.loops import Echo, Noting, in_every_loop, openssl_client, openssl_server, until
from aio_talk import ada, port
from bothways import Fault, PeerFault
from bothways.aio import create_connection, create_server, start_tls

pytestmark = pytest.mark.network


class Upgrading(Echo):
    """A server that goes over to TLS when it is asked to."""

    def __init__(self, config) -> None:
        super().__init__()
        self.config = config
        self.upgraded: asyncio.Task | None = None

    def data_received(self, data: bytes) -> None:
        if self.upgraded is None:
            assert data == b"STARTTLS\n"
            self.transport.write(b"go ahead\n")
            self.upgraded = asyncio.ensure_future(self.upgrade())
        else:
            super().data_received(data)

    async def upgrade(self) -> None:
        self.transport = await start_tls(self.transport, self, self.config)


async def plain(loop, made, config=None):
    def factory() -> Upgrading:
        made.append(Upgrading(config or identities.server_config()))
        return made[-1]

    return await loop.create_server(factory, "127.0.0.1", 0)


async def asked(port: int) -> tuple[asyncio.Transport, Noting]:
    """A client that has asked for TLS and was told to go ahead."""
    transport, app = await asyncio.get_running_loop().create_connection(Noting, "127.0.0.1", port)
    transport.write(b"STARTTLS\n")
    await until(lambda: app.data == b"go ahead\n")
    app.data.clear()
    return transport, app


@in_every_loop
async def test_both_sides_go_over_to_tls_on_an_open_connection():
    """A protocol is not told of a connection that it has, and hears of its end once."""
    made: list[Upgrading] = []
    async with await plain(asyncio.get_running_loop(), made) as server:
        below, app = await asked(port(server))
        transport = await start_tls(below, app, ada(), "localhost")
        assert transport.peer.names.dns == ("localhost",)
        transport.write(bytes(200_000))
        await until(lambda: len(app.data) == 200_000)
        assert made[0].transport.peer.names.common_name == "Ada"
        transport.close()
        assert await app.ended is None and app.reported == ["made", None]
        assert await made[0].ended is None and made[0].reported == ["made", None]


@in_every_loop
async def test_each_side_goes_over_to_tls_with_openssl(folder):
    """Its own start_tls on the other side."""
    loop = asyncio.get_running_loop()
    made: list[Upgrading] = []
    async with await plain(loop, made) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(openssl_client(folder, identities.client()), server_hostname="localhost")
        writer.write(bytes(100_000))
        assert len(await reader.readexactly(100_000)) == 100_000
        writer.close()
        await writer.wait_closed()

    async def upgrade(reader, writer) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(openssl_server(folder))
        writer.write(await reader.readexactly(100_000))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(upgrade, "127.0.0.1", 0) as server:
        below, app = await asked(port(server))
        transport = await start_tls(below, app, ada(), "localhost")
        transport.write(bytes(100_000))
        await until(lambda: len(app.data) == 100_000)
        await app.ended


@in_every_loop
async def test_tls_within_tls():
    """The transport below is one of ours."""
    made: list[Upgrading] = []

    def factory() -> Upgrading:
        made.append(Upgrading(identities.server_config()))
        return made[-1]

    async with await create_server(factory, "127.0.0.1", 0, identities.server_config()) as server:
        below, app = await create_connection(Noting, "127.0.0.1", port(server), ada(), "localhost")
        below.write(b"STARTTLS\n")
        await until(lambda: app.data == b"go ahead\n")
        app.data.clear()
        transport = await start_tls(below, app, ada(), "localhost")
        assert transport.tls.transport is below
        assert transport.get_extra_info("peername") == below.get_extra_info("peername")
        transport.write(bytes(100_000))
        await until(lambda: len(app.data) == 100_000)
        transport.close()
        await app.ended
        assert app.reported == ["made", None]


@in_every_loop
async def test_above_another_tls_nothing_of_the_peer_below_is_told(folder):
    """The peer of the connection below is a proxy; its certificate says nothing of who is behind it."""
    loop = asyncio.get_running_loop()
    made: list[Upgrading] = []

    def factory() -> Upgrading:
        made.append(Upgrading(identities.server_config(client_auth="none", client_anchors=None)))
        return made[-1]

    ways = await loop.create_server(factory, "127.0.0.1", 0, ssl=openssl_server(folder))
    async with ways as server:
        proxy = openssl_client(folder, identities.client())
        below, app = await loop.create_connection(
            Noting, "127.0.0.1", port(server), ssl=proxy, server_hostname="localhost"
        )
        below.write(b"STARTTLS\n")
        await until(lambda: app.data == b"go ahead\n")
        transport = await start_tls(below, app, ada(), "localhost")
        await until(lambda: made[0].transport.get_extra_info("ssl_object") is None)
        upper = made[0].transport
        for each in (transport, upper):
            for name in ("peercert", "ssl_object", "sslcontext", "cipher", "compression"):
                assert each.get_extra_info(name) is None
                assert each.get_extra_info(name, 7) == 7
        assert upper.tls.transport.get_extra_info("peercert")["subject"] == ((("commonName", "Ada"),),)
        assert upper.peer is None
        transport.close()
        await app.ended


@in_every_loop
async def test_a_transport_that_is_closed_does_not_go_over():
    """It is said at once, and not when the time is over."""
    loop = asyncio.get_running_loop()
    async with await plain(loop, []) as server:
        below, app = await loop.create_connection(Noting, "127.0.0.1", port(server))
        below.close()
        with pytest.raises(ConnectionAbortedError, match="the transport is closed"):
            await start_tls(below, app, ada(), "localhost", timeout=None)
        await app.ended


@in_every_loop
async def test_early_data_of_a_peer_waits_until_a_reply_can_be_sent_by_tls():
    """A client's data may come with its Finished, and by the old transport an answer would go out in the clear."""
    made: list[Upgrading] = []
    async with await plain(asyncio.get_running_loop(), made) as server:
        below, app = await asked(port(server))
        transport = await start_tls(below, app, ada(), "localhost")
        for piece in (b"one", b"two"):
            transport.write(piece)
        transport.write_eof()
        await until(lambda: app.data == b"onetwo")
        assert await made[0].ended is None
        assert made[0].reported == ["made", None] and bytes(made[0].data) == b"onetwo"
        transport.close()
        await app.ended


@in_every_loop
async def test_a_handshake_that_fails_closes_what_is_below_and_ends_the_protocol():
    """Whoever called is told why; the protocol had a connection, and hears of its end."""
    made: list[Upgrading] = []
    async with await plain(asyncio.get_running_loop(), made) as server:
        below, app = await asked(port(server))
        with pytest.raises(PeerFault) as caught:
            await start_tls(below, app, ada(), "elsewhere.example")
        assert caught.value.fault is Fault.NAME_MISMATCH
        assert below.is_closing()
        assert await app.ended is caught.value
        await until(lambda: made[0].upgraded is not None and made[0].upgraded.done())
        assert made[0].upgraded.exception() is not None


@in_every_loop
async def test_a_peer_that_does_not_go_over_is_given_up_in_time():
    """The time-out of the call."""

    async def silent(reader, writer) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        below, app = await asyncio.get_running_loop().create_connection(Noting, "127.0.0.1", port(server))
        with pytest.raises(TimeoutError, match="no TLS connection within 0.1 seconds"):
            await start_tls(below, app, ada(), "localhost", timeout=0.1)
        await app.ended
