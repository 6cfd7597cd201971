"""A channel with the interface that httpcore expects, with a total time limit and a limit for the response head."""

from __future__ import annotations

import math
import time
from typing import Any

import httpcore

from bothways.errors import TimedOut
from bothways.net.channel import Channel

HEAD_LIMIT = 256 * 1024
START_LIMIT = 16 * 1024  # bytes, by which a failure is explained


class Deadline:
    """The limit of one wait, and the end of the whole exchange, in seconds."""

    def __init__(self, wait: float, total: float) -> None:
        self._wait = wait
        self._total = total
        self._ends = time.monotonic() + total

    def left(self) -> float:
        """Return the limit of the next wait. Raises TimeoutError after the end."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimedOut(f"it was not done within {self._total:g} seconds")
        return min(self._wait, left)


class ChannelStream(httpcore.NetworkStream):
    """A channel after its handshake.

    TLS errors pass through httpcore unchanged. A broken pipe while a request is sent becomes an error of httpcore,
    since a server may respond before it has read the whole request.
    Attributes: `head_left`, the bytes left for the head; `start`, the first bytes received, at most `START_LIMIT`;
    `ended_in_content`, whether the server closed after the head.
    """

    def __init__(self, channel: Channel, deadline: Deadline) -> None:
        self._channel = channel
        self._deadline = deadline
        self.head_left: float = HEAD_LIMIT
        self.start = b""
        self.ended_in_content = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - it has its own
        """Return received bytes. Raises TimeoutError, OSError, TLSError; ValueError if the head is too long."""
        self._channel.settimeout(self._deadline.left())
        data = self._channel.recv(max_bytes)
        self.ended_in_content = not data and self.head_left == math.inf
        self.start += data[: START_LIMIT - len(self.start)]
        self.head_left -= len(data)
        if self.head_left < 0:
            raise ValueError(f"its answer does not begin within {HEAD_LIMIT} bytes")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all bytes. Raises as `read`; httpcore.WriteError if the server reads no more."""
        self._channel.settimeout(self._deadline.left())
        try:
            self._channel.sendall(buffer)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise httpcore.WriteError(error) from None

    def head_is_over(self) -> None:
        """Stop counting: the content is counted by its reader."""
        self.head_left = math.inf

    def close(self) -> None:
        """Leave the channel open; its creator closes it."""

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002
        """Return None: there is no information."""
        return None
