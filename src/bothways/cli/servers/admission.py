"""Limits the connections of `serve`: handshakes, and separately established connections.

A flood of incomplete handshakes thus ends only other handshakes. The rule for ending one: `bothways.servers.places`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from bothways.addresses import TCPAddress
from bothways.servers.places import Place, Places, source_of

OTHERS_SECONDS = 1.0  # seconds that a handshake waits for others of the same address that may complete soon
TOLD_SECONDS = 60.0
HANDSHAKES = 256  # the least default, however small the limit of connections is


class ServeAdmission:
    """The places for handshakes and for established connections, in one event loop.

    limit: of established connections.  handshakes: the limit of handshakes; by default the same, but not below a
    minimum. exempt_loopback: see `Places`.  on_wait: is called with why a client waits for a place, at most once in
    `TOLD_SECONDS`.
    """

    def __init__(
        self,
        limit: int,
        *,
        handshakes: int | None = None,
        exempt_loopback: bool = False,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        if handshakes is None:
            handshakes = max(limit, HANDSHAKES)
        self.limit = limit + handshakes
        self._handshaking: dict[str, int] = {}  # how many clients of a source are in a handshake
        self._handshakes = Places(handshakes, exempt_loopback=exempt_loopback)
        self._established = Places(limit, exempt_loopback=exempt_loopback, only_from_larger=True)
        self._waiting: dict[ServedClient, tuple[Callable[[], bool], asyncio.Future[bool]]] = {}
        self._looking: asyncio.Handle | None = None
        self._on_wait = on_wait
        self._told_at: float | None = None

    def arrive(self, address: TCPAddress, cut: Callable[[], None]) -> ServedClient | None:
        """Register a client's handshake, for which another may be ended; None if this one must end.

        cut: is called when its connection has to be reset for another.
        """
        client = ServedClient(self, address, cut)
        return client if _enter(self._handshakes, client.place) else None

    def begin(self, client: ServedClient, *, beside_others: bool = False) -> bool:
        """Count a client's handshake, if a connection could be established now.

        beside_others: also if other clients of the same address took the places that they may be about to take.
        """
        source = client.place.source
        coming = self._handshaking.get(source, 0) if beside_others else 0
        if not client.handshaking:
            if not self._established.has_room_for(source, coming):
                return False
            client.handshaking = True
            self._handshaking[source] = self._handshaking.get(source, 0) + 1
        return True

    async def wait_for_place(self, client: ServedClient, seconds: float) -> bool:
        """Wait until a place for an established connection may be available; False after the time limit.

        It also waits briefly for other clients of the same address that may be about to take the last places.
        """
        if await self._taken(client, partial(self.begin, client, beside_others=True), OTHERS_SECONDS):
            return True
        if not client.ended and not self._established.has_room_for(client.place.source):
            self._report_wait(client)
        return await self._taken(client, partial(self.begin, client), seconds)

    def _report_wait(self, client: ServedClient) -> None:
        now, places = time.monotonic(), self._established
        if self._on_wait is None or (self._told_at is not None and now < self._told_at + TOLD_SECONDS):
            return
        self._told_at = now
        if len(places) >= places.limit:
            why = f"all {places.limit} connections are taken"
        else:
            why = f"it has {places.share} of {places.limit} connections, as many as one address may have"
        self._on_wait(f"{client.address} waits, and others may: {why}")

    async def wait_to_establish(self, client: ServedClient, place: Place, seconds: float) -> bool:
        """Move a client to the established connections; False if no place is available in time."""
        return await self._taken(client, partial(self.establish, client, place), seconds)

    def establish(self, client: ServedClient, place: Place) -> bool:
        """Move a client to the established connections, if a place is available now."""
        if not client.established:
            if not self._established.has_room_for(place.source) or not _enter(self._established, place):
                return False
            self._stop_handshaking(client)
            client.place, client.established = place, True
            self.changed()
        return True

    def leave(self, client: ServedClient) -> None:
        """Release the place of a client."""
        self._stop_handshaking(client)
        self._established.leave(client.place)
        self.changed()

    def taken(self) -> tuple[int, int]:
        """Return the number of handshakes and the number of established connections."""
        return len(self._handshakes), len(self._established)

    def changed(self) -> None:
        """Look in the next turn of the loop who of those that wait can have a place now."""
        if self._waiting and self._looking is None:
            self._looking = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = None
        for client, (take, future) in list(self._waiting.items()):
            if not future.done() and (client.ended or take()):
                future.set_result(not client.ended)

    async def _taken(self, client: ServedClient, take: Callable[[], bool], seconds: float) -> bool:
        """Wait until `take` returns true; False after the time limit, or if the client is ended meanwhile."""
        if client.ended or take():
            return not client.ended
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[client] = take, future
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return False
        finally:
            del self._waiting[client]

    def _stop_handshaking(self, client: ServedClient) -> None:
        self._handshakes.leave(client.place)
        if client.handshaking:
            client.handshaking = False
            source = client.place.source
            others = self._handshaking.pop(source) - 1
            if others:
                self._handshaking[source] = others


class ServedClient:
    """One connection with its place."""

    def __init__(self, admission: ServeAdmission, address: TCPAddress, cut: Callable[[], None]) -> None:
        self.address = address
        self.ended = self.handshaking = self.established = False
        self.place = Place(source_of(address.host), self._end, time.monotonic())
        self._admission = admission
        self._cut = cut

    def may_begin_now(self) -> bool:
        """Whether the handshake can start now; it counts as begun then."""
        return not self.ended and self._admission.begin(self, beside_others=True)

    async def may_begin(self, seconds: float) -> bool:
        """Wait until the handshake can start; False after the time limit, or if this client was ended."""
        return await self._admission.wait_for_place(self, seconds)

    async def establish(self, seconds: float) -> bool:
        """Take a place for an established connection; False if none is available in time."""
        place = Place(self.place.source, self._end, time.monotonic())
        if not self.ended and self._admission.establish(self, place):
            return True
        return await self._admission.wait_to_establish(self, place, seconds)

    def note_progress(self, octets: int) -> None:
        """Count bytes as progress of the handshake: those with the least for their age are ended first."""
        self.place.moved += octets

    def note_activity(self) -> None:
        """Record a transfer: the connection that was idle for longest is ended first."""
        self.place.begin(time.monotonic(), waits=True)

    def leave(self) -> None:
        """Release the place."""
        self._admission.leave(self)

    def _end(self) -> None:
        self.ended = True
        self._cut()
        self._admission.changed()


def _enter(places: Places, place: Place) -> bool:
    loser = places.enter(place, time.monotonic())
    if loser is not None and loser is not place:
        loser.end()
    return loser is not place
