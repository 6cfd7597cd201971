"""TLS on an asyncio transport: the protocol below that of the application, which gets a `TLSTransport`.

Buffers are bounded: receiving stops while the application does not read. Our alert is sent, and the write side shut
down, before a failure is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from bothways.aio.answers import Answering, Finder, Signer
from bothways.aio.client_requests import ClientRequests
from bothways.aio.idleness import Idleness
from bothways.aio.lingering import Lingering
from bothways.aio.reading import ReadingProtocol
from bothways.aio.transport import TLSTransport
from bothways.aio.turns import turns_of
from bothways.aio.watch import Watch
from bothways.errors import TimedOut, TLSError, UsageError, without_frames
from bothways.tls.connection import Connection
from bothways.tls.driver import DELIVERY_SECONDS, LINGER_SECONDS, Answers, Driver
from bothways.tls.events import Request

BUFFER_LIMIT = 64 * 1024


class TLSProtocol(ClientRequests, ReadingProtocol):
    """The protocol on the transport below: drives one connection, and passes its data to `app`.

    `app` gets `connection_made` when the handshake is complete and `connection_lost` at the end; nothing if the
    handshake fails.
    connection: the engine's.
    knows_app: `app` had a connection before TLS, so it gets only the end.
    """

    # Instances with over 30 names in their dict share none; in CPython 3.14, those with over 27.
    __slots__ = ("_answering", "_idleness", "_linger")
    begins_at_once = True  # and not when `begin` is called
    _loss_follows = False  # the transport below is gone, and what was received is not yet processed

    def __init__(
        self,
        connection: Connection,
        watch: Watch,
        app: asyncio.BaseProtocol,
        *,
        limit: int = BUFFER_LIMIT,
        idle_timeout: float | None = None,
        signer: Signer | None = None,
        evidence: Finder | None = None,
        knows_app: bool = False,
    ) -> None:
        super().__init__()
        connection.defer_checks()
        connection.limit_calls()
        self.app: Any = app
        self.app_paused = False
        self.connection = connection
        self.driver = Driver(
            connection,
            self._deliver_before_end,
            opened=self._open,
            answered=self._tell_answer,
            address=self._address,
        )
        self._watch = watch
        self._turns = turns_of(self._loop)
        self._follows_evidence = watch.follows_evidence
        self._limit = limit
        self._idleness = Idleness(idle_timeout, partial(self._turns.do, self._end_of_idleness))
        self._answering = Answering(Answers(signer, evidence), self.driver, self._turns, self._take)
        self._upper: weakref.ref[TLSTransport] | None = None
        self._knows_app = knows_app
        self._lost = self._closing = self._eof_told = self._ended = self._heard = False
        self._reading_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._linger: Lingering | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below."""
        if self._transport is None:
            raise UsageError("the connection is not established yet")
        return self._transport

    @property
    def upper(self) -> TLSTransport:
        """The application's transport. It keeps this protocol, and is kept by the application alone."""
        upper = None if self._upper is None else self._upper()
        if upper is None:
            upper = TLSTransport(self)
            self._upper = weakref.ref(upper)
        return upper

    @property
    def closing(self) -> bool:
        """Whether `close` was called or the connection is gone."""
        return self._closing or self._lost or self.driver.status.failure is not None

    # -- calls of the application ------------------------------------------------------------------------

    async def until_established(self) -> None:
        """Wait for the end of the handshake, also by a failure."""
        status = self.driver.status
        await self.until(lambda: status.established or status.failure is not None)

    @property
    def is_lost(self) -> bool:
        """Whether the transport below is closed."""
        return self._lost

    async def until_lost(self) -> None:
        """Wait until the transport below is closed."""
        await self.until(lambda: self._lost)

    def end(self) -> None:
        """Send close_notify (RFC 9846 6.1), after what was written; reading is still possible."""
        if not self._closing:  # else that follows what was written already
            self.has_end = True
            self._after_backlog(self._end_now)

    def _end_now(self) -> None:
        self.driver.close()
        self._flush()

    def judge_again(self) -> None:
        """Verify the peer with the evidence now at hand; raise if it is no longer accepted."""
        if not self._lost:
            self._take(self.driver.judge_again())
        self.driver.status.raise_failure()

    def pause_app(self, paused: bool) -> None:
        """Stop or resume passing data to the application."""
        self.app_paused = paused
        self._regulate()

    def close(self, linger: float, delivery: float = DELIVERY_SECONDS) -> None:
        """Send close_notify and close, after waiting up to `linger` seconds for the peer's end of file.

        delivery: seconds that the peer may take nothing of what is still to be sent.
        """
        if self._closing or self._transport is None or self._lost:
            self._closing = True
            return
        self._closing = True
        self._after_backlog(partial(self._close_now, linger, delivery))
        self.wake()

    def _close_now(self, linger: float, delivery: float) -> None:
        """Send close_notify and close, after all that was written."""
        self._end_now()
        has_ended = self.driver.status.peer_closed or self.driver.end_follows
        if linger > 0 and not self.transport.is_closing() and not has_ended:
            self._drain_for(linger, delivery)
        else:
            self._close_below(delivery)

    def abort(self) -> None:
        """Close at once; before the end of the handshake the peer gets user_canceled."""
        self._closing = True
        self._backlog = None
        status = self.driver.status
        if self._transport is not None and not self._lost:
            if not status.established and status.failure is None:
                self._end_now()
                if self._heard:
                    self._drain_for(LINGER_SECONDS)
                else:  # nothing is unread, so that closing cannot destroy the alert
                    self._close_below()
            else:
                self._transport.abort()
        self.wake()

    def fail(self, error: TLSError | OSError) -> None:
        """End at once with an error of our own, which the waiting tasks get."""
        self._backlog = None
        if self.driver.status.failure is None:
            self.driver.status.failure = error
        self.transport.abort()
        self.wake()

    # -- calls of asyncio ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limit)
        if self.begins_at_once:
            self.begin()

    def begin(self) -> None:
        """Send the first messages, and start the timer of the handshake, if the transport is still there."""
        if not self._lost:
            self._flush()
            self._watch_deadline()
            self._idleness.start()

    def data_received(self, data: bytes) -> None:
        """Process received bytes of a peer that is still accepted; after the end they are dropped, up to a limit."""
        driver = self.driver
        if self._closing or driver.status.failure is not None:
            if not driver.discard(data):
                self.transport.abort()
            return
        if self._idleness.seconds is not None:
            self._idleness.note_activity()
        self._written = 0
        is_stale = self._follows_evidence and driver.has_new_evidence
        content = None if driver.unfed or is_stale else self.connection.receive_data(data)
        if content is None:
            self._receive(data)
        else:
            self.deliver(content)
            if self._waiters:
                self.wake()

    def _receive(self, data: bytes) -> None:
        """Process what is not one record of data, or keep it until a turn has room for it."""
        self._heard = True
        if self._turns.has_room:
            self._turns.run(self._process, data)
        else:
            self._keep(data)

    def _process(self, data: bytes) -> None:
        self._judge_first()
        if self._is_over:
            self.driver.discard(data)
        else:
            self._take(self.driver.receive_slice(data))

    def _keep(self, data: bytes) -> None:
        self.driver.keep(data)
        self._feed_soon()
        self._regulate()

    def eof_received(self) -> bool:
        """Process the end of file, which may be a truncation (RFC 9846 6.1); our own direction may stay open.

        The transport below closes unless this is true: not before all is encrypted that was written.
        """
        if self._is_over:
            self.driver.end_follows = True
            return self._backlog is not None and self.driver.status.failure is None
        self._take(self.driver.receive_end())
        return self.driver.status.failure is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Process what was received before the transport below ended, in turns too, and report the end."""
        if isinstance(exc, OSError):
            self.driver.loss = without_frames(exc)
        if self.driver.may_feed and not self._is_over:
            self._loss_follows = True
            if self.driver.status.established:
                self.driver.receive_end()
            self._feed_soon()
        else:
            self._lose()

    def _lose(self) -> None:
        """Report the end of the transport below to the tasks that wait and to the application."""
        self._lost = True
        self._backlog = None
        if not self._closing:
            self.driver.transport_closed()
        self._idleness.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._turns.drop(self._feed, self._seal_next, self._check_time, self._end_of_idleness)
        if self._linger is not None:
            self._linger.stop()
        self._answering.cancel()
        self._watch.leave(self._judge_if_due)
        self._report_end()
        self.wake()
        self.driver.forget_listeners()
        self.app = None

    # -- events --------------------------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._closing or self.driver.status.failure is not None

    @property
    def _is_gone(self) -> bool:
        return self._lost or self.driver.status.failure is not None

    @property
    def _may_send(self) -> bool:
        """Whether the peer may still get data, also of what was written before `close`."""
        waits = self._backlog is not None if self._closing else not self._lost
        return waits and self.driver.status.failure is None

    def _open(self) -> None:
        """Call the application's `connection_made`, since the handshake is complete."""
        self._watch.join(self._judge_if_due)
        self._weigh()
        was_paused = self._writing_paused
        if not self._knows_app:
            self.call_app("connection_made", self.upper)
        self._knows_app = True
        if was_paused:
            self.notify_app("pause_writing")

    def _report_end(self) -> None:
        """Call the application's `connection_lost` once, if it had a `connection_made`."""
        if self._knows_app and not self._ended:
            self._ended = True
            self.notify_app("connection_lost", self.driver.status.failure)

    def _take(self, requests: Iterable[Request]) -> None:
        """Do what follows from an event."""
        self._answering.begin(requests)
        self.wake()
        self._flush_gathered()
        status = self.driver.status
        if status.peer_closed and not (self._eof_told or self._closing):
            self._report_eof()
        if status.failure is not None:
            self._end_after_failure()
            self._report_end()
        self._feed_soon()
        self._regulate()
        self._watch_deadline()

    def _report_eof(self) -> None:
        """Call the application's `eof_received`, unless it has closed; we close too, unless it returns true."""
        self._eof_told = True
        if not self.call_app("eof_received") and not self._closing:
            self.close(0.0)

    # -- flow ------------------------------------------------------------------------------------------

    def _feed_soon(self) -> None:
        if self.driver.may_feed:
            self._turns.do_soon(self._feed)

    def _feed(self) -> None:
        """Process the next slice of the received bytes, of a peer that is still accepted."""
        had_ended, was_over = self.driver.end_follows, self._is_over
        if not was_over:
            self._judge_first()
        if self._is_over:
            self.driver.discard()
        elif self._loss_follows and not self.driver.status.established:
            self._lose()
        elif self.driver.may_feed:
            self._take(self.driver.feed())
        if had_ended and not was_over and self.driver.status.failure is not None and not self._lost:
            self.transport.close()
        if self._loss_follows and not self._lost and (self._is_over or not self.driver.may_feed):
            self._lose()

    def _regulate(self) -> None:
        """Pause receiving while the application has paused or the engine waits for an answer."""
        if self._transport is None or self._transport.is_closing() or self._is_over:
            return
        stop = (self.app_paused and not self.connection.awaits_certificate) or not self.driver.wants_data
        if stop and not self._reading_paused:
            self._transport.pause_reading()
        elif not stop and self._reading_paused:
            self._transport.resume_reading()
        self._reading_paused = stop

    # -- the end ---------------------------------------------------------------------------------------

    def _end_after_failure(self) -> None:
        """After a failure: shut down the write side and drop received bytes, so that our alert arrives."""
        if self.driver.must_linger and not self.transport.is_closing():
            self._drain_for(LINGER_SECONDS)
        else:
            self._close_below()

    def _close_below(self, delivery: float = LINGER_SECONDS) -> None:
        """Close when the last bytes are sent; a peer that reads nothing delays that only for a limited time."""
        if self._loss_follows:
            return  # there is nothing to close
        self.transport.close()
        if self._linger is None and not self._lost and self.transport.get_write_buffer_size():
            self._linger_for(LINGER_SECONDS, delivery)

    def _drain_for(self, seconds: float, delivery: float = LINGER_SECONDS) -> None:
        transport = self.transport
        if transport.can_write_eof():
            with contextlib.suppress(OSError):
                transport.write_eof()
        if self._reading_paused and not transport.is_closing():
            transport.resume_reading()
        self._linger_for(seconds, delivery)

    def _linger_for(self, seconds: float, delivery: float) -> None:
        if self._linger is not None:
            self._linger.stop()
        self._linger = Lingering(self.transport.get_write_buffer_size, self.transport.abort)
        self._linger.start(seconds, delivery)

    # -- time ------------------------------------------------------------------------------------------

    def _watch_deadline(self) -> None:
        """Set a timer for the engine's next deadline: of the handshake, or of the verdict."""
        deadline = self.driver.deadline()
        if deadline == self._deadline:
            return
        self._deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None and not self._lost:
            delay = max(deadline - self._watch.clock.monotonic(), 0.0)
            self._timer = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._deadline = None
        if self.driver.status.established:
            self._watch.call_soon(self._judge_if_due)
        else:
            self._turns.do(self._check_time)

    def _check_time(self) -> None:
        """End a handshake that takes too long."""
        if not self._lost:
            self._take(self.driver.check_if_due())

    def _judge_first(self) -> None:
        """Verify the peer before it gets or gives more data, if anything has changed."""
        if self._follows_evidence and self.driver.has_new_evidence:
            self._judge_if_due()

    def _judge_if_due(self) -> None:
        """Verify the peer again if its verdict has expired or the evidence has changed, while it may get more data."""
        if self._may_send:
            self._take(self.driver.check_if_due())

    def _end_of_idleness(self) -> None:
        if self.driver.status.failure is None:
            self.driver.status.failure = TimedOut(
                f"no data was sent or received for {self._idleness.seconds:g} seconds"
            )
            self._backlog = None
            self._end_now()
            self._close_below()
            self.wake()
