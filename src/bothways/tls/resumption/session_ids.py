"""Sessions of TLS 1.2 that a server keeps, for clients that know no tickets: few, by their IDs (RFC 5246 7.3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

ID_SIZE = 32
SESSIONS = 1024


class SessionIds:
    """What a ticket would hold, by session ID; the oldest session goes first. In memory, for one configuration."""

    def __init__(self, most: int = SESSIONS) -> None:
        self._most = most
        # Threads share it: each step is a single operation.
        self._sealed: OrderedDict[bytes, bytes] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SessionIds of {len(self._sealed)}>"

    def __len__(self) -> int:
        return len(self._sealed)

    def keep(self, session_id: bytes, sealed: bytes) -> None:
        """Keep a session under its ID."""
        self._sealed[session_id] = sealed
        with suppress(KeyError):  # of another thread that made room
            while len(self._sealed) > self._most:
                self._sealed.popitem(last=False)

    def find(self, session_id: bytes) -> bytes | None:
        """Return what was kept under an ID; None for nothing."""
        return self._sealed.get(session_id)


def new_id(random: Callable[[int], bytes]) -> bytes:
    """Return an ID that nobody has."""
    return random(ID_SIZE)
