"""Listening sockets: over TCP, which several processes may share, and Unix sockets; how many descriptors they need."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager, suppress

from bothways.addresses import TCPAddress
from bothways.name_lookup import addresses_within
from bothways.servers.addresses import ListenerAddress

ACCEPTED_AT_ONCE = 64  # connections accepted in one turn, so that earlier ones are read in time
BACKLOG = 4096  # connections that the system has accepted and we have not, where it allows so many
SPARE_DESCRIPTORS = 128
LOOKUP_SECONDS = 5.0  # for the name of a host to listen on


def tcp_socket(address: TCPAddress, *, shared: bool = False) -> socket.socket:
    """Return a socket that listens on an address; port 0 selects a free port. Raises OSError, which names it.

    shared: whether others of this user may listen on the same port beside it (SO_REUSEPORT).
    """
    with naming(address), ExitStack() as opened:
        sock = opened.enter_context(_bound(address, shared=shared))
        sock.listen(BACKLOG)
        opened.pop_all()
    return sock


def tcp_sockets(
    address: TCPAddress, count: int, *, shared: bool, ours: Container[int] = ()
) -> list[socket.socket]:
    """Return several sockets that listen on one port, each with a queue of its own; see `tcp_socket`. Raises OSError.

    shared: must be true for more than one.  ours: ports on which this program listens already. On any other port nobody
    may listen, also not another program of this user that shares its port: each would get a part of the clients.
    """
    with ExitStack() as stack:
        if shared and address.port not in ours:
            with naming(address):
                _bound(address, shared=False).close()
        opened: list[socket.socket] = []
        for _ in range(count):
            port = opened[0].getsockname()[1] if opened else address.port
            opened.append(stack.enter_context(tcp_socket(TCPAddress(address.host, port), shared=shared)))
        stack.pop_all()
    return opened


def _bound(address: TCPAddress, *, shared: bool) -> socket.socket:
    found = addresses_within(address.host, address.port, LOOKUP_SECONDS)
    family, kind, protocol, _, target = found[0]
    with ExitStack() as opened:
        sock = opened.enter_context(socket.socket(family, kind, protocol))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(target)
        opened.pop_all()
    return sock


_ADVICE = {
    errno.EADDRINUSE: "another program listens there, which `ss -ltnp` shows",
    errno.EADDRNOTAVAIL: "no interface of this machine has this address",
    errno.EACCES: "ports below 1024 are for root; systemd can open them for others by a .socket",
}


@contextmanager
def naming(address: ListenerAddress) -> Iterator[None]:
    """Have an OSError say that we cannot listen, and where."""
    try:
        yield
    except OSError as error:
        problem = (error.strerror or "").lower() or str(error)
        advice = _ADVICE.get(error.errno or 0) if isinstance(address, TCPAddress) else None
        text = f"cannot listen on {address}: {problem}" + (f"; {advice}" if advice else "")
        raise (OSError(error.errno, text) if error.errno else OSError(text)) from None


def unix_socket(path: str, mode: int) -> socket.socket:
    """Return a socket that listens at a path with these permissions, from its first moment. Raises OSError.

    What a process that has ended left there is replaced; a socket that somebody listens on is not.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def remove_socket_file(path: str) -> None:
    """Remove the file of a socket on which nobody listens any more."""
    with suppress(OSError):
        os.unlink(path)


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
            raise OSError("it is there already, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError("another process listens there")


def require_descriptors(count: int) -> None:
    """Raise OSError where this process may not open `count` further files and sockets, which is found by doing it."""
    allow_descriptors(count)
    opened: list[int] = []
    try:
        for _ in range(count):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise OSError(
                error.errno, f"only {len(opened)} files and sockets can be opened, and {count} are needed"
            ) from None
    finally:
        for each in opened:
            os.close(each)


def allow_descriptors(count: int) -> None:
    """Raise the limit of open descriptors for `count` sockets, as far as the system allows."""
    try:
        import resource
    except ImportError:  # this system has no such limits
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (
        count + SPARE_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(count + SPARE_DESCRIPTORS, hard)
    )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
