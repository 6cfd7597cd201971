"""The sessions that a client may resume: a few for each server, each used once, separate for each configuration."""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.arguments import whole
from bothways.errors import ConfigError
from bothways.tls.defaults import process_id
from bothways.tls.resumption.age import DEFAULT_MAX_AGE, checked_max_age
from bothways.tls.resumption.session import Session

SERVERS = 256
SESSIONS_EACH = 4
# There is room for it twice beside all external PSKs that are offered: in an encrypted ClientHello, and as what looks
# alike around it (RFC 9849 6.1.2).
LARGEST_TICKET = 12 * 1024


class SessionKey(NamedTuple):
    """What a session belongs to: the configuration and the identity of its first handshake, and the server's name."""

    configuration: bytes
    identity: bytes
    server: tuple[str, str]


class SessionStore:
    """Stores a client's sessions in memory; a forked process starts with an empty store. Raises ConfigError.

    servers: the number of servers; for a further one, the sessions of the server without a new session for longest are
    dropped. Of each server the four newest sessions are kept.  max_age: the longest time between the signatures and a
    resumption, at most seven days. By default each configuration has its own store; configurations that share one use
    each other's sessions only if they have the same policy, trust anchors and certificates.
    """

    def __init__(self, *, servers: int = SERVERS, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        servers = whole("servers", servers)
        if servers < 1:
            raise ConfigError("servers: expected a number above zero; sessions=None remembers nothing")
        self.max_age = checked_max_age(max_age)
        self._servers = servers
        self._process = process_id()
        # Shared between threads without a lock: each step is a single atomic operation on these containers.
        self._sessions: OrderedDict[SessionKey, deque[Session]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SessionStore of {len(self)}>"

    def __len__(self) -> int:
        return sum(map(len, list(self._sessions.values())))

    def keep(self, key: SessionKey, session: Session) -> None:
        """Store a session for the server and configuration of `key`; the oldest are dropped if the store is full."""
        self._begin_anew_in_a_fork()
        if len(session.ticket) > LARGEST_TICKET:
            return
        self._sessions.setdefault(key, deque(maxlen=SESSIONS_EACH)).append(session)
        with suppress(KeyError):  # another thread has removed it
            self._sessions.move_to_end(key)
            while len(self._sessions) > self._servers:
                self._sessions.popitem(last=False)

    def take(self, key: SessionKey, now: datetime) -> Session | None:
        """Return the newest session of `key` that is usable at the time `now`, and remove it (RFC 9846 C.4)."""
        self._begin_anew_in_a_fork()
        kept = self._sessions.get(key)
        while kept:
            try:
                session = kept.pop()
            except IndexError:
                return None
            if session.is_usable(now, self.max_age):
                return session
        return None

    def clear(self) -> None:
        """Delete every session."""
        self._sessions.clear()

    def _begin_anew_in_a_fork(self) -> None:
        """Clear the store in a forked process, since the parent has the same sessions and each may be used once."""
        if self._process != process_id():
            self._process = process_id()
            self._sessions.clear()
