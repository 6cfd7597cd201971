"""What a channel runs over: a socket, or another object with `recv` and `send`, such as a channel."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import time
from typing import Any, Protocol

from bothways.errors import Truncated

READ_SIZE = 64 * 1024
CUT = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
AHEAD = 4  # pieces that are read in advance from an object that is not a socket
READER_SECONDS = 1.0  # for the thread that reads to end before its object is closed
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)


def deadline_in(seconds: float | None) -> float | None:
    """Return the time on the monotonic clock in so many seconds; None for no limit."""
    return None if seconds is None else time.monotonic() + seconds


def left(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, at least 0; None for no deadline."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def soonest(*deadlines: float | None) -> float | None:
    """Return the first of these deadlines, of which some may be None; None for none."""
    return min((each for each in deadlines if each is not None), default=None)


class Carrier(Protocol):
    """Receives and sends bytes with time limits; one thread may receive while another sends."""

    @property
    def is_closed(self) -> bool:
        """Whether we closed it."""

    def receive(self, seconds: float | None) -> bytes | None:
        """Return received bytes: b"" at the end of file or after a reset, None if nothing was received in time."""

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send as much as possible and return the number of bytes; 0 if there was no room in time."""

    def end_sending(self) -> None:
        """Shut down the write side."""

    def end_receiving(self) -> None:
        """Shut down the read side, which wakes a thread that is receiving."""

    def abort(self) -> None:
        """End both directions at once and wake the threads that wait."""

    def close(self) -> None:
        """Release the socket or object."""

    def fileno(self) -> int:
        """Return the file descriptor; -1 if there is none, and after `close`."""


class SocketCarrier:
    """A connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._sock = sock

    @property
    def is_closed(self) -> bool:
        """Whether the socket was closed."""
        return self._sock.fileno() < 0

    def receive(self, seconds: float | None) -> bytes | None:
        """Return received bytes, as `Carrier.receive`."""
        if seconds is not None and not self._is_ready(seconds, writing=False):
            return None
        try:
            return self._sock.recv(READ_SIZE)
        except CUT:
            return b""

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send as much as possible; without a time limit the system may wait until all was sent."""
        if seconds is None:
            return self._sock.send(data)
        if not self._is_ready(seconds, writing=True):
            return 0
        try:
            return self._sock.send(data, _AT_ONCE)
        except BlockingIOError:
            return 0

    def end_sending(self) -> None:
        """Shut down the write side."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Shut down the read side."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """Shut down both sides."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def _is_ready(self, seconds: float, *, writing: bool) -> bool:
        if self._sock.fileno() < 0:
            return False
        if not hasattr(select, "poll"):
            mine = [self._sock]
            return any(select.select([] if writing else mine, mine if writing else [], [], seconds))
        waiter = select.poll()
        waiter.register(self._sock, select.POLLOUT if writing else select.POLLIN)
        return bool(waiter.poll(seconds * 1000))


class StreamCarrier:
    """Any object with `recv` and `send`: a thread reads it, so that time limits hold although it may have none.

    It belongs to the channel, as a socket does; bytes that were read beyond the end of the channel are lost. A call of
    its `send` has no time limit.
    """

    def __init__(self, below: Any) -> None:
        self._below = below
        self._came: queue.Queue[bytes | Exception] = queue.Queue(AHEAD)
        self._end: bytes | Exception | None = None
        self._reader: threading.Thread | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether we closed it."""
        return self._closed

    def receive(self, seconds: float | None) -> bytes | None:
        """Return received bytes, as `Carrier.receive`. Raises what `recv` raised, except for a reset."""
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        if self._end is None:
            try:
                came = self._came.get(timeout=seconds)
            except queue.Empty:
                return None
            if isinstance(came, bytes) and came:
                return came
            self._end = came
        if isinstance(self._end, Exception) and not isinstance(self._end, (*CUT, Truncated)):
            raise self._end
        return b""

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send as much as `send` accepts; 0 if the time limit is 0."""
        if seconds == 0:
            return 0
        sendall = getattr(self._below, "sendall", None)
        if sendall is None:
            return int(self._below.send(bytes(data)))
        sendall(bytes(data))
        return len(data)

    def end_sending(self) -> None:
        """Shut down the write side, if the object has a method for that."""
        self._call("shutdown", socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Wake a thread that is receiving."""
        with contextlib.suppress(queue.Full):
            self._came.put_nowait(b"")

    def abort(self) -> None:
        """End both directions, with the methods that the object has."""
        if hasattr(self._below, "abort"):
            self._call("abort")
        else:
            self._call("shutdown", socket.SHUT_RDWR)
        self.end_receiving()

    def close(self) -> None:
        """Close the object, if it has `close`.

        The thread that reads is woken and ends first: a descriptor that is closed beneath it may soon be that of
        another connection, whose bytes it would take.
        """
        self._closed = True
        if self._reader is not None and hasattr(self._below, "close"):
            self._call("shutdown", socket.SHUT_RDWR)
            with contextlib.suppress(queue.Empty):
                while True:
                    self._came.get_nowait()
            self._reader.join(READER_SECONDS)
        self._call("close")
        self.end_receiving()

    def fileno(self) -> int:
        """Return the file descriptor of the object; -1 if it has none."""
        return -1 if self._closed or not hasattr(self._below, "fileno") else int(self._below.fileno())

    def _call(self, name: str, *arguments: object) -> None:
        """Call a method that the object may not have, and that may fail after the end."""
        with contextlib.suppress(Exception):
            getattr(self._below, name)(*arguments)

    def _read(self) -> None:
        """Read until the end, at most `AHEAD` pieces in advance."""
        came: bytes | Exception = b" "
        while came and isinstance(came, bytes):
            try:
                came = bytes(self._below.recv(READ_SIZE))
            except Exception as error:  # noqa: BLE001 - whatever it is, the channel raises it
                came = error
            while not self._closed:
                with contextlib.suppress(queue.Full):
                    self._came.put(came, timeout=1.0)
                    break


def carrier_of(below: Any) -> Carrier:
    """Return the carrier for a socket, or for another object with `recv` and `send`.

    A socket class with its own buffer, such as `ssl.SSLSocket`, is treated as another object.
    """
    if isinstance(below, socket.socket) and not hasattr(below, "pending"):
        return SocketCarrier(below)
    return StreamCarrier(below)
