"""How many connections of a server one address may hold, and which gives way when all places are taken.

Accounting alone: no sockets, no clock. What holds a place is one connection. Addresses are counted whole in IPv4
and by /64 in IPv6, since that is what one host commonly has for itself (RFC 6177 2, RFC 8273).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

SHARE = 4  # one address holds at most this part of all places: a quarter
GRACE = 1.0  # seconds in which nothing need come: a round trip, and one repetition of what was lost
LEAST_RATE = 500.0  # bytes a second that a client is expected to move, when progress is compared with age
CREDIT = 1000.0  # bytes that everybody is credited with at first, so that one early packet tells little
LOOKED_AT = 512  # places that are compared for one newcomer at most, so that a newcomer costs a bounded time


@dataclass(eq=False, slots=True)
class Place:
    """One connection among the others.

    source: who holds it, see `source_of`.  end: ends the connection.  since: when what it does now began, in
    seconds of the clock that the server uses.  moved: bytes that the peer has sent or taken since then.
    waits: whether it waits for its peer; only such a place may be given to another.
    """

    source: str
    end: Callable[[], None]
    since: float
    moved: int = 0
    waits: bool = True

    def begin(self, now: float, *, waits: bool) -> None:
        """Begin something new, such as the next request."""
        self.since, self.moved, self.waits = now, 0, waits


class Places:
    """The places of one server.

    limit: how many there are.  exempt_loopback: addresses of this machine may hold more than a quarter, since
    behind a local proxy all clients come from there; they still give way first when they hold most.
    only_from_larger: a place is taken only from a source that holds more than the newcomer's would then, and not
    from the newcomer's own: for connections that are worth more than one that comes.
    Not safe for several threads at once.
    """

    def __init__(self, limit: int, *, exempt_loopback: bool = False, only_from_larger: bool = False) -> None:
        self.limit = limit
        self.share = max(1, limit // SHARE)
        self._exempt_loopback = exempt_loopback
        self._only_from_larger = only_from_larger
        self._held: dict[str, dict[Place, None]] = {}
        self._levels: dict[int, dict[str, None]] = {}  # sources by how many places they hold
        self._most = 0
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    def resize(self, limit: int) -> None:
        """Have another number of places from now on; nobody who is there loses one for it."""
        self.limit = limit
        self.share = max(1, limit // SHARE)

    def held_by(self, source: str) -> int:
        """Return how many places a source holds."""
        return len(self._held.get(source, ()))

    def is_full_for(self, source: str) -> bool:
        """Whether a newcomer from `source` would need the place of another."""
        return self._taken >= self.limit or self._is_at_its_share(source)

    def has_room_for(self, source: str, coming: int = 0) -> bool:
        """Whether a newcomer from `source` may hope for a place, be it that of another.

        coming: how many of the same source may come before it.
        """
        if not self._only_from_larger:
            return True
        held = self.held_by(source) + coming
        is_free = self._taken + coming < self.limit or self._most > held + 1
        return is_free and not self._is_at_its_share(source, coming)

    def enter(self, place: Place, now: float) -> Place | None:
        """Take a place, and return which connection must be ended for it: none, another, or the newcomer itself.

        A place is taken first from the source that holds most, counting the newcomer, or from the newcomer's own
        when that holds its share already; there from the connection whose peer made least progress for its age.
        The one returned holds no place any more; its `end` is for the caller to call.
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
        """Give a place back; once is enough, and more does no harm."""
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
        """Note that a source holds one place more or less."""
        if before:
            del self._levels[before][source]
            if not self._levels[before]:
                del self._levels[before]
        if after:
            self._levels.setdefault(after, {})[source] = None
        if after > self._most or self._most not in self._levels:
            self._most = after

    def _is_at_its_share(self, source: str, coming: int = 0) -> bool:
        exempt = self._exempt_loopback and is_loopback(source)
        return not exempt and self.held_by(source) + coming >= self.share

    def _least_of_the_largest(self, newcomer: Place, now: float) -> Place:
        """Return whose place the newcomer gets; itself where no larger or equal source has one that waits."""
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
    """Return what is counted as one address: an IPv4 address, mapped into IPv6 or not, or the /64 of IPv6.

    What is not an address of either kind, such as the name of a local socket, stands for itself.
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


def is_loopback(source: str) -> bool:
    """Whether a source is this machine."""
    return source == "::1" or source.startswith("127.")


def progress(place: Place, now: float) -> float:
    """Return how fast the peer moves what is waited for, in bytes a second, beginning at `LEAST_RATE`.

    A rate over the whole age, and not the age: whoever renews its connections has the youngest, so that
    the oldest are those of honest slow clients.
    """
    return (place.moved + CREDIT) / (now - place.since + CREDIT / LEAST_RATE)


def _least(places: Iterator[Place] | dict[Place, None], newcomer: Place, now: float) -> Place | None:
    """Return the place that is given away first among those that wait, without the newcomer; None without any."""
    looked_at = islice(places, LOOKED_AT)
    waiting = (place for place in looked_at if place.waits and place is not newcomer)
    return min(waiting, key=lambda place: _rank(place, now), default=None)


def _rank(place: Place, now: float) -> tuple[bool, float]:
    """Order by progress; last come those who had no time yet to say anything, the oldest of them first."""
    if not place.moved and now - place.since < GRACE:
        return True, place.since
    return False, progress(place, now)
