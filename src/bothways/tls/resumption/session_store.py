"""The sessions that a client may resume: few for each server, each used once, none for another configuration."""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.errors import ConfigError
from bothways.tls.defaults import process_id
from bothways.tls.resumption.age import DEFAULT_MAX_AGE, checked_max_age
from bothways.tls.resumption.session import Session

SERVERS = 256
SESSIONS_EACH = 4
LARGEST_TICKET = 16 * 1024


class SessionKey(NamedTuple):
    """For whom a session is: the configuration and the identity that began it, and the server's name."""

    configuration: bytes
    identity: bytes
    server: tuple[str, str]


class SessionStore:
    """What a client remembers of servers, so that it can resume. In memory; a forked process begins anew.

    servers: how many are remembered, of which the one that has had no new session for longest goes first; of each at
    most the four newest sessions.  max_age: for how long after both sides signed a session may be resumed, seven days
    at most. Each configuration has a store of its own unless it is given one; those that share it never get each
    other's sessions unless they trust alike and show the same identity. Raises ConfigError.
    """

    def __init__(self, *, servers: int = SERVERS, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        if servers < 1:
            raise ConfigError("servers: expected a number above zero; sessions=None remembers nothing")
        self.max_age = checked_max_age(max_age)
        self._servers = servers
        self._process = process_id()
        # Threads share it: each step is a single operation on one of these.
        self._sessions: OrderedDict[SessionKey, deque[Session]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SessionStore of {len(self)}>"

    def __len__(self) -> int:
        return sum(map(len, list(self._sessions.values())))

    def keep(self, key: SessionKey, session: Session) -> None:
        """Keep a session for the server and configuration of `key`; the oldest ones are dropped for it."""
        self._begin_anew_in_a_fork()
        if len(session.ticket) > LARGEST_TICKET:
            return
        self._sessions.setdefault(key, deque(maxlen=SESSIONS_EACH)).append(session)
        with suppress(KeyError):  # of another thread that made room
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
        """Forget every session."""
        self._sessions.clear()

    def _begin_anew_in_a_fork(self) -> None:
        """A session is used once, and the process that we were forked from has it too."""
        if self._process != process_id():
            self._process = process_id()
            self._sessions.clear()
