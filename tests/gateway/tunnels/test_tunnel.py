"""A tunnel in the test's own event loop, with servers of ours behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bothways import ClientConfig, ConfigError, ServerConfig
from bothways.addresses import TCPAddress, UnixAddress
from bothways.aio import start_server, watch
from bothways.gateway.files.held import Held
from bothways.gateway.relay.relay import Relay
from bothways.gateway.tunnels import tunnel as module
from bothways.gateway.tunnels.metrics import TunnelMetrics
from bothways.gateway.tunnels.tunnel import Tunnel, TunnelSettings
from bothways.starttls import PROTOCOLS
from bothways.trust.revocation import Revocation
from gateway_talk import Setting, until
from tunnel_talk import port, tls_server

pytestmark = pytest.mark.network

Ends = list[tuple[str, Exception | None]]


@contextlib.asynccontextmanager
async def tunnel(setting: Setting, port: int, ends: Ends, **options: Any) -> AsyncIterator[Path]:
    config: ClientConfig = options.pop("config", None) or setting.mutual.client().config
    several, metrics = options.pop("several", []), options.pop("metrics", None)
    settings = TunnelSettings(config, TCPAddress("127.0.0.1", port), "localhost", **options)
    made = Tunnel(settings, lambda why, error: ends.append((why, error)), metrics)
    several.append(made)
    path = setting.folder / "tunnel.sock"
    assert await made.start(UnixAddress(str(path))) == f"unix:{path}"
    try:
        yield path
    finally:
        await made.close()
    assert not path.exists()


def test_a_program_without_tls_reaches_a_server_as_whom_the_certificate_names(setting: Setting) -> None:
    """By a socket that only this user can open; each way ends by itself."""
    ends: Ends = []

    async def talk() -> None:
        async with tls_server(setting) as server, tunnel(setting, port(server), ends) as path:
            assert path.stat().st_mode & 0o777 == 0o600
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"x" * 300_000)
            writer.write_eof()
            data = await reader.read()
            assert (data[:300_000], data[300_000:]) == (b"x" * 300_000, b"good client")
            writer.close()
            await until(lambda: ends)
        assert ends == [("both sides closed", None)]

    asyncio.run(talk())


@pytest.mark.parametrize("leaves", [True, False])
def test_a_server_that_ends_without_close_notify_is_told_while_the_program_is_there(
    setting: Setting, leaves: bool
) -> None:
    """Redis ends so whenever its client does; a program that has closed its socket lacks nothing."""
    ends: Ends = []

    async def impolite(reader: Any, writer: Any) -> None:
        writer.write(await reader.read(65536))
        await reader.read()
        writer.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        writer.transport.abort()

    async def talk() -> None:
        config = ServerConfig(credentials=setting.mutual.identity("server").credentials, client_auth="none")
        server = await start_server(impolite, "127.0.0.1", 0, config, refused=lambda *_: None)
        async with server, tunnel(setting, port(server), ends) as path:
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            if leaves:
                writer.close()
            else:
                writer.write_eof()
                assert await reader.read() == b""  # a Unix socket knows no reset
            await until(lambda: ends)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        [(why, error)] = ends
        assert (why == "both sides closed", error is None) == (leaves, leaves)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("kind", "why"),
    [("revoked", "that was revoked"), ("unknown_ca", "trust anchors"), (None, "cannot be reached")],
)
def test_a_program_whose_server_cannot_be_trusted_or_reached_is_cut(
    setting: Setting, kind: str | None, why: str
) -> None:
    ends: Ends = []

    async def talk() -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(tls_server(setting, kind or "good"))
            where = port(server)
            if kind is None:
                server.close()
            path = await stack.enter_async_context(tunnel(setting, where, ends))
            reader, writer = await asyncio.open_unix_connection(str(path))
            with pytest.raises(ConnectionError):
                writer.write(b"secret")
                assert not await reader.read()
                raise ConnectionResetError
            writer.close()
            await until(lambda: ends)
        [(reported, error)] = ends
        assert why in reported
        assert error is not None

    asyncio.run(talk())


def test_a_server_that_is_revoked_meanwhile_is_left(setting: Setting) -> None:
    ends: Ends = []
    mutual = setting.mutual
    mine = mutual.identity("server", dns=["localhost"])
    config = mutual.client(judge_again="change", revocation=Revocation(crls=mutual.crls)).config

    async def talk() -> None:
        async with (
            tls_server(setting, mine) as server,
            tunnel(setting, port(server), ends, config=config) as path,
        ):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            mutual.revoke(mine)
            with pytest.raises(ConnectionError):
                assert not await reader.read()
                raise ConnectionResetError
            writer.close()
        assert "revoked" in ends[0][0]

    asyncio.run(talk())


class Seen(TunnelMetrics):
    """Keeps the relays that it counts."""

    def __init__(self) -> None:
        super().__init__(Held)
        self.relays: list[Relay] = []

    def began(self, relay: Relay) -> None:
        self.relays.append(relay)
        super().began(relay)


def test_a_tunnel_that_ends_delivers_the_last_bytes_first(setting: Setting) -> None:
    """Both sides have closed, and the program has not read yet what the server sent last."""
    ends: Ends = []
    several: list[Tunnel] = []
    metrics = Seen()

    async def talk() -> None:
        options: Any = {"several": several, "metrics": metrics}
        async with tls_server(setting) as server, tunnel(setting, port(server), ends, **options) as path:
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            loop, data = asyncio.get_running_loop(), b"x" * 50_000
            await loop.sock_connect(sock, str(path))
            await until(lambda: metrics.relays)
            transport = metrics.relays[0].client.transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            await loop.sock_sendall(sock, data)
            sock.shutdown(socket.SHUT_WR)
            await until(lambda: ends)
            assert transport.get_write_buffer_size()
            closing = loop.create_task(several[0].close())
            for _ in range(10):
                await asyncio.sleep(0)
            assert not closing.done()
            got = b""
            while piece := await loop.sock_recv(sock, 4096):
                got += piece
            assert got == data + b"good client"
            await closing
            sock.close()
        assert ends == [("both sides closed", None)]

    asyncio.run(talk())


def test_whoever_has_read_new_evidence_has_open_connections_verified_at_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another thread; no connection waits until it looks for evidence by itself."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 3600.0)
    ends: Ends = []
    several: list[Tunnel] = []
    mutual = setting.mutual
    mine = mutual.identity("server", dns=["localhost"])
    config = mutual.client(judge_again="change", revocation=Revocation(crls=mutual.crls)).config

    async def talk() -> None:
        async with (
            tls_server(setting, mine) as server,
            tunnel(setting, port(server), ends, config=config, several=several) as path,
        ):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            mutual.revoke(mine)
            await asyncio.to_thread(several[0].judge_soon)
            await until(lambda: ends)
            writer.close()
        assert "revoked" in ends[0][0]
        several[0].judge_soon()  # after the end

    asyncio.run(talk())
    several[0].judge_soon()


def test_tls_is_requested_in_the_protocol_of_the_server(setting: Setting) -> None:
    """PostgreSQL: SSLRequest and one byte, then TLS on the same connection."""
    ends: Ends = []
    asked: list[bytes] = []

    async def talk() -> None:
        async with tls_server(setting) as server:

            async def postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(await reader.readexactly(8))
                writer.write(b"S")
                inner = await asyncio.open_connection("127.0.0.1", port(server))

                async def copy(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
                    while data := await one.read(65536):
                        other.write(data)
                    other.write_eof()

                await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))
                inner[1].close()
                writer.close()

            async with await asyncio.start_server(postgres, "127.0.0.1", 0) as front:
                where = front.sockets[0].getsockname()[1]
                async with tunnel(setting, where, ends, starttls=PROTOCOLS["postgres"]) as path:
                    reader, writer = await asyncio.open_unix_connection(str(path))
                    writer.write(b"hello")
                    assert await reader.readexactly(5) == b"hello"
                    writer.write_eof()
                    assert await reader.read() == b"good client"
                    writer.close()
                    await until(lambda: ends)
        assert asked == [bytes.fromhex("0000000804d2162f")]

    asyncio.run(talk())


def test_only_so_many_connections_are_taken(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 1)
    ends: Ends = []

    async def talk() -> None:
        async with tls_server(setting) as server, tunnel(setting, port(server), ends) as path:
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            second, other = await asyncio.open_unix_connection(str(path))
            with contextlib.suppress(ConnectionError):
                assert not await second.read()
            assert ends[0][0] == "there are 1 connections, and no more are taken"
            writer.close()
            other.close()

    asyncio.run(talk())


def test_nobody_is_connected_while_our_certificate_may_not_be_shown(setting: Setting) -> None:
    ends: Ends = []
    allowed: list[bool] = []

    async def talk() -> None:
        options = {"may_show": lambda: bool(allowed)}
        async with tls_server(setting) as server, tunnel(setting, port(server), ends, **options) as path:
            reader, writer = await asyncio.open_unix_connection(str(path))
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await until(lambda: ends)
            [(why, error)] = ends
            assert "our SVID has expired" in why
            assert isinstance(error, ConfigError)
            allowed.append(True)
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write_eof()
            assert await reader.read() == b"good client"
            writer.close()

    asyncio.run(talk())
