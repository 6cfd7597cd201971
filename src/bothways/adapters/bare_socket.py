"""A socket without TLS: before there is a connection, and what is left when TLS was taken off it."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any


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


class BareSocket(socket.socket):
    """What `unwrap` returns: the socket without TLS. What had come behind the peer's close_notify is read first."""

    left_over = b""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive, as `socket.recv`."""
        if not self.left_over:
            return super().recv(bufsize, flags)
        data, self.left_over = self.left_over[:bufsize], self.left_over[bufsize:]
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        """Receive into a buffer, as `socket.recv_into`."""
        if not self.left_over:
            return super().recv_into(buffer, nbytes, flags)
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or view.nbytes)
        view[: len(data)] = data
        return len(data)
