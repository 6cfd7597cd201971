"""The keys under which a server seals its tickets: drawn in memory, in use for a while, then thrown away.

Whoever has such a key can make itself any client. It never leaves the process, and a forked one draws its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.tls.crypto.aead import AES_GCM, NONCE_SIZE, TAG_SIZE, Aead, Forged
from bothways.tls.defaults import process_id
from bothways.tls.resumption.age import DEFAULT_MAX_AGE, checked_max_age

NAME_SIZE = 16
KEY_SIZE = 32
OVERHEAD = NAME_SIZE + NONCE_SIZE + TAG_SIZE

Random = Callable[[int], bytes]


class TicketKey(NamedTuple):
    """One key, and the name by which a ticket says that it was sealed under it."""

    name: bytes
    aead: Aead

    def __repr__(self) -> str:
        return "TicketKey(...)"


class KeyRing(NamedTuple):
    """The keys of one moment: `current` seals, all three open; `next` is known ahead to all who share it.

    Those who share keys and cannot reach their store have no next one.
    """

    since: datetime
    previous: TicketKey | None
    current: TicketKey
    next: TicketKey | None

    def named(self, name: bytes) -> TicketKey | None:
        """Return the key of that name, if it is one of these."""
        return next(
            (each for each in (self.current, self.previous, self.next) if each and each.name == name), None
        )


class TicketKeys:
    """Keys for the session tickets of one server, or of several configurations that are to resume alike.

    max_age: for how long after both sides signed a session may be resumed, seven days at most; keys change as
    often, and open what they sealed for as long again. A ticket is bound to the configuration that issued it, also
    where configurations share these keys. Raises ConfigError.
    """

    def __init__(self, *, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        self.max_age = checked_max_age(max_age)
        self._rings: dict[int, KeyRing] = {}  # by process; of several threads the first one's is taken

    def __repr__(self) -> str:
        return f"TicketKeys(max_age={self.max_age!r})"

    def seal(self, content: bytes, context: bytes, now: datetime, random: Random) -> bytes | None:
        """Return a ticket with `content` that can be opened only in the same `context`; None without keys.

        now, random: as for `ring`.
        """
        ring = self.ring(now, random)
        if ring is None:
            return None
        key = ring.current
        nonce = random(NONCE_SIZE)
        return key.name + nonce + key.aead.encrypt(nonce, content, key.name + context)

    def open(self, ticket: bytes, context: bytes, now: datetime, random: Random) -> bytes | None:
        """Return the content of a ticket; None if it was not sealed in this `context` with a current key.

        now, random: as for `ring`.
        """
        name, nonce = ticket[:NAME_SIZE], ticket[NAME_SIZE : NAME_SIZE + NONCE_SIZE]
        if len(ticket) <= OVERHEAD:
            return None
        ring = self.ring(now, random)
        key = None if ring is None else ring.named(name)
        if key is None:
            return None
        try:
            return key.aead.decrypt(nonce, memoryview(ticket)[NAME_SIZE + NONCE_SIZE :], name + context)
        except Forged:
            return None

    def ring(self, now: datetime, random: Random) -> KeyRing | None:
        """Return the current keys, and replace those that are too old; None where there are none, which never is here.

        now: the time.  random: returns so many random bytes.
        """
        process = process_id()
        ring = self._rings.get(process)
        if ring is None:
            self._rings.clear()
            return self._rings.setdefault(process, _new_ring(now, random))
        since = now - ring.since
        if abs(since) < self.max_age:
            return ring
        if self.max_age <= since < 2 * self.max_age:
            ring = KeyRing(
                ring.since + self.max_age, ring.current, ring.next or _new_key(random), _new_key(random)
            )
        else:
            ring = _new_ring(now, random)  # long idle, or the clock was set
        self._rings[process] = ring
        return ring


def _new_ring(now: datetime, random: Random) -> KeyRing:
    return KeyRing(now, None, _new_key(random), _new_key(random))


def _new_key(random: Random) -> TicketKey:
    return TicketKey(random(NAME_SIZE), AES_GCM(random(KEY_SIZE)))
