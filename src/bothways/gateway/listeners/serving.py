"""One listening socket of one process, for as long as it is served."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from bothways.addresses import UnixAddress
from bothways.aio.server import listening_on
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.listening import bound_address, open_listener
from bothways.servers.listening import remove_socket_file


class ServedListener:
    """Accepts connections from when it is made. where: they come in there, for people."""

    def __init__(self, listener: ListenerConfig, server: asyncio.Server, where: str) -> None:
        self._listener = listener
        self._server = server
        self.where = where

    def close(self) -> None:
        """Accept no more, and remove the file of a Unix socket; connections go on."""
        self._server.close()
        if isinstance(self._listener.address, UnixAddress):
            remove_socket_file(self._listener.address.path)


async def served(listener: ListenerConfig, made: Callable[[], asyncio.BaseProtocol]) -> ServedListener:
    """Listen where a listener says. made: the protocol of each connection.  Raises OSError, which names the address."""
    loop, sock = asyncio.get_running_loop(), open_listener(listener)
    sock.setblocking(False)
    where = bound_address(listener.address, sock)
    if sock.family == socket.AF_UNIX:
        return ServedListener(listener, await listening_on(sock, made), where)
    return ServedListener(listener, await loop.create_server(made, sock=sock), where)
