"""A service manager such as systemd: what it is told (sd_notify(3)), and the sockets that it passes (sd_listen_fds(3)).

Without NOTIFY_SOCKET nobody is told.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

READY, STOPPING = "READY=1", "STOPPING=1"
FIRST_DESCRIPTOR = 3


def notify(state: str) -> None:
    """Tell the manager about our state, once; what cannot be told is not."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    address = "\0" + path[1:] if path[0] == "@" else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        sock.sendto(state.encode(), address)


def forget() -> None:
    """Tell nothing from here on: of several processes only the first one speaks."""
    os.environ.pop("NOTIFY_SOCKET", None)


def passed_names() -> list[str]:
    """Return the names of the sockets that were passed to this process, in their order."""
    passed = os.environ.get("LISTEN_FDS", "")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not passed.isdecimal():
        return []
    return os.environ.get("LISTEN_FDNAMES", "").split(":")[: int(passed)]


def passed_socket(name: str) -> socket.socket:
    """Return a listening socket that was passed to this process under a name. Raises OSError where there is none."""
    names = passed_names()
    if not names:
        raise OSError("no sockets were passed to this process; start it by a unit with a .socket")
    if name not in names:
        raise OSError(
            f"no socket was passed under this name, but {', '.join(names)}; see FileDescriptorName="
        )
    sock = socket.socket(fileno=os.dup(FIRST_DESCRIPTOR + names.index(name)))
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise OSError("the socket that was passed does not listen for streams")
    return sock
