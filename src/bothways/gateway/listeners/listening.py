"""The listening sockets of a gateway: opened as its file says, or passed by a service manager."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Container, Iterable
from contextlib import suppress

from bothways.addresses import TCPAddress, UnixAddress, is_loopback
from bothways.gateway.config.listener import TUNNEL, ListenerConfig
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
            return [_passed(listener, address.name)] * count
    if not isinstance(address, TCPAddress):
        with naming(address):
            return [unix_socket(address.path, listener.mode)] * count
    if listener.is_for_operator:  # whichever process is alive answers
        return [tcp_socket(address)] * count
    return tcp_sockets(address, count, shared=shared, ours=ours)


def _passed(listener: ListenerConfig, name: str) -> socket.socket:
    sock = passed_socket(name)
    try:
        _check_lent(sock, listener)
    except BaseException:
        sock.close()
        raise
    return sock


def check_kept(sock: socket.socket, listener: ListenerConfig, before: Iterable[ListenerConfig]) -> None:
    """Raise OSError for a passed socket that is no longer one for what the file says: others could use our certificate.

    before: what it said until now. What says the same is no reason to refuse anything, such as a new CRL.
    """
    if listener not in before:
        with naming(listener.address):
            _check_lent(sock, listener)


def _check_lent(sock: socket.socket, listener: ListenerConfig) -> None:
    if listener.kind != TUNNEL or not isinstance(listener.address, PassedAddress):
        return
    name = sock.getsockname()
    if sock.family != socket.AF_UNIX:
        if not listener.insecure_tcp:
            raise OSError(
                "every user and every browser of this machine could use our certificate by TCP; give the .socket the "
                "path of a Unix socket, or set `insecure_tcp = true` if that is meant"
            )
        if not is_loopback(name[0]):
            raise OSError(
                f"{name[0]} is not this machine, and a tunnel lends our certificate to whoever connects"
            )
        return
    if not isinstance(name, str) or not name or name.startswith("\0"):
        raise OSError("it is an abstract socket, which has no permissions; give ListenStream= a path")
    mode = stat.S_IMODE(os.stat(name).st_mode)
    if mode & ~listener.mode:
        raise OSError(
            f"{name} has the permissions {mode:04o}, and the tunnel {listener.mode:04o}; set "
            f"SocketMode={listener.mode:04o} in the .socket, or `mode`"
        )


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
        if modes.get(each.address, each.mode) != each.mode:
            give_mode(each)


def narrow_mode(listener: ListenerConfig) -> None:
    """Take from the file of a Unix socket what its listener does not permit. Raises OSError."""
    if isinstance(listener.address, UnixAddress):
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(listener.address.path).st_mode)
            if mode & ~listener.mode:
                os.chmod(listener.address.path, mode & listener.mode)


def give_mode(listener: ListenerConfig) -> None:
    """Give the file of a Unix socket the permissions that its listener says. Raises OSError."""
    if isinstance(listener.address, UnixAddress):
        os.chmod(listener.address.path, listener.mode)
