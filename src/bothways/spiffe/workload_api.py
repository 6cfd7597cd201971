"""A client of the SPIFFE Workload API that runs when it is asked: no thread, no event loop, and no call waits long.

The newest usable response stays in use while the agent is gone, and connecting is tried again with growing pauses.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime

from bothways.describe.escape import visible
from bothways.errors import ConfigError
from bothways.spiffe.addresses import checked_address
from bothways.spiffe.identities import WorkloadIdentities, identities_in
from bothways.spiffe.stream import INVALID_ARGUMENT, StreamEnded, SVIDStream

PREFIX = "spiffe:"  # how the source is called in texts
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts to connect
FIRST_SECONDS = 10.0  # for the first response when something begins
ANSWER_SECONDS = 30.0  # for the first response of a later connection
READ_AT_ONCE, READS_AT_ONCE = 4 * 1024, 1024
AT_ONCE_SECONDS = 0.01  # for what an agent sends, in one poll
MOST_UNSENT = 64 * 1024  # bytes that an agent has not taken


class WorkloadAPI:
    """The identities that an agent gives to this process.

    address: unix:PATH.  now: returns monotonic seconds.  at: returns the time.  Attributes: `latest`, the newest
    usable response as it was sent; `generation`, which rises with each; `failures`, how often a connection failed.
    Raises ConfigError.
    """

    def __init__(
        self,
        address: str,
        *,
        now: Callable[[], float] = time.monotonic,
        at: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = checked_address(address)
        self.source = PREFIX + address
        self._now, self._at = now, at
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._stream: SVIDStream | None = None
        self._unsent = b""
        self._pause = FIRST_PAUSE
        self._next = self._answer_by = 0.0
        self._problem = ""
        self._news: list[str] = []
        self.latest: bytes | None = None
        self.generation = self.failures = 0
        _open.add(self)

    def poll(self) -> list[str]:
        """Take what the agent has sent, and connect again where that is due; returns what there is to report."""
        with self._lock:
            if self._socket is None and self._now() >= self._next:
                self._connect()
            if self._socket is not None:
                self._exchange(self._socket)
            news, self._news = self._news, []
            return news

    def first(self, seconds: float = FIRST_SECONDS) -> bytes:
        """Return the newest response, after waiting for one if there was none. Raises ConfigError."""
        until = self._now() + seconds
        while True:
            problems = self.poll()
            found = self.latest
            if found is not None:
                self._news += problems
                return found
            left = until - self._now()
            if left <= 0 or problems:
                why = problems[-1] if problems else f"{self.source}: no SVID came within {seconds:g} seconds"
                raise ConfigError(why)
            waiting = [] if self._socket is None else [self._socket]
            select.select(waiting, [], [], min(left, 0.1))

    def identities(self) -> WorkloadIdentities:
        """Return what the newest response has; waits for the first. Raises ConfigError."""
        return identities_in(self.first(), self.source)

    def close(self) -> None:
        """End the connection; `latest` stays."""
        with self._lock:
            self._drop()

    def forget_connection(self) -> None:
        """Leave the connection to the process from which this one was forked."""
        self._lock = threading.Lock()
        self._drop()
        self._next = 0.0

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._stream = None
        self._unsent = b""

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(self._path)
        except OSError as error:  # a Unix socket is connected at once, or not
            sock.close()
            self._fail(f"cannot be reached: {error.strerror or error}")
            return
        self._socket, self._stream = sock, SVIDStream(self._now)
        self._answer_by = self._now() + ANSWER_SECONDS

    def _exchange(self, sock: socket.socket) -> None:
        stream, until = self._stream, self._now() + AT_ONCE_SECONDS
        if stream is None:
            return
        try:
            self._send(sock, stream)
            for _ in range(READS_AT_ONCE):
                if self._now() >= until:
                    break
                try:
                    data = sock.recv(READ_AT_ONCE)
                except (BlockingIOError, InterruptedError):
                    break
                if not data:
                    raise StreamEnded("it closed the connection")
                for response in stream.receive(data):
                    self._take(response)
                self._send(sock, stream)
            if self._answer_by and self._now() >= self._answer_by:
                raise StreamEnded(f"no SVID came within {ANSWER_SECONDS:g} seconds")
        except StreamEnded as error:
            if error.status == INVALID_ARGUMENT:
                self._pause = LONGEST_PAUSE
            self._fail(str(error))
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _send(self, sock: socket.socket, stream: SVIDStream) -> None:
        self._unsent += stream.data_to_send()
        if len(self._unsent) > MOST_UNSENT:
            raise StreamEnded("it takes nothing of what is sent to it")
        if self._unsent:
            try:
                self._unsent = self._unsent[sock.send(self._unsent) :]
            except (BlockingIOError, InterruptedError):
                pass

    def _take(self, response: bytes) -> None:
        """Use a response, unless it cannot be used; then the earlier one stays."""
        self._answer_by = 0.0
        try:
            identities_in(response, self.source, self._at())
        except ConfigError as error:
            self._report(str(error))
            return
        self._pause, self._problem = FIRST_PAUSE, ""
        if response != self.latest:
            self.latest = response
            self.generation += 1

    def _fail(self, why: str) -> None:
        self._drop()
        self.failures += 1
        self._next = self._now() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._report(f"{self.source}: the agent {visible(why, 400)}")

    def _report(self, problem: str) -> None:
        """Report a problem, once until another comes or it is over."""
        if problem != self._problem:
            kept = "" if self.latest is None else "; the earlier SVID and bundles stay in use"
            self._news.append(problem + kept)
        self._problem = problem


_open: weakref.WeakSet[WorkloadAPI] = weakref.WeakSet()


def _after_fork() -> None:
    for each in tuple(_open):
        each.forget_connection()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
