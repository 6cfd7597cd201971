"""What tests of tunnels share: servers with TLS, the tables of a file, and programs without TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bothways import ServerConfig
from bothways.aio import Server, start_server
from bothways.gateway.server import Gateway
from bothways.testing import Identity
from gateway_talk import Setting

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def tls_server(
    setting: Setting, who: str | Identity = "good", *, peers: list[Any] | None = None, **settings: Any
) -> AsyncIterator[Server]:
    """Sends back what comes, to clients with a certificate, and says who they are at the end.

    peers: gets who they are.  settings: fields of `ServerConfig`.
    """

    async def echo(reader: Any, writer: Any) -> None:
        if peers is not None:
            peers.append(writer.peer)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write(writer.peer.names.common_name.encode())
        writer.write_eof()

    mutual = setting.mutual
    mine = who if isinstance(who, Identity) else mutual.identity("server", who)
    usual = {"credentials": mine.credentials, "client_anchors": mutual.anchors}
    config = ServerConfig(**usual | settings)
    async with await start_server(echo, "127.0.0.1", 0, config, refused=lambda *_: None) as server:
        yield server


def port(server: Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def table(setting: Setting, server: int, *keys: str, name: str = "db", who: Identity | None = None) -> str:
    """The table of a tunnel. server: the port of its server.  who: we are."""
    mine = who or setting.mutual.identity("client")
    lines = [
        "[[tunnel]]", f'name = "{name}"', f'unix = "{name}.sock"', f'server = "localhost:{server}"',
        f'ca = "{setting.mutual.ca}"', f'certificate = "{mine.cert}"', f'key = "{mine.key}"',
        f'crl = "{setting.mutual.crl}"', *keys,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def write(setting: Setting, *tables: str) -> None:
    new = setting.path.with_suffix(".new")
    new.write_text('[log]\nformat = "json"\n' + "".join(tables))
    new.replace(setting.path)


async def connected(setting: Setting, name: str = "db") -> Streams:
    return await asyncio.open_unix_connection(str(setting.folder / f"{name}.sock"))


async def echoed(streams: Streams, data: bytes) -> bytes:
    reader, writer = streams
    writer.write(data)
    return await reader.readexactly(len(data))


async def is_cut(streams: Streams) -> bool:
    """Whether nothing more comes. A Unix socket knows no reset."""
    reader, writer = streams
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    return True


async def counted(gateway: Gateway, *named: str) -> float:
    """The sum of counters with these words in their names."""
    await gateway.refresh()
    numbers = gateway.meter.slot.counters.read()
    return sum(number for name, number in numbers.items() if all(each in name for each in named))
