"""`SharedTicketKeys`: ticket keys that lie in a file, or in Valkey or Redis, and are refreshed in the background.

A handshake uses the keys at hand and never waits for the store; where there are none, it is a full one.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from datetime import datetime, timedelta

from bothways.errors import ConfigError
from bothways.ticket_keys.file_store import FileStore, Store, StoreFailed
from bothways.ticket_keys.redis_store import RedisStore
from bothways.ticket_keys.shared_ring import BadTicketKeys, SharedRing, decoded, encoded, new_ring, renewed
from bothways.ticket_keys.wrapping import Wrapping
from bothways.tls.clock import Clock
from bothways.tls.defaults import CLOCK, process_id
from bothways.tls.resumption.age import DEFAULT_MAX_AGE
from bothways.tls.resumption.ticket_keys import KeyRing, Random, TicketKeys
from bothways.trust.files import FilePath

DEFAULT_NAME = "bothways:ticket-keys"
FIRST_RETRY_SECONDS = 1.0
THREAD = "bothways ticket keys"

logger = logging.getLogger("bothways.tickets")


class SharedTicketKeys(TicketKeys):
    """Ticket keys in a store. Made by `in_file` and `in_redis`; for `ServerConfig(tickets=)`.

    The store has the current, the previous and the next key: a server that cannot reach it uses the keys in memory
    for up to twice `max_age`, then resumes no sessions. The first server at the due time replaces the keys. A thread
    reads the store regularly, from the first handshake or `start` on; a forked process has a thread of its own.

    store, wrapping: where the keys are, and how they are encrypted there; None for not encrypted.  max_age: as for
    `TicketKeys`, in whole seconds.  in_background: if False there is no thread, and the owner of the keys calls
    `refresh` regularly.  clock, random: the sources of time and of keys. Raises ConfigError.
    """

    def __init__(
        self,
        store: Store,
        wrapping: Wrapping | None = None,
        *,
        max_age: timedelta = DEFAULT_MAX_AGE,
        in_background: bool = True,
        clock: Clock = CLOCK,
        random: Random = os.urandom,
    ) -> None:
        super().__init__(max_age=max_age)
        if max_age % timedelta(seconds=1):
            raise ConfigError("max_age: expected whole seconds")
        self._store, self._wrapping = store, wrapping
        self._clock, self._random = clock, random
        self._shared: SharedRing | None = None
        self._in_background = in_background
        self._refreshers: dict[
            int, threading.Event
        ] = {}  # by process, since a thread does not live on in a fork
        self._trouble = ""
        self._failures = 0

    @classmethod
    def in_file(cls, path: FilePath, *, max_age: timedelta = DEFAULT_MAX_AGE) -> SharedTicketKeys:
        """Return the keys in a file of this user, which is created if it does not exist. Raises ConfigError.

        path: the file. Somebody who can read it can impersonate any client.  max_age: as for `TicketKeys`, and the
        same for all servers.
        """
        keys = cls(FileStore(path), max_age=max_age)
        try:
            keys._take_over(keys._clock.now())
        except (StoreFailed, BadTicketKeys) as problem:
            if keys._shared is None:
                raise ConfigError(f"{os.fspath(path)}: {problem}") from None
        return keys

    @classmethod
    def in_redis(
        cls, url: str, *, secret: bytes, name: str = DEFAULT_NAME, max_age: timedelta = DEFAULT_MAX_AGE
    ) -> SharedTicketKeys:
        """Return the keys in Valkey or Redis, where they are encrypted. Raises ConfigError; connects later.

        url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// over TLS.  secret: 32 random bytes or more,
        the same for all servers, and never in the store.  name: the key of the value in the store, one for each
        service.  max_age: as for `TicketKeys`, and the same for all servers.
        """
        return cls(RedisStore(url, name), Wrapping(secret, name), max_age=max_age)

    def __repr__(self) -> str:
        return f"SharedTicketKeys({self._store.where!r}, max_age={self.max_age!r})"

    def ring(self, now: datetime, random: Random) -> KeyRing | None:  # noqa: ARG002 - drawn in the background
        """Return the keys in memory; None if there are none. now: the time.  random: not used."""
        self.start()
        shared = self._shared
        return None if shared is None else shared.at(now)

    def start(self) -> None:
        """Start the thread that reads the store, in this process."""
        process = process_id()
        if process in self._refreshers or not self._in_background:
            return
        over = threading.Event()
        if self._refreshers.setdefault(process, over) is over:
            weakref.finalize(self, over.set)
            threading.Thread(target=_follow, args=(weakref.ref(self), over), name=THREAD, daemon=True).start()

    def close(self) -> None:
        """Stop the thread that reads the store, in this process; the keys in memory stay in use until they expire."""
        self._in_background = False
        over = self._refreshers.pop(process_id(), None)
        if over is not None:
            over.set()

    def refresh(self) -> float:
        """Read the keys of the store, replace those that are due; return the seconds until the next call.

        This may wait for the store. A failure is logged, once, and the keys in memory stay in use.
        """
        now = self._clock.now()
        try:
            self._take_over(now)
        except (StoreFailed, BadTicketKeys) as problem:
            self._tell(str(problem), now)
            self._failures = min(self._failures + 1, 10)
            return min(FIRST_RETRY_SECONDS * (1 << self._failures), self._store.seconds)
        self._tell("", now)
        self._failures = 0
        return self._until_due(now)

    def _until_due(self, now: datetime) -> float:
        due = self._store.seconds if self._shared is None else (self._shared.due - now).total_seconds()
        return min(max(due, FIRST_RETRY_SECONDS), self._store.seconds)

    def _take_over(self, now: datetime) -> None:
        stored = self._store.load()
        found = None if stored is None else self._read(stored, now)
        wanted = self._wanted(found, now)
        if self._shared is None and found is not None:
            self._shared = found  # also where it can be read alone
        if wanted is not found and not self._put(stored, wanted):
            stored = self._store.load()  # another server was first
            wanted = self._wanted(None if stored is None else self._read(stored, now), now)
        self._shared = wanted

    def _wanted(self, found: SharedRing | None, now: datetime) -> SharedRing:
        """Return what should be in the store: what is found there, unless it is missing, older than ours, or due."""
        ours = self._shared
        if ours is not None and ours.at(now) is not None and (found is None or found.since < ours.since):
            found = ours
        if found is None or now >= found.end:
            return new_ring(now, self.max_age, self._random)
        return renewed(found, self._random) if now >= found.due else found

    def _read(self, stored: bytes, now: datetime) -> SharedRing:
        plain = stored if self._wrapping is None else self._wrapping.unwrap(stored)
        ring = decoded(plain, self.max_age)
        if now <= ring.since - ring.period:
            raise BadTicketKeys("its keys are of the future: compare the clocks of the servers")
        return ring

    def _put(self, before: bytes | None, ring: SharedRing) -> bool:
        plain = encoded(ring)
        stored = plain if self._wrapping is None else self._wrapping.wrap(plain, self._random)
        return self._store.replace(before, stored, 3 * self.max_age)

    def _tell(self, trouble: str, now: datetime) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if not trouble:
            logger.info("ticket keys: %s is in use again", self._store.where)
            return
        have = self._shared is not None and self._shared.at(now) is not None
        then = "the keys at hand stay in use" if have else "no session is resumed until then"
        logger.warning("ticket keys: %s: %s; %s", self._store.where, trouble, then)


def _follow(keys: weakref.ref[SharedTicketKeys], over: threading.Event) -> None:
    """Refresh keys until they are gone, or it is over."""
    wait = 0.0
    while not over.wait(wait):
        held = keys()
        if held is None:
            return
        wait = held.refresh()
        del held
