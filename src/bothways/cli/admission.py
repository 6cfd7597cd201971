"""The places of a server whose connections have a thread each: in a handshake, and apart after it.

A flood of handshakes that are only begun takes places from itself, and none from those that were finished. By
what rule a place is given away stands in `bothways.places`.
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

OTHERS_SECONDS = 1.0  # how long a handshake is put off for others that may be about to finish theirs
HANDSHAKES = 256  # at the least, however few connections there may be


class Admission:
    """Who may shake hands, and who has done so.

    limit: connections that have finished their handshake.  handshakes: how many are in it beside them; by default
    as many, but not few.  exempt_loopback: see `Places`.
    """

    def __init__(self, limit: int, *, handshakes: int | None = None, exempt_loopback: bool = False) -> None:
        if handshakes is None:
            handshakes = max(limit, HANDSHAKES)
        self.limit = limit + handshakes
        self._changed = threading.Condition()
        self._handshaking: Counter[str] = Counter()  # who was let into a handshake and has not finished it
        self._handshakes = Places(handshakes, exempt_loopback=exempt_loopback)
        self._established = Places(limit, exempt_loopback=exempt_loopback, only_from_larger=True)

    def arrive(self, sock: socket.socket, address: Address) -> Client | None:
        """Let a client begin its handshake, for which another may be ended; None if it must go itself."""
        client = Client(self, sock, address)
        return client if self._enter(self._handshakes, client.place) else None

    def let_begin(self, client: Client, seconds: float) -> bool:
        """Wait until a place among those that are established may be had; False when that takes too long.

        For a moment it is also waited for others of the same address that may be about to take the last ones.
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
        """Move a client to those that are established, when one of their places is to be had in time."""
        with self._changed:
            self._await_room(client, seconds)
            if client.ended or not self._enter(self._established, place):
                return False
            self._stop_handshaking(client)
            client.place, client.established = place, True
            return True

    def leave(self, client: Client) -> None:
        """Give the place of a client back."""
        with self._changed:
            if client.handshaking or client.established:
                self._changed.notify_all()
            self._stop_handshaking(client)
            self._established.leave(client.place)

    def taken(self) -> tuple[int, int]:
        """Return how many are in a handshake, and how many are established."""
        with self._changed:
            return len(self._handshakes), len(self._established)

    def _has_room(self, source: str) -> bool:
        return self._established.has_room_for(source, self._handshaking[source])

    def _stop_handshaking(self, client: Client) -> None:
        self._handshakes.leave(client.place)
        if client.handshaking:
            client.handshaking = False
            self._handshaking[client.place.source] -= 1
            self._handshaking += Counter()  # lets go of those that are none

    def _await_room(self, client: Client, seconds: float) -> bool:
        return self._wait_for(client, lambda: self._established.has_room_for(client.place.source), seconds)

    def _wait_for(self, client: Client, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds; False if that takes too long, or the client is ended meanwhile."""
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
        """Let those look again who wait for a place."""
        with self._changed:
            self._changed.notify_all()


class Client:
    """One connection, its socket and its place. Give it as an observer to its handshake."""

    def __init__(self, admission: Admission, sock: socket.socket, address: Address) -> None:
        self.sock = sock
        self.address = address
        self.ended = False
        self.waiting = self.handshaking = self.established = False
        self.place = Place(source_of(address.host), self._end, time.monotonic())
        self._admission = admission

    def __call__(self, note: Note) -> None:
        """Count whole records that came as progress of the handshake."""
        if isinstance(note, RecordSeen) and not note.sent:
            self.place.moved += note.size

    def may_begin(self, seconds: float) -> bool:
        """Wait until it makes sense to shake hands; False if that takes too long, or another got our place."""
        return self._admission.let_begin(self, seconds)

    def establish(self, seconds: float) -> bool:
        """Take a place among those that finished their handshake; False if none is to be had in time."""
        place = Place(self.place.source, self._end, time.monotonic())
        return self._admission.establish(self, place, seconds)

    def note_activity(self) -> None:
        """Note that something passed: who was silent for longest is ended first."""
        self.place.begin(time.monotonic(), waits=True)

    def leave(self) -> None:
        """Give the place back."""
        self._admission.leave(self)

    def _end(self) -> None:
        """Wake the thread of this connection, which ends it; nothing is left to the system."""
        self.ended = True
        reset(self.sock)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        if self.waiting:
            self._admission.wake()


def reset(sock: socket.socket) -> None:
    """Have the system forget a connection when it is closed, whatever is still to be sent."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
