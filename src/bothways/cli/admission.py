"""Limits the connections of a server with threads: handshakes, and separately established connections.

A flood of incomplete handshakes thus ends only other handshakes. The rule for ending one is in `bothways.places`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable

from bothways.cli.options import Address
from bothways.places import Place, Places, source_of
from bothways.tls.events import Note, RecordSeen

OTHERS_SECONDS = 1.0  # seconds that a handshake waits for others of the same address that may complete soon
HANDSHAKES = 256  # the least default, however small the limit of connections is


class Admission:
    """The places for handshakes and for established connections.

    limit: of established connections.  handshakes: the limit of handshakes; by default the same, but not below a
    minimum. exempt_loopback: see `Places`.
    """

    def __init__(self, limit: int, *, handshakes: int | None = None, exempt_loopback: bool = False) -> None:
        if handshakes is None:
            handshakes = max(limit, HANDSHAKES)
        self.limit = limit + handshakes
        self._changed = threading.Condition()
        self._handshaking: Counter[str] = Counter()  # clients in a handshake
        self._handshakes = Places(handshakes, exempt_loopback=exempt_loopback)
        self._established = Places(limit, exempt_loopback=exempt_loopback, only_from_larger=True)

    def arrive(self, sock: socket.socket, address: Address) -> Client | None:
        """Register a client's handshake, for which another may be ended; None if this one must end."""
        client = Client(self, sock, address)
        return client if self._enter(self._handshakes, client.place) else None

    def let_begin(self, client: Client, seconds: float) -> bool:
        """Wait until a place for an established connection may be available; False after the time limit.

        It also waits briefly for other clients of the same address that may be about to take the last places.
        """
        source = client.place.source
        with self._changed:
            self._wait_for(client, lambda: self._has_room(source), OTHERS_SECONDS)
            if not self._await_room(client, seconds):
                return False
            client.handshaking = True
            self._handshaking[source] += 1
            return True

    def establish(self, client: Client, place: Place, seconds: float) -> bool:
        """Move a client to the established connections; False if no place is available in time."""
        with self._changed:
            self._await_room(client, seconds)
            if client.ended or not self._enter(self._established, place):
                return False
            self._stop_handshaking(client)
            client.place, client.established = place, True
            return True

    def leave(self, client: Client) -> None:
        """Release the place of a client."""
        with self._changed:
            if client.handshaking or client.established:
                self._changed.notify_all()
            self._stop_handshaking(client)
            self._established.leave(client.place)

    def taken(self) -> tuple[int, int]:
        """Return the number of handshakes and the number of established connections."""
        with self._changed:
            return len(self._handshakes), len(self._established)

    def _has_room(self, source: str) -> bool:
        return self._established.has_room_for(source, self._handshaking[source])

    def _stop_handshaking(self, client: Client) -> None:
        self._handshakes.leave(client.place)
        if client.handshaking:
            client.handshaking = False
            self._handshaking[client.place.source] -= 1
            self._handshaking += Counter()  # has no effect for one that is not registered

    def _await_room(self, client: Client, seconds: float) -> bool:
        return self._wait_for(client, lambda: self._established.has_room_for(client.place.source), seconds)

    def _wait_for(self, client: Client, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds; False after the time limit, or if the client is ended meanwhile."""
        client.waiting = True
        self._changed.wait_for(lambda: client.ended or condition(), seconds)
        client.waiting = False
        return not client.ended and condition()

    def _enter(self, places: Places, place: Place) -> bool:
        with self._changed:
            loser = places.enter(place, time.monotonic())
            if loser is not None and loser is not place:
                loser.end()
            return loser is not place

    def wake(self) -> None:
        """Wake the threads that wait for a place."""
        with self._changed:
            self._changed.notify_all()


class Client:
    """One connection with its socket and its place. It is also the observer of its handshake."""

    def __init__(self, admission: Admission, sock: socket.socket, address: Address) -> None:
        self.sock = sock
        self.address = address
        self.ended = False
        self.waiting = self.handshaking = self.established = False
        self.place = Place(source_of(address.host), self._end, time.monotonic())
        self._admission = admission

    def __call__(self, note: Note) -> None:
        """Count received records as progress of the handshake."""
        if isinstance(note, RecordSeen) and not note.sent:
            self.place.moved += note.size

    def may_begin(self, seconds: float) -> bool:
        """Wait until the handshake can start; False after the time limit, or if this client was ended."""
        return self._admission.let_begin(self, seconds)

    def establish(self, seconds: float) -> bool:
        """Take a place for an established connection; False if none is available in time."""
        place = Place(self.place.source, self._end, time.monotonic())
        return self._admission.establish(self, place, seconds)

    def note_activity(self) -> None:
        """Record a transfer: the connection that was idle for longest is ended first."""
        self.place.begin(time.monotonic(), waits=True)

    def leave(self) -> None:
        """Release the place."""
        self._admission.leave(self)

    def _end(self) -> None:
        """Wake the thread of this connection, which ends it with a reset."""
        self.ended = True
        reset(self.sock)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        if self.waiting:
            self._admission.wake()


def reset(sock: socket.socket) -> None:
    """Make the system reset a connection when it is closed, and drop unsent data."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
