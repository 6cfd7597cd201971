"""Connections that end with a reset."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bothways.servers.resets import end_by_reset

pytestmark = pytest.mark.network


@pytest.mark.parametrize("resets", [True, False], ids=["by reset", "in order"])
def test_a_peer_is_not_told_of_an_end_in_order(resets: bool) -> None:
    """Where the connection ends at once; otherwise it is an end of file."""

    async def talk() -> bytes:
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=accepted)
        if resets:
            end_by_reset(transport)
        transport.close()
        await asyncio.sleep(0.05)
        with listener, client:
            return client.recv(1)

    if resets:
        with pytest.raises(ConnectionResetError):
            asyncio.run(talk())
    else:
        assert asyncio.run(talk()) == b""


def test_a_transport_without_a_socket_is_not_changed() -> None:
    """A transport within TLS has none of its own."""
    end_by_reset(asyncio.Transport())
