"""The listening sockets of a gateway: opened as its file says, or passed by a service manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Container, Iterable

from bothways.addresses import TCPAddress, UnixAddress
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.systemd import passed_socket
from bothways.servers.addresses import ListenerAddress, PassedAddress
from bothways.servers.listening import naming, tcp_socket, tcp_sockets, unix_socket


def open_listener(listener: ListenerConfig) -> socket.socket:
    """Return a socket that listens where a listener says. Raises OSError, which names the address."""
    return open_listeners(listener, 1, shared=False)[0]


def open_listeners(
    listener: ListenerConfig, count: int, *, shared: bool = True, ours: Container[int] = ()
) -> list[socket.socket]:
    """Return a socket for each of several processes: with a queue each for clients over TCP, else the same one.

    shared: whether others of this user may listen on the same port beside them (SO_REUSEPORT).  ours: ports on which
    this gateway listens already; on others nobody may listen.  Raises OSError.
    """
    address = listener.address
    if isinstance(address, PassedAddress):
        with naming(address):
            return [passed_socket(address.name)] * count
    if not isinstance(address, TCPAddress):
        with naming(address):
            return [unix_socket(address.path, listener.mode)] * count
    if listener.is_for_operator:  # whichever process is alive answers
        return [tcp_socket(address)] * count
    return tcp_sockets(address, count, shared=shared, ours=ours)


def bound_address(address: ListenerAddress, sock: socket.socket) -> str:
    """Return where clients can connect, with the port that was chosen."""
    if isinstance(address, PassedAddress) and isinstance(sock.getsockname(), tuple):
        return str(TCPAddress(*sock.getsockname()[:2]))
    if not isinstance(address, TCPAddress):
        return str(address)
    return str(TCPAddress(address.host, sock.getsockname()[1]))


def change_modes(before: Iterable[ListenerConfig], after: Iterable[ListenerConfig]) -> None:
    """Give the files of Unix sockets that stay the permissions that they have now. Raises OSError."""
    modes = {each.address: each.mode for each in before}
    for each in after:
        if isinstance(each.address, UnixAddress) and modes.get(each.address, each.mode) != each.mode:
            os.chmod(each.address.path, each.mode)
