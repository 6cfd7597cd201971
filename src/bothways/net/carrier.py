"""What a channel runs over: a socket, or anything else that has `recv` and `send`, such as another channel."""

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
AHEAD = 4  # so many pieces are read ahead of a channel over something that is not a socket
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)


def deadline_in(seconds: float | None) -> float | None:
    """Return when so many seconds are over, on the monotonic clock; None for never."""
    return None if seconds is None else time.monotonic() + seconds


def left(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, never less than none."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


class Carrier(Protocol):
    """Bytes both ways, with time limits; one thread may receive while another sends."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by us."""

    def receive(self, seconds: float | None) -> bytes | None:
        """Return what came; b"" at the end or a cut, None where nothing came in that time."""

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send what there is room for, and return how much; 0 where there was none in that time."""

    def end_sending(self) -> None:
        """Say that nothing more will be sent."""

    def end_receiving(self) -> None:
        """Wake whoever waits for something to come."""

    def abort(self) -> None:
        """End both directions at once; whoever waits is woken."""

    def close(self) -> None:
        """Let go of it."""

    def fileno(self) -> int:
        """Return the descriptor at the bottom; -1 where there is none, and after the end."""


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
        """Return what came, as `Carrier.receive`."""
        if seconds is not None and not self._is_ready(seconds, writing=False):
            return None
        try:
            return self._sock.recv(READ_SIZE)
        except CUT:
            return b""

    def send(self, data: memoryview, seconds: float | None) -> int:
        """Send what there is room for; without a limit the system may wait for more room."""
        if seconds is None:
            return self._sock.send(data)
        if not self._is_ready(seconds, writing=True):
            return 0
        try:
            return self._sock.send(data, _AT_ONCE)
        except BlockingIOError:
            return 0

    def end_sending(self) -> None:
        """Shut the write side."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Shut the read side."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """Shut both sides."""
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
    """Anything that has `recv` and `send`: a thread reads it, so that time limits hold whatever it knows of them.

    It belongs to the channel as a socket would, and what was read ahead of the channel's end is lost. What is
    sent waits as long as `send` does.
    """

    def __init__(self, below: Any) -> None:
        self._below = below
        self._came: queue.Queue[bytes | Exception] = queue.Queue(AHEAD)
        self._end: bytes | Exception | None = None
        self._reader: threading.Thread | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by us."""
        return self._closed

    def receive(self, seconds: float | None) -> bytes | None:
        """Return what came, as `Carrier.receive`; raise what `recv` raised, but for a cut."""
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
        """Send all, or as much as `send` takes; where nothing may be waited for, nothing."""
        if seconds == 0:
            return 0
        sendall = getattr(self._below, "sendall", None)
        if sendall is None:
            return int(self._below.send(bytes(data)))
        sendall(bytes(data))
        return len(data)

    def end_sending(self) -> None:
        """Shut the write side, where there is a way."""
        self._call("shutdown", socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Wake whoever waits for something to come."""
        with contextlib.suppress(queue.Full):
            self._came.put_nowait(b"")

    def abort(self) -> None:
        """End both directions, by whatever way there is."""
        if hasattr(self._below, "abort"):
            self._call("abort")
        else:
            self._call("shutdown", socket.SHUT_RDWR)
        self.end_receiving()

    def close(self) -> None:
        """Close what is below, where that can be closed."""
        self._closed = True
        self._call("close")
        self.end_receiving()

    def fileno(self) -> int:
        """Return the descriptor below, if it has one."""
        return -1 if self._closed or not hasattr(self._below, "fileno") else int(self._below.fileno())

    def _call(self, name: str, *arguments: object) -> None:
        """Call what not everything has, and what may fail at the end."""
        with contextlib.suppress(Exception):
            getattr(self._below, name)(*arguments)

    def _read(self) -> None:
        """Read until the end; at most so much ahead of the channel."""
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
    """Return what a channel over a socket, or over anything else that has `recv` and `send`, runs on.

    A socket that keeps bytes of its own, as one of `ssl` does, is read as anything else.
    """
    if isinstance(below, socket.socket) and not hasattr(below, "pending"):
        return SocketCarrier(below)
    return StreamCarrier(below)
