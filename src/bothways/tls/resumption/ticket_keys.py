"""The keys with which a server encrypts its session tickets: random, in memory, and replaced regularly.

Whoever has such a key can impersonate any client. It never leaves the process, and a forked process creates its own.
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
    """One key, and the name by which a ticket identifies it."""

    name: bytes
    aead: Aead

    def __repr__(self) -> str:
        return "TicketKey(...)"


class KeyRing(NamedTuple):
    """The keys of one period: `current` encrypts, all three decrypt.

    next: known in advance to all processes that share keys; None while their common store cannot be read.
    """

    since: datetime
    previous: TicketKey | None
    current: TicketKey
    next: TicketKey | None

    def named(self, name: bytes) -> TicketKey | None:
        """Return the key with this name; None if it is none of these."""
        return next(
            (each for each in (self.current, self.previous, self.next) if each and each.name == name), None
        )


class TicketKeys:
    """Keys for the session tickets of one server, or of several configurations that resume each other's sessions.

    max_age: the longest time between the signatures and a resumption, at most seven days; keys are replaced as often,
    and decrypt for as long again. A ticket is bound to the configuration that issued it, even if others share these
    keys. Raises ConfigError.
    """

    def __init__(self, *, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        self.max_age = checked_max_age(max_age)
        self._rings: dict[
            int, KeyRing
        ] = {}  # by process id; if threads create one at the same time, the first is used

    def __repr__(self) -> str:
        return f"TicketKeys(max_age={self.max_age!r})"

    def seal(self, content: bytes, context: bytes, now: datetime, random: Random) -> bytes | None:
        """Return a ticket with `content`, encrypted and bound to `context`; None without keys.

        now, random: as for `ring`.
        """
        ring = self.ring(now, random)
        if ring is None:
            return None
        key = ring.current
        nonce = random(NONCE_SIZE)
        return key.name + nonce + key.aead.encrypt(nonce, content, key.name + context)

    def open(self, ticket: bytes, context: bytes, now: datetime, random: Random) -> bytes | None:
        """Return the content of a ticket; None if it was not encrypted for this `context` with one of the keys.

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
        """Return the current keys, after replacing old ones; in a subclass None if it has none.

        now: the current time.  random: returns the given number of random bytes.
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
            ring = _new_ring(now, random)  # not used for long, or the clock was set
        self._rings[process] = ring
        return ring


def _new_ring(now: datetime, random: Random) -> KeyRing:
    return KeyRing(now, None, _new_key(random), _new_key(random))


def _new_key(random: Random) -> TicketKey:
    return TicketKey(random(NAME_SIZE), AES_GCM(random(KEY_SIZE)))
