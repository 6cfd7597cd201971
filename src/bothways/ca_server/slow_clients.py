"""How long a client of the service may take in each phase, and whose place others get when all are taken.

uvicorn waits without end for a request that has begun, and for whoever does not read its response.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from bothways.ca_server.strict_http import HEAD_LIMIT, StrictConnection
from bothways.places import Place, Places, source_of

REQUEST_SECONDS = 10.0  # for a whole request, counted from the connection or the response before
RESPONSE_SECONDS = 120.0  # for a response, from the end of the request until it was read
GRACE_SECONDS = 5.0  # after which the least rate holds
LEAST_RATE = 500.0  # bytes a second, on an average from the beginning of a phase
CHECK_SECONDS = 1.0  # how often that is looked at
RECEIVED_LIMIT = 1024 * 1024  # bytes of one request, those counted that follow a refusal and are thrown away


class Phase(Enum):
    """What a connection does."""

    RECEIVING = "a request is awaited, or its body is not complete"
    WORKING = "the request is whole, and we have not answered it"
    SENDING = "the response waits for its reader"


class BoundedClient(H11Protocol):
    """One client's connection, which ends when a request or the reading of a response takes too long.

    places: those of the server; all connections share them. Only a request that is whole keeps its place while it
    is worked on: whoever has sent a part, or reads slowly, waits, and gives way to others by the rule of `Places`.
    """

    request_seconds = REQUEST_SECONDS
    response_seconds = RESPONSE_SECONDS
    free_seconds = GRACE_SECONDS
    look_seconds = CHECK_SECONDS

    def __init__(self, *words: Any, places: Places, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self.conn = StrictConnection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._places = places
        self._place: Place | None = None
        self._phase = Phase.RECEIVING
        self._to_send = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a place, from another if need be."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._place = Place(source_of(host), self.end, self.loop.time())
        loser = self._places.enter(self._place, self.loop.time())
        if loser is not None:
            loser.end()
        if loser is not self._place:
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place."""
        if self._place is not None:
            self._places.leave(self._place)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what came, and act on it."""
        if self._place is None or self.transport.is_closing():
            return
        if self._phase is Phase.RECEIVING:
            self._place.moved += len(data)
            if self._place.moved > RECEIVED_LIMIT:
                self.end()
                return
        super().data_received(data)
        self._settle()

    def pause_writing(self) -> None:
        """A response waits for its reader."""
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        """The reader took enough."""
        super().resume_writing()
        self._settle()

    def on_response_complete(self) -> None:
        """Go on to the next request, which may be there already."""
        self._settle()
        super().on_response_complete()
        self._settle()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request and close, unless a response is on its way already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The service ends: a request that has begun is not waited for."""
        if self._phase is Phase.RECEIVING and self._place is not None and self._place.moved:
            self.end()
        else:
            super().shutdown()

    def end(self) -> None:
        """End at once, whatever is still to be sent, and leave nothing of it to the system."""
        if self._place is not None:
            self._places.leave(self._place)
        reset = self.transport.get_extra_info("socket")
        if reset is not None:
            with contextlib.suppress(OSError):
                reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _settle(self) -> None:
        """Note which phase this is now."""
        phase = self._phase_now()
        if phase is not self._phase and self._place is not None:
            self._phase = phase
            self._to_send = self.transport.get_write_buffer_size()
            self._place.begin(self.loop.time(), waits=phase is not Phase.WORKING)
            if self._timer is not None:
                self._look_later()

    def _phase_now(self) -> Phase:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever its type says
        answered = cycle is None or cycle.response_complete
        if self.flow.write_paused or (answered and self.transport.get_write_buffer_size()):
            return Phase.SENDING
        return Phase.RECEIVING if cycle is None or answered or cycle.more_body else Phase.WORKING

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.look_seconds, self._look)

    def _look(self) -> None:
        """End what takes too long."""
        self._settle()
        place = self._place
        if place is None:
            return
        if self._phase is Phase.SENDING:
            place.moved = max(0, self._to_send - self.transport.get_write_buffer_size())
        if not self._is_too_slow(place, self.loop.time() - place.since):
            self._look_later()
        elif self._phase is Phase.RECEIVING and not place.moved:
            self.transport.close()  # nothing was begun that would be cut
        else:
            self.end()

    def _is_too_slow(self, place: Place, age: float) -> bool:
        whole = self.request_seconds if self._phase is Phase.RECEIVING else self.response_seconds
        return age >= whole or (place.waits and place.moved < (age - self.free_seconds) * LEAST_RATE)
