"""A listener that gives every connection a thread of its own, and never more threads than allowed."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from bothways.cli.options import Address

Conversation = Callable[[socket.socket, Address], None]

BACKLOG = 128
ACCEPT_AGAIN_SECONDS = 0.1
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ENDS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})


class Stop(BaseException):
    """SIGINT or SIGTERM came."""


def listen(address: Address) -> socket.socket:
    """Bind and listen; port 0 is any that is free."""
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def converse(listener: socket.socket, conversation: Conversation, limit: int) -> None:
    """Accept connections until `Stop`; at the limit newcomers wait in the backlog."""
    free = threading.BoundedSemaphore(limit)
    while True:
        free.acquire()
        try:
            sock, address = _accept(listener)
        except BaseException:
            free.release()
            raise
        try:
            threading.Thread(target=_one, args=(conversation, sock, address, free), daemon=True).start()
        except RuntimeError:  # no thread is to be had: this client is turned away, the server stays
            sock.close()
            free.release()
            time.sleep(ACCEPT_AGAIN_SECONDS)


def _accept(listener: socket.socket) -> tuple[socket.socket, Address]:
    while True:
        try:
            sock, name = listener.accept()
        except OSError as error:
            if error.errno in _ENDS:
                raise
            # A client that is gone already; or no descriptors are left, and those who come must not end us.
            time.sleep(ACCEPT_AGAIN_SECONDS if error.errno in _SHORTAGES else 0)
            continue
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, Address(name[0], name[1])


def _one(
    conversation: Conversation, sock: socket.socket, address: Address, free: threading.BoundedSemaphore
) -> None:
    try:
        with sock:
            conversation(sock, address)
    finally:
        free.release()


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """Run the body until it ends or SIGINT or SIGTERM comes; both are a clean end."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what the system passes
        raise Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(Stop):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
