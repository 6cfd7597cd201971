"""A channel as httpcore wants its network, with a time limit for all and a bound on what comes before an answer."""

from __future__ import annotations

import math
import time
from typing import Any

import httpcore

from bothways.errors import TimedOut
from bothways.net.channel import Channel

HEAD_LIMIT = 256 * 1024


class Deadline:
    """How long one wait may take, and when all must be over, in seconds."""

    def __init__(self, wait: float, total: float) -> None:
        self._wait = wait
        self._total = total
        self._ends = time.monotonic() + total

    def left(self) -> float:
        """Return how long the next wait may take. Raises TimeoutError when all should be over."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimedOut(f"it was not done within {self._total:g} seconds")
        return min(self._wait, left)


class ChannelStream(httpcore.NetworkStream):
    """A channel whose handshake is done.

    Errors of TLS pass through httpcore as they are. A pipe that breaks while a request is sent is told as httpcore
    expects it, since a server may answer a request before it has read it whole.
    Attributes: `head_left`, how many bytes may come before the answer's content; `heard`, whether anything came.
    """

    def __init__(self, channel: Channel, deadline: Deadline) -> None:
        self._channel = channel
        self._deadline = deadline
        self.head_left: float = HEAD_LIMIT
        self.heard = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - it has its own
        """Return what came. Raises TimeoutError, OSError, TLSError; ValueError for a head without end."""
        self._channel.settimeout(self._deadline.left())
        data = self._channel.recv(max_bytes)
        self.heard = self.heard or bool(data)
        self.head_left -= len(data)
        if self.head_left < 0:
            raise ValueError(f"its answer does not begin within {HEAD_LIMIT} bytes")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all of it. Raises as `read`; httpcore.WriteError where the server takes nothing more."""
        self._channel.settimeout(self._deadline.left())
        try:
            self._channel.sendall(buffer)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise httpcore.WriteError(error) from None

    def head_is_over(self) -> None:
        """Count no more: from here on the content is counted by who takes it."""
        self.head_left = math.inf

    def close(self) -> None:
        """Leave the channel open: who made it closes it."""

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002
        """Tell nothing."""
        return None
