"""What an `SSLSocket` runs over: its own descriptor, or another TLS connection.

It reads record by record, and does not wait on a non-blocking socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from bothways.adapters.records import SocketRecords
from bothways.net.carrier import CUT, Carrier, deadline_in, left
from bothways.net.pipe import Pipe

T = TypeVar("T")
CALL_SECONDS = 1.0  # for a call of the system to end before the descriptor is closed beneath it
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
_IS_POSIX = os.name == "posix"
_AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_plain = socket.socket


class OwnCarrier:
    """The descriptor of an SSLSocket, which closes it itself, by `release`."""

    def __init__(self, owner: socket.socket) -> None:
        self._owner = weakref.ref(owner)
        # Each held for one call of the system; reentrant, since a handler of a signal may close the socket within it.
        self._receiving, self._sending = threading.RLock(), threading.RLock()
        self._records = SocketRecords()
        self._over = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be sent or received."""
        return self._over or self.fileno() < 0

    def receive(self, seconds: float | None) -> bytes | None:
        """Return the next record, or the rest at the end of file; as `Carrier.receive`."""
        records = self._records
        deadline = deadline_in(seconds)
        while True:
            data = self._read(records.wanted, left(deadline))
            if data is None:
                return None
            if not data:
                return records.rest()
            if record := records.put(data):
                return record

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send as much as possible, as `Carrier.send`."""
        owner = self._socket()
        deadline = deadline_in(seconds)
        while True:
            try:
                return self._send(owner, data)
            except _AGAIN:
                if not self._wait(owner, left(deadline), writing=True):
                    return 0

    def end_sending(self) -> None:
        """Shut down the write side."""
        self._shut(socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Shut down the read side."""
        self._shut(socket.SHUT_RD)

    def abort(self) -> None:
        """Shut down both sides, and wake the threads that wait."""
        self._shut(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop sending and receiving. The descriptor is closed by its owner."""
        if not self._over:
            self._over = True
            self._shut(socket.SHUT_RDWR)

    def fileno(self) -> int:
        """Return the descriptor; -1 when it is closed."""
        owner = self._owner()
        return -1 if owner is None else owner.fileno()

    def release(self, act: Callable[[], T]) -> T:
        """Call `act`, which closes or detaches the descriptor, while no thread receives or sends by its number.

        The number may be that of another connection afterwards.
        """
        held = [each for each in (self._receiving, self._sending) if each.acquire(timeout=CALL_SECONDS)]
        try:
            return act()
        finally:
            for each in held:
                each.release()

    def _socket(self) -> socket.socket:
        owner = self._owner()
        if owner is None:
            raise BrokenPipeError("the socket is gone")
        return owner

    def _read(self, size: int, seconds: float | None) -> bytes | None:
        owner = self._socket()
        deadline = deadline_in(seconds)
        while True:
            try:
                return self._receive(owner, size)
            except _AGAIN:
                if not self._wait(owner, left(deadline), writing=False):
                    return None
            except CUT:
                return b""

    def _receive(self, owner: socket.socket, size: int) -> bytes:
        """Return what can be read now. It reads the descriptor, since a socket with a time limit would wait."""
        if _AT_ONCE and owner.gettimeout() is None:
            with self._receiving:
                return _plain.recv(owner, size, _AT_ONCE)
        if _IS_POSIX:
            with self._receiving:
                return os.read(owner.fileno(), size)
        if not self._wait(owner, 0, writing=False):
            raise BlockingIOError
        return _plain.recv(owner, size)

    def _send(self, owner: socket.socket, data: memoryview) -> int:
        if _AT_ONCE and owner.gettimeout() is None:
            with self._sending:
                return _plain.send(owner, data, _AT_ONCE)
        if _IS_POSIX:
            with self._sending:
                return os.write(owner.fileno(), data)
        if not self._wait(owner, 0, writing=True):
            raise BlockingIOError
        return _plain.send(owner, data)

    def _wait(self, owner: socket.socket, seconds: float | None, *, writing: bool) -> bool:
        if owner.gettimeout() == 0:
            seconds = 0
        descriptor = owner.fileno()
        if descriptor < 0:
            return False
        if not hasattr(select, "poll"):
            mine = [descriptor]
            return any(select.select([] if writing else mine, mine if writing else [], [], seconds))
        waiter = select.poll()
        waiter.register(descriptor, select.POLLOUT if writing else select.POLLIN)
        return bool(waiter.poll(None if seconds is None else seconds * 1000))

    def _shut(self, how: int) -> None:
        owner = self._owner()
        if owner is not None:
            with contextlib.suppress(OSError):
                _plain.shutdown(owner, how)


class LayeredCarrier(OwnCarrier):
    """Another TLS connection, or an object with `recv`, `send` and `settimeout`: TLS within TLS.

    It is set to non-blocking, and is closed with the connection above it.
    """

    def __init__(self, owner: socket.socket, below: Any) -> None:
        super().__init__(owner)
        self.below = below
        below.settimeout(0)

    def _receive(self, owner: socket.socket, size: int) -> bytes:
        data: bytes = self._at_once(self.below.recv, size)
        return data

    def _send(self, owner: socket.socket, data: memoryview) -> int:
        sent: int = self._at_once(self.below.send, data)
        return sent

    def _at_once(self, act: Callable[[Any], Any], argument: object) -> Any:
        try:
            return act(argument)
        except TimeoutError as late:
            if late.errno is not None:
                raise
            raise BlockingIOError from None


def check_open(carrier: Carrier) -> None:
    """Raise OSError if nothing more can be sent or received."""
    if carrier.is_closed:
        raise OSError(errno.EBADF, "the connection is closed")


def released(pipe: Pipe | None, act: Callable[[], T]) -> T:
    """Call `act`, which closes or detaches the descriptor below a pipe, while no thread uses its number."""
    carrier = None if pipe is None else pipe.carrier
    return carrier.release(act) if isinstance(carrier, OwnCarrier) else act()


def close_below(below: Any, timeout: float | None) -> None:
    """Close the connection below another one, within the time limit of that one."""
    with contextlib.suppress(OSError):
        below.settimeout(timeout)
    below.close()
