"""A relay between a TLS client and a TCP service: both directions, each closed separately.

It has one thread for each direction, which reads only after it has written, so that no data accumulates in memory.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from bothways.cli.activity import Activity
from bothways.cli.options import Address
from bothways.errors import TLSError
from bothways.net.channel import Channel

CONNECT_SECONDS = 10.0


def relay(channel: Channel, activity: Activity, backend: Address) -> None:
    """Relay between `channel` and the service at `backend` until both directions have ended.

    A truncation on one side becomes a reset on the other, so that incomplete data is not taken for complete; so does
    the idle limit.
    """
    with socket.create_connection(backend, CONNECT_SECONDS) as service:
        service.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        activity.watch(channel, service)
        failures: list[TLSError | OSError] = []
        answering = threading.Thread(
            target=_answers, args=(service, channel, activity, failures), daemon=True
        )
        answering.start()
        try:
            _requests(channel, service, activity)
        except (TLSError, OSError) as error:
            failures.insert(0, error)
            _cut(service)
        answering.join()
        if failures:
            channel.abort()
            raise next((each for each in failures if isinstance(each, TimeoutError)), failures[0])


def _requests(channel: Channel, service: socket.socket, activity: Activity) -> None:
    while data := activity.receive(channel):
        activity.send(service, data)
    activity.half_close()
    with contextlib.suppress(OSError):
        service.shutdown(socket.SHUT_WR)


def _answers(
    service: socket.socket, channel: Channel, activity: Activity, failures: list[TLSError | OSError]
) -> None:
    try:
        while data := activity.receive(service):
            activity.send(channel, data)
        activity.half_close()
        if not failures:
            channel.shutdown()
    except (TLSError, OSError) as error:
        failures.append(error)
        channel.abort()


def _cut(service: socket.socket) -> None:
    """Wake the thread that reads from `service`; closing the socket then resets the connection."""
    with contextlib.suppress(OSError):
        service.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.shutdown(socket.SHUT_RD)
