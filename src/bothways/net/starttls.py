"""STARTTLS over a blocking socket, within a time limit."""

from __future__ import annotations

import socket

from bothways.net.carrier import CUT, left
from bothways.starttls import StartTLS

READ_SIZE = 4096


def request_tls(sock: socket.socket, exchange: StartTLS, deadline: float | None) -> None:
    """Request TLS of the server; after that, the next byte on the socket belongs to TLS.

    deadline: on the monotonic clock, None for none. Raises StartTLSFailed, and OSError of the network; the socket is
    then closed.
    """
    try:
        _run(sock, exchange, deadline)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)


def _run(sock: socket.socket, exchange: StartTLS, deadline: float | None) -> None:
    """Run the exchange; network errors become StartTLSFailed, which says how far the exchange had come."""
    try:
        _converse(sock, exchange, deadline)
    except TimeoutError:
        exchange.time_limit_reached()
    except CUT:
        exchange.receive_eof()


def _converse(sock: socket.socket, exchange: StartTLS, deadline: float | None) -> None:
    while True:
        sock.settimeout(_seconds(deadline))
        sock.sendall(exchange.data_to_send())
        if exchange.is_done:
            return
        sock.settimeout(_seconds(deadline))
        data = sock.recv(READ_SIZE)
        if data:
            exchange.receive(data)
        else:
            exchange.receive_eof()


def _seconds(deadline: float | None) -> float | None:
    """Return the seconds left, more than 0, since a socket with a limit of 0 would not wait at all."""
    seconds = left(deadline)
    if seconds == 0:
        raise TimeoutError
    return seconds
