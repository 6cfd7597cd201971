"""The connections of a gateway on which TLS cannot begin yet, within the limits of its file."""

from __future__ import annotations

from typing import Protocol

from bothways.servers.places import Place, Places


class Endable(Protocol):
    """A connection without TLS, as far as it is known here."""

    def end(self) -> None:
        """End it, since the gateway ends."""


class ConnectionsBeforeTLS:
    """Those that wait for the header of a proxy, and those whose clients have not requested TLS yet.

    limit: how many there may be of each of these two kinds.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: set[Endable] = set()
        self._of_proxies: set[Endable] = set()
        self._openings = Places(limit)

    def __len__(self) -> int:
        return len(self._all)

    def resize(self, limit: int) -> None:
        """Change the limit; no connection is ended for it."""
        self._limit = limit
        self._openings.resize(limit)

    def add(self, connection: Endable) -> None:
        """Note a connection."""
        self._all.add(connection)

    def discard(self, connection: Endable) -> None:
        """Forget it."""
        self._all.discard(connection)
        self._of_proxies.discard(connection)

    def awaits_header(self, connection: Endable) -> bool:
        """Count a connection whose client is not known yet; false if there are too many."""
        self._of_proxies.add(connection)
        return len(self._of_proxies) <= self._limit

    def enter(self, place: Place) -> None:
        """Count a connection that has no TLS yet; at the limit another one, or this one, is ended."""
        loser = self._openings.enter(place, place.since)
        if loser is not None:
            loser.end()

    def leave(self, place: Place) -> None:
        """Count it no more."""
        self._openings.leave(place)

    def end_all(self) -> None:
        """End all of them."""
        for each in tuple(self._all):
            each.end()
