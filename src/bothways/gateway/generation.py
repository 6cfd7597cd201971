"""What a supervisor hands to its workers when the file of a gateway was read again: the file, and new sockets.

One process has read it, so that all workers take the same. Both ends are of this program, and trust each other.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass

from bothways.gateway.config import MOST_LISTENERS

_HEAD = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Generation:
    """The text of a file, and a listening socket for each address, as it is written, that is new in it."""

    text: str
    sockets: dict[str, socket.socket]


def send_generation(channel: socket.socket, generation: Generation) -> None:
    """Send one. Raises OSError, also for a worker that does not take it in the time of the socket."""
    body = json.dumps({"text": generation.text, "addresses": list(generation.sockets)}).encode()
    descriptors = [each.fileno() for each in generation.sockets.values()]
    socket.send_fds(channel, [_HEAD.pack(len(body))], descriptors)
    channel.sendall(body)


class GenerationReader:
    """Reads generations from a socket that does not block, piece by piece."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._came = bytearray()
        self._descriptors: list[int] = []

    def read(self) -> Generation | None:
        """Return the next one if all of it is there; several may be. Raises EOFError when the supervisor has gone."""
        while (generation := self._taken()) is None:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._channel, 1024 * 1024, MOST_LISTENERS)
            except BlockingIOError:
                return None
            if not data:
                raise EOFError
            self._came += data
            self._descriptors += descriptors
        return generation

    def _taken(self) -> Generation | None:
        """Take one from what came."""
        if len(self._came) < _HEAD.size:
            return None
        [length] = _HEAD.unpack_from(self._came)
        if len(self._came) < _HEAD.size + length:
            return None
        body = json.loads(bytes(self._came[_HEAD.size : _HEAD.size + length]))
        del self._came[: _HEAD.size + length]
        count = len(body["addresses"])
        mine, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        sockets = [socket.socket(fileno=each) for each in mine]
        return Generation(body["text"], dict(zip(body["addresses"], sockets, strict=True)))
