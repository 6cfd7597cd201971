"""One listening socket of one process, for as long as it is served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bothways.addresses import TCPAddress, UnixAddress, parsed_address
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.serving import served


class Greeting(asyncio.Protocol):
    """Says hello, and then repeats what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"hello")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def reached(where: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = parsed_address(where)
    if isinstance(address, UnixAddress):
        return await asyncio.open_unix_connection(address.path)
    assert isinstance(address, TCPAddress)
    return await asyncio.open_connection(address.host, address.port)


@pytest.mark.parametrize("is_unix", [True, False])
def test_connections_go_on_when_no_more_are_accepted(tmp_path: Path, is_unix: bool) -> None:
    """And the file of a Unix socket is gone."""
    path = tmp_path / "s"
    address = UnixAddress(str(path)) if is_unix else TCPAddress("127.0.0.1", 0)

    async def scene() -> None:
        listener = await served(ListenerConfig("local", address), Greeting)
        assert path.exists() == is_unix
        reader, writer = await reached(listener.where)
        assert await reader.readexactly(5) == b"hello"
        listener.close()
        assert not path.exists()
        with pytest.raises(OSError):
            await reached(listener.where)
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        await writer.wait_closed()

    asyncio.run(asyncio.wait_for(scene(), 20))
