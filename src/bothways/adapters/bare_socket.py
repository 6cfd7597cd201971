"""A socket before there is TLS."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable


def is_connected(sock: socket.socket) -> bool:
    """Whether there is a peer. Raises SSLError where one has gone whose data could be taken for a connection's."""
    try:
        sock.getpeername()
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL):
            raise
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        came = socket.socket.recv(sock, 1)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL, errno.EAGAIN):
            raise
        came = b""
    sock.settimeout(timeout)
    if came:
        refusal = ssl.SSLError(ssl.SSL_ERROR_SSL, "Closed before TLS handshake with data in recv buffer.")
        refusal.library, refusal.reason = "", str(refusal)
        raise refusal
    return False


def address_of(held: Callable[[], socket.socket | None]) -> object:
    """Return with whom a socket is connected, for the log; it is held weakly, or it would never be collected."""
    sock = held()
    try:
        return "a peer that is gone" if sock is None else sock.getpeername()
    except OSError:
        return "a peer that is gone"
