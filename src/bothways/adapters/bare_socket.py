"""Checks of a socket before TLS."""

from __future__ import annotations

import errno
import socket
import ssl


def is_connected(sock: socket.socket) -> bool:
    """Whether the socket has a peer. Raises SSLError if it was closed with unread data.

    That data would not be authenticated.
    """
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


def address_of(sock: socket.socket) -> object:
    """Return the address of a socket's peer, for the log. Ask early: a refused client soon closes."""
    try:
        return sock.getpeername()
    except OSError:
        return "a peer that is gone"
