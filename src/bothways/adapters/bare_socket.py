"""A socket before there is TLS."""

from __future__ import annotations

import errno
import socket
import ssl


def is_connected(sock: socket.socket) -> bool:
    """Whether there is a peer. Raises SSLError where one has gone whose data could be taken for a connection's."""
    try:
        sock.getpeername()
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL):
            raise
    blocking = sock.getblocking()
    sock.setblocking(False)
    try:
        came = socket.socket.recv(sock, 1)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL, errno.EAGAIN):
            raise
        came = b""
    sock.setblocking(blocking)
    if came:
        refusal = ssl.SSLError(ssl.SSL_ERROR_SSL, "Closed before TLS handshake with data in recv buffer.")
        refusal.library, refusal.reason = "", str(refusal)
        raise refusal
    return False
