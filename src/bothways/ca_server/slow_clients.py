"""Time limits and a minimum rate for clients in each phase, and which connection is closed when there are too many.

uvicorn has no limit for an incomplete request, and none for a client that does not read the response.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from bothways.ca_server.strict_http import HEAD_LIMIT, StrictConnection
from bothways.servers.places import Place, Places, source_of
from bothways.servers.resets import end_by_reset

REQUEST_SECONDS = 10.0  # for a complete request, from the connection or the previous response
RESPONSE_SECONDS = 120.0  # until a response was read, from the end of the request
GRACE_SECONDS = 5.0  # without a least rate, at the beginning of a phase
LEAST_RATE = 500.0  # bytes per second, the average since the beginning of a phase
CHECK_SECONDS = 1.0  # between two checks of these limits
RECEIVED_LIMIT = 1024 * 1024  # bytes of one request, with those that are discarded after an error


class ConnectionPhase(Enum):
    """The phase of a connection."""

    RECEIVING = "a request is awaited, or its body is not complete"
    WORKING = "the request is complete, and the response is not"
    SENDING = "the client has not read the response"


class BoundedClient(H11Protocol):
    """A client's connection, which is closed if a request, or reading a response, takes too long.

    places: those of the server, shared by all connections. A connection that waits for its client may lose its place to
    another, by the rule of `Places`; one whose request is complete and being processed may not.
    """

    request_seconds = REQUEST_SECONDS
    response_seconds = RESPONSE_SECONDS
    grace_seconds = GRACE_SECONDS
    check_seconds = CHECK_SECONDS

    def __init__(self, *args: Any, places: Places, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = StrictConnection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._places = places
        self._place: Place | None = None
        self._phase = ConnectionPhase.RECEIVING
        self._to_send = 0
        self._since: float | None = None  # when the request was complete that is being answered
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a place, if necessary that of another connection."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._place = Place(source_of(host), self.end, self.loop.time())
        displaced = self._places.enter(self._place, self.loop.time())
        if displaced is not None:
            displaced.end()
        if displaced is not self._place:
            self._schedule_check()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the place."""
        if self._place is not None:
            self._places.leave(self._place)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes, and process them."""
        if self._place is None or self.transport.is_closing():
            return
        if self._phase is ConnectionPhase.RECEIVING:
            self._place.moved += len(data)
            if self._place.moved > RECEIVED_LIMIT:
                self.end()
                return
        super().data_received(data)
        self._update_phase()

    def pause_writing(self) -> None:
        """Note that the client does not read the response."""
        super().pause_writing()
        self._update_phase()

    def resume_writing(self) -> None:
        """Note that the client has read enough."""
        super().resume_writing()
        self._update_phase()

    def on_response_complete(self) -> None:
        """Continue with the next request, which may have been received already."""
        self._update_phase()
        super().on_response_complete()
        self._update_phase()

    def send_400_response(self, msg: str) -> None:
        """Send status 400 for a malformed request and close, unless a response was begun.

        The application may still answer what began well, which goes nowhere: uvicorn would log that as its defect.
        """
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """End with the service, without waiting for an incomplete request."""
        if self._phase is ConnectionPhase.RECEIVING and self._place is not None and self._place.moved:
            self.end()
        else:
            super().shutdown()

    def end(self) -> None:
        """Reset the connection at once; data that was not sent is discarded."""
        if self._place is not None:
            self._places.leave(self._place)
        end_by_reset(self.transport)
        self.transport.abort()

    def _update_phase(self) -> None:
        """Determine the phase."""
        phase = self._phase_now()
        if phase is self._phase or self._place is None:
            return
        now, before = self.loop.time(), self._phase
        self._phase = phase
        self._to_send = self.transport.get_write_buffer_size()
        self._place.begin(now, waits=phase is not ConnectionPhase.WORKING)
        if before is ConnectionPhase.RECEIVING:
            self._since = now
        if ConnectionPhase.RECEIVING in (before, phase) and self._timer is not None:
            self._schedule_check()  # not for each piece of a response

    def _phase_now(self) -> ConnectionPhase:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever its type says
        answered = cycle is None or cycle.response_complete
        if self.flow.write_paused or (answered and self.transport.get_write_buffer_size()):
            return ConnectionPhase.SENDING
        return (
            ConnectionPhase.RECEIVING
            if cycle is None or answered or cycle.more_body
            else ConnectionPhase.WORKING
        )

    def _schedule_check(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.check_seconds, self._check)

    def _check(self) -> None:
        """Close the connection if it takes too long."""
        self._update_phase()
        place = self._place
        if place is None:
            return
        if self._phase is ConnectionPhase.SENDING:
            place.moved = max(0, self._to_send - self.transport.get_write_buffer_size())
        if not self._is_too_slow(place, self.loop.time()):
            self._schedule_check()
        elif self._phase is ConnectionPhase.RECEIVING and not place.moved:
            self.transport.close()  # no request was begun
        else:
            self.end()

    def _is_too_slow(self, place: Place, now: float) -> bool:
        age = now - place.since
        if place.waits and place.moved < (age - self.grace_seconds) * LEAST_RATE:
            return True
        if self._phase is ConnectionPhase.RECEIVING or self._since is None:
            return age >= self.request_seconds
        return now - self._since >= self.response_seconds
