"""Limits the connections of a server for each client address, and decides which is ended when all are in use.

It uses no sockets and no clock. Addresses are counted individually in IPv4 and by /64 in IPv6, since that is what one
host usually has (RFC 6177 2, RFC 8273).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from bothways.addresses import is_loopback
from bothways.no_op import do_nothing

SHARE = 4  # one address may hold at most a quarter of all places
GRACE = 1.0  # seconds in which no progress is expected: a round trip, and one retransmission
LEAST_RATE = 500.0  # bytes per second: the expected rate of a client
CREDIT = 1000.0  # bytes credited at the start, so that a single early packet makes little difference
LOOKED_AT = 512  # places compared for each new connection, which bounds the time


@dataclass(eq=False, slots=True)
class Place:
    """One connection.

    source: its address, see `source_of`.  end: ends the connection.  since: the start of its current activity, in
    seconds of the server's clock.  moved: bytes that the peer has sent or received since then.  waits: whether it waits
    for its peer; only then may it be ended for another.
    """

    source: str
    end: Callable[[], None]
    since: float
    moved: int = 0
    waits: bool = True

    def begin(self, now: float, *, waits: bool) -> None:
        """Start a new activity, such as the next request."""
        self.since, self.moved, self.waits = now, 0, waits

    def give_up(self) -> None:
        """Keep the connection no longer: it has ended, and its place has been left."""
        self.end = do_nothing


class Places:
    """The places of one server. It must not be used by several threads at the same time.

    limit: the number of places.  exempt_loopback: addresses of this machine may hold more than a quarter, since all
    clients of a local proxy come from there; they are still the first to be ended if they hold most. only_from_larger:
    a place is taken only from another source, and only if that holds more than the new connection's source would then
    hold: for connections that are worth more than a new one.
    """

    def __init__(self, limit: int, *, exempt_loopback: bool = False, only_from_larger: bool = False) -> None:
        self.limit = limit
        self.share = max(1, limit // SHARE)
        self._exempt_loopback = exempt_loopback
        self._only_from_larger = only_from_larger
        self._held: dict[str, dict[Place, None]] = {}
        self._levels: dict[int, dict[str, None]] = {}  # sources by the number of their places
        self._most = 0
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    def resize(self, limit: int) -> None:
        """Change the number of places; no existing connection is ended for it."""
        self.limit = limit
        self.share = max(1, limit // SHARE)

    def held_by(self, source: str) -> int:
        """Return the number of places of a source."""
        return len(self._held.get(source, ()))

    def has_room_for(self, source: str, coming: int = 0) -> bool:
        """Whether a new connection from `source` could get a place, possibly that of another.

        coming: the number of connections of the same source before it.
        """
        if not self._only_from_larger:
            return True
        held = self.held_by(source) + coming
        is_free = self._taken + coming < self.limit or self._most > held + 1
        return is_free and not self._is_at_its_share(source, coming)

    def enter(self, place: Place, now: float) -> Place | None:
        """Add a connection; return the one that must be ended for it: none, another, or the new one.

        A place is taken from the source that holds most, including the new connection, or from the new connection's own
        source if that already has its share; there from the connection with the least progress for its age. The
        returned one holds no place any more; the caller calls its `end`.
        """
        at_its_share = self._is_at_its_share(place.source)
        self._add(place)
        if at_its_share and self._only_from_larger:
            loser = place
        elif at_its_share:
            loser = _least(self._held[place.source], place, now) or place
        elif self._taken > self.limit:
            loser = self._least_of_the_largest(place, now)
        else:
            return None
        self.leave(loser)
        return loser

    def leave(self, place: Place) -> None:
        """Remove a connection; repeated calls have no effect."""
        places = self._held.get(place.source, {})
        if place in places:
            self._move(place.source, len(places), len(places) - 1)
            del places[place]
            self._taken -= 1
            if not places:
                del self._held[place.source]

    def _add(self, place: Place) -> None:
        places = self._held.setdefault(place.source, {})
        self._move(place.source, len(places), len(places) + 1)
        places[place] = None
        self._taken += 1

    def _move(self, source: str, before: int, after: int) -> None:
        """Record that a source holds one place more or less."""
        if before:
            del self._levels[before][source]
            if not self._levels[before]:
                del self._levels[before]
        if after:
            self._levels.setdefault(after, {})[source] = None
        if after > self._most or self._most not in self._levels:
            self._most = after

    def _is_at_its_share(self, source: str, coming: int = 0) -> bool:
        is_at_it = self.held_by(source) + coming >= self.share
        return is_at_it and not (self._exempt_loopback and is_loopback(source))

    def _least_of_the_largest(self, newcomer: Place, now: float) -> Place:
        """Return the place for the new connection; itself if no source that is at least as large has one that waits."""
        looked_at, held = 0, self.held_by(newcomer.source)
        for level in range(self._most, held if self._only_from_larger else held - 1, -1):
            if level in self._levels and looked_at < LOOKED_AT:
                least = _least(self._places_at(level), newcomer, now)
                if least is not None:
                    return least
                looked_at += level * len(self._levels[level])
        return newcomer

    def _places_at(self, level: int) -> Iterator[Place]:
        return (place for source in self._levels[level] for place in self._held[source])


def source_of(host: str) -> str:
    """Return what is counted as one address: an IPv4 address, also one mapped into IPv6, or the /64 of IPv6.

    Any other text, such as the name of a local socket, is returned unchanged.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def source_of_peer(name: object, connection: object) -> str:
    """Return what is counted as the address of a connection's peer, by its name as sockets have it.

    A client of a Unix socket has no address, so that each has a source of its own.
    """
    return source_of(str(name[0])) if isinstance(name, tuple) else f"#{id(connection)}"


def progress(place: Place, now: float) -> float:
    """Return the peer's rate in bytes per second, starting at `LEAST_RATE`.

    It is the average over the whole age and not the age alone: a client that keeps reconnecting has the youngest
    connections, so that the oldest would be those of honest slow clients.
    """
    return (place.moved + CREDIT) / (now - place.since + CREDIT / LEAST_RATE)


def _least(places: Iterator[Place] | dict[Place, None], newcomer: Place, now: float) -> Place | None:
    """Return the waiting place with the least progress, other than the new one; None without any."""
    looked_at = islice(places, LOOKED_AT)
    waiting = (place for place in looked_at if place.waits and place is not newcomer)
    return min(waiting, key=lambda place: rank(place, now), default=None)


def rank(place: Place, now: float) -> tuple[bool, float]:
    """Return the sort key of a place at the time `now`: by progress; new connections come last, the oldest first.

    Of a new connection it does not count how much was sent: that is free, and those who flood would be kept for it.
    Whoever needs less than `GRACE` seconds is ended only if as many newer connections have come as there are places.
    """
    if now - place.since < GRACE:
        return True, place.since
    return False, progress(place, now)
