"""A plain relay between a TLS client and a TCP service: bytes both ways, each way ended by itself.

A thread for each way: reading waits for writing, so neither side can fill our memory.
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
    """Pass bytes between `channel` and the service at `backend` until both ways have ended.

    An end that was cut on one side is cut on the other too, so that nobody takes a part for the whole; so is
    a connection that was silent for too long.
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
    """Wake the thread that reads from `service`; the close that follows resets instead of ending it."""
    with contextlib.suppress(OSError):
        service.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        service.shutdown(socket.SHUT_RD)
