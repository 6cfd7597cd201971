"""Sessions of TLS 1.2 that a server stores by session ID, for clients without tickets (RFC 5246 7.3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

ID_SIZE = 32
SESSIONS = 1024


class SessionIds:
    """Encrypted sessions by session ID, in memory, for one configuration; the oldest one is dropped first."""

    def __init__(self, most: int = SESSIONS) -> None:
        self._most = most
        # Shared between threads without a lock: each step is a single atomic operation.
        self._sealed: OrderedDict[bytes, bytes] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SessionIds of {len(self._sealed)}>"

    def __len__(self) -> int:
        return len(self._sealed)

    def keep(self, session_id: bytes, sealed: bytes) -> None:
        """Store a session by its ID."""
        self._sealed[session_id] = sealed
        with suppress(KeyError):  # another thread has removed it
            while len(self._sealed) > self._most:
                self._sealed.popitem(last=False)

    def find(self, session_id: bytes) -> bytes | None:
        """Return the session stored by an ID; None without one."""
        return self._sealed.get(session_id)


def new_id(random: Callable[[int], bytes]) -> bytes:
    """Return a new random session ID."""
    return random(ID_SIZE)
