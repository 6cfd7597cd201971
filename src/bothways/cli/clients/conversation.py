"""Standard input and a server: what is read is sent, and what comes is waited for within stated limits."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

from bothways.errors import TimedOut, TLSError
from bothways.net.channel import Channel

CHUNK = 64 * 1024
LOOK_SECONDS = 0.5  # a call on the channel waits no longer, so that limits are noticed
SAID_AFTER = 3.0  # seconds of silence after which it is reported what is waited for
# Seconds for which an answer is waited for at the end of the input, before our direction is closed: many services take
# the end of one direction for the end of the connection, and would not answer any more.
ENDS_AFTER = 1.0
# A host that answers nothing more, not even TCP, is noticed also while nothing is to be sent (Linux, macOS, Windows).
DEAD_AFTER = {
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPALIVE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 30_000,
}


class ServerConversation:
    """What is exchanged with a server after the handshake.

    peer: the server's name in reports.  seconds: how long data is waited for after the end of the input; until then
    there is no limit, since it is for the user to go on.  ends: close our direction at the end of the input.
    say: prints what is waited for.  one_way: whether no answer is expected, so that the end of the input is the end of
    both directions in TLS 1.2 too.  clock: in seconds.
    """

    def __init__(
        self,
        channel: Channel,
        peer: str,
        seconds: float,
        say: Callable[[str], None],
        *,
        ends: bool,
        one_way: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._peer = peer
        self._seconds = seconds
        self._say = say
        # In TLS 1.2 close_notify ends both directions (RFC 5246 7.2.1).
        self._ends = ends and (one_way or channel.version != "1.2")
        self.is_one_way = one_way
        self._clock = clock
        self._last = clock()
        self._has_ended = False
        self._is_sending = False
        self._has_sent = False
        self._has_received = False
        self._answered = threading.Event()  # since we last sent something
        self._said: set[str] = set()

    def begin(self) -> None:
        """Send standard input in a thread; the thread that receives notices failures too, and raises them."""
        _notice_dead_host(self._channel)
        self._channel.settimeout(LOOK_SECONDS)
        threading.Thread(target=self._send_input, daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the input has ended."""
        return self._has_ended

    def receive(self) -> bytes | None:
        """Wait for data; b"" at the end. None where nothing was asked, and nothing came within the limit.

        Raises `TimedOut` where an answer, or the rest of one, did not come within the limit.
        """
        while True:
            try:
                data = self._channel.recv(CHUNK)
            except TimedOut:
                raise
            except TimeoutError as error:
                if error.errno is not None:  # of the operating system: the host does not answer
                    raise
                if self._is_over():
                    return None
                continue
            self._last = self._clock()
            self._has_received = True
            self._answered.set()
            return data

    def _is_over(self) -> bool:
        """Whether a conversation in which nobody said anything has lasted long enough."""
        quiet = self._clock() - self._last
        if quiet >= SAID_AFTER:
            self._report()
        if not self._has_ended or quiet < self._seconds:
            return False
        if self._has_sent or self._has_received or self._ends:
            missing = "nothing more was received" if self._has_received else "nothing was received"
            raise TimedOut(f"{missing} within {self._seconds:g} seconds after the end of the input")
        self._say(f"nothing was sent, and {self._peer} sent nothing within {self._seconds:g} seconds")
        return True

    def _report(self) -> None:
        """Print once what is waited for; nothing while a conversation pauses."""
        if self._has_ended:
            what = f"data of {self._peer}, {self._seconds:g} s at most"
        elif self._is_sending:
            what = f"{self._peer} to take what was sent"
        elif self._has_received:
            return
        else:
            what = f"data of {self._peer}" if self._has_sent else f"input, and for data of {self._peer}"
        if what not in self._said:
            self._said.add(what)
            self._say(f"waiting for {what} ...")

    # -- the input ---------------------------------------------------------------------------------------

    def _send_input(self) -> None:
        with contextlib.suppress(TLSError, OSError):
            while sys.stdin is not None and (data := os.read(sys.stdin.fileno(), CHUNK)):
                self._has_sent = self._is_sending = True
                self._answered.clear()
                self._send(data)
                self._is_sending = False
                self._last = self._clock()
            if self._ends:
                if self._has_sent and not self.is_one_way:
                    self._answered.wait(ENDS_AFTER)
                self._channel.shutdown()
        self._last = self._clock()
        self._has_ended = True

    def _send(self, data: bytes) -> None:
        """Send data for as long as it takes: after the limit of a call the rest goes out with the next one."""
        while True:
            try:
                self._channel.sendall(data)
            except TimedOut:
                raise
            except TimeoutError as error:
                if error.errno is not None:
                    raise
                data = b""
            else:
                return


def _notice_dead_host(channel: Channel) -> None:
    """Have the operating system end a connection to a host that has vanished from the network."""
    with contextlib.suppress(OSError):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in DEAD_AFTER.items():
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                channel.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
