"""Bytes both ways between a verified client and a service, each way ended by itself.

What one end does not take stops the other, so neither can fill our memory. An end that was cut is cut on the other side
too, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any

from bothways.aio.idleness import Idleness
from bothways.aio.lingering import Lingering
from bothways.aio.reading import ReadingProtocol
from bothways.errors import TLSError, Truncated
from bothways.gateway.log.endings import Code, Ending, ending_of
from bothways.gateway.log.service_refusal import KEPT, refusal_of_us
from bothways.gateway.relay.transported import Transported
from bothways.no_op import do_nothing
from bothways.tls.driver import DELIVERY_SECONDS

BUFFER_LIMIT = 64 * 1024
LAST_SECONDS = 5.0  # how often it is looked whether the last bytes are taken when both ways have ended


class RelayEnd(Transported):
    """One end of a relay: what comes here goes to `other`. `count` is how many bytes came."""

    other: RelayEnd

    def __init__(self, relay: Relay) -> None:
        self.relay: Relay | Ended = relay
        self.transport: Any = None
        self.count = 0
        self.has_ended = self.is_lost = False
        self._early: list[bytes] = []
        self._paused = False

    @property
    def is_over(self) -> bool:
        """Whether nothing comes here any more: it is gone, or was never there."""
        return self.is_lost or self.transport is None

    # -- what asyncio and TLS call ---------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """This end is there."""
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_LIMIT)
        self.relay.opened(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self.count += len(data)
        self.relay.note_activity()
        self.other.write(data)

    def eof_received(self) -> bool:
        """Nothing more comes here; the other way stays open."""
        self.has_ended = True
        self.relay.ended(self)
        return True

    def pause_writing(self) -> None:
        """This end takes nothing more for now."""
        self.other.pause(True)

    def resume_writing(self) -> None:
        """It does again."""
        self.relay.note_activity()
        self.other.pause(False)

    def connection_lost(self, error: Exception | None) -> None:
        """This end is gone."""
        self.is_lost = True
        self.relay.lost(self, error)

    # -- what the relay asks ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to this end, or keep it until it is there: no more than was read before reading stopped."""
        if self.transport is None:
            self._early.append(data)
        elif not self.is_lost:
            self.transport.write(data)

    def write_early(self) -> None:
        """Send what was kept."""
        for data in self.early_data():
            self.write(data)

    def early_data(self) -> list[bytes]:
        """Return what was kept, which is kept no more."""
        early, self._early = self._early, []
        return early

    def take_early(self, other: RelayEnd) -> None:
        """Take over what was kept for another end, in whose place this one stands."""
        self._early, other._early = other._early, []

    def pause(self, paused: bool) -> None:
        """Stop reading here, or go on."""
        self._paused = paused
        if self.transport is not None and not self.is_lost and not self.has_ended:
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def close(self) -> None:
        """Close in order, when what was written is taken."""
        if self.transport is not None and not self.is_lost:
            self.transport.close()


class TLSEnd(RelayEnd, asyncio.Protocol):
    """An end over TLS."""


class ServiceTLSEnd(TLSEnd):
    """The end of a service over TLS. `start` is the first that it sent."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self.start = b""

    def data_received(self, data: bytes) -> None:
        """Keep the first of what came, and pass all of it on."""
        if len(self.start) < KEPT:
            self.start += data[: KEPT - len(self.start)]
        super().data_received(data)


class PlainEnd(RelayEnd, ReadingProtocol):
    """An end without TLS."""

    def has_left(self) -> bool:
        """Whether nothing reaches its program any more: it has closed its socket, and not one way of it alone.

        Only a Unix socket tells, by POLLHUP.
        """
        own = None if self.is_lost else self.transport.get_extra_info("socket")
        if own is None or own.family != socket.AF_UNIX:
            return False
        poll = select.poll()
        poll.register(own.fileno(), 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))


class Ended:
    """In place of a relay whose ends are gone, so that these keep it no more; an end that is there yet is cut."""

    is_open = False

    def opened(self, end: RelayEnd) -> None:
        """It comes too late."""
        end.cut()

    def ended(self, end: RelayEnd) -> None:
        """Nobody has to know."""

    def lost(self, end: RelayEnd, error: Exception | None) -> None:
        """Nobody has to know."""

    def note_activity(self) -> None:
        """Nobody has to know."""


class Relay:
    """A client and the service that it is connected to.

    serve: is called when the client is there, and verified if it has TLS; connects the service, or calls `failed`.
    over: is called once, when `why` says why it ended, and `error` which error that was, if any.  reached: is called
    when the service is there, before anything passes.  idle, half_closed: seconds without a byte either way, None for
    no limit of the first.  client: the kind of its end.
    `silent_for`: after so many seconds without a byte it was ended.
    """

    def __init__(
        self,
        serve: Callable[[Relay], None],
        over: Callable[[Relay], None],
        *,
        idle: float | None,
        half_closed: float,
        client: type[TLSEnd] | type[PlainEnd] = TLSEnd,
        reached: Callable[[], None] | None = None,
    ) -> None:
        self.client = client(self)
        self.service: TLSEnd | PlainEnd = PlainEnd(self)
        self._serve, self._over, self._reached = serve, over, reached
        self._half_closed = half_closed if idle is None else min(half_closed, idle)
        self.idleness = Idleness(idle, self._end_of_idleness)
        self.why: Ending | None = None
        self.error: Exception | None = None
        self.silent_for: float | None = None
        self._last: Lingering | None = None
        self._pair()

    def _pair(self) -> None:
        self.client.other, self.service.other = self.service, self.client

    def use_tls(self) -> None:
        """Expect a service over TLS."""
        service = ServiceTLSEnd(self)
        service.take_early(self.service)
        self.service = service
        self._pair()

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Have another protocol take over the client, with what it has sent; `end` still ends it."""
        self.idleness.stop()
        self.client.transport.set_protocol(protocol)
        protocol.connection_made(self.client.transport)
        for data in self.service.early_data():
            protocol.data_received(data)
        if self.client.has_ended:
            protocol.eof_received()
        self.client.transport.resume_reading()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.why is None

    def release(self) -> None:
        """Keep nobody who made this, since the client is gone: a cycle would wait for the garbage collector."""
        self.idleness.stop()
        self._serve = self._over = do_nothing
        self._reached = None
        self.client.is_lost, self.client.transport = True, None
        self._part_if_over()

    def _part_if_over(self) -> None:
        if self.client.is_over and self.service.is_over and self.client.relay is self:
            if self._last is not None:
                self._last.stop()
            for end in (self.client, self.service):
                end.relay = Ended()
                del end.other

    # -- what the ends tell ----------------------------------------------------------------------------

    def note_activity(self) -> None:
        """Something was sent or received."""
        self.idleness.note_activity()

    def opened(self, end: RelayEnd) -> None:
        """An end is there: first the client, which is not read from before the service is there."""
        if end is self.client:
            end.pause(True)
            self.idleness.start()
            self._serve(self)
            return
        if self.why is None and self._reached is not None:
            self._reached()
        if self.why is not None or end.transport.is_closing():
            end.cut()
            return
        self.client.pause(False)  # first: what is written may stop it again
        end.write_early()
        if self.client.has_ended:
            end.write_end()

    def ended(self, end: RelayEnd) -> None:
        """One way has ended: the other may go on for a while."""
        end.other.write_end()
        if end.other.has_ended:
            self._end(self._closing())
            for each in (self.client, self.service):
                each.close()
            self._linger()
            return
        self.idleness.stop()
        self.idleness = Idleness(self._half_closed, self._end_of_idleness)
        self.idleness.start()

    def _closing(self) -> Ending:
        """Say that both sides closed, and whether that was since the service refused us in its own words."""
        end = self.service
        refusal = refusal_of_us(end.start, end.transport) if isinstance(end, ServiceTLSEnd) else None
        if refusal is None:
            return Ending.of(Code.CLOSED, "both sides closed")
        text, causes = refusal
        return Ending.of(Code.BACKEND_REFUSED, text, causes)

    def lost(self, end: RelayEnd, error: Exception | None) -> None:
        """An end is gone; before its time the other one is cut."""
        if self.why is None:
            if end is self.service and self._lacks_nothing(error):
                self._end(Ending.of(Code.CLOSED, "both sides closed"))
            else:
                self.error = error
                self._end(_ending("client" if end is self.client else "backend", error))
            end.other.cut()
        self._part_if_over()

    def failed(self, problem: Ending, error: Exception | None = None) -> None:
        """The service cannot be reached."""
        if self.why is None:
            self.error = error
            self._end(problem)
            self.client.cut()

    def end(self, why: Ending) -> None:
        """End both ways now, the client with close_notify."""
        if self.why is None:
            self._end(why)
            self.client.close()
            self.service.cut()
            if isinstance(self.client, PlainEnd):  # one over TLS waits by itself
                self._linger()

    # -- the end ---------------------------------------------------------------------------------------

    def _lacks_nothing(self, error: Exception | None) -> bool:
        """Whether a service has answered and the program was gone first, as where Redis sends no close_notify then."""
        is_cut = isinstance(error, Truncated) and not error.in_record and self.service.count > 0
        return is_cut and isinstance(self.client, PlainEnd) and self.client.has_left()

    def _end(self, why: Ending) -> None:
        self.why = why
        self.idleness.stop()
        self._over(self)

    def _end_of_idleness(self) -> None:
        seconds = self.idleness.seconds or 0
        if self.why is None:
            self.silent_for = seconds
            text = f"nothing was sent or received for {seconds:g} seconds"
            self._end(Ending.of(Code.IDLE_TIMEOUT, text))
            self._cut()

    def _linger(self) -> None:
        """Cut what does not take the last bytes."""
        self._last = Lingering(self._left, self._cut)
        self._last.start(LAST_SECONDS, DELIVERY_SECONDS)

    def _left(self) -> int:
        return self.client.left + self.service.left

    def _cut(self) -> None:
        for each in (self.client, self.service):
            each.cut()


def _ending(who: str, error: Exception | None) -> Ending:
    """Say why an end was lost; an error about a peer has its sentence."""
    if isinstance(error, TLSError) and who == "client":
        return ending_of(error, is_verified=True)
    code = Code.CLIENT_LOST if who == "client" else Code.BACKEND_LOST
    if error is None:
        return Ending.of(code, f"the {who} was lost")
    text = "the connection was reset" if isinstance(error, ConnectionResetError) else str(error)
    return Ending.of(code, f"the {who}: {(text or type(error).__name__).partition(chr(10))[0]}", error)
