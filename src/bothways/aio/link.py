"""One TLS connection between an asyncio transport and the streams: bytes in, events to whoever waits.

Buffers are bounded: what is not read stops the transport, what is not sent stops the writer. An alert of ours
is on its way, and the write side shut, before anybody is told of the failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Literal, cast

from bothways.aio.answers import Finder, Found, Signer, answer_to
from bothways.aio.watch import Watch
from bothways.errors import UsageError, logged
from bothways.tls.connection import Connection
from bothways.tls.driver import Answers, ConnectionStatus
from bothways.tls.events import Event, Request

Confirmation = Literal["accepted", "refused", "unknown"]

logger = logging.getLogger("bothways")

BUFFER_LIMIT = 64 * 1024
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
# What a peer that is not trusted yet sends is taken in slices: other connections have their turn between them.
SLICE = 4096
# After the handshake, of one that nobody judged.
ANONYMOUS_SLICE = 64 * 1024


class Link(asyncio.Protocol):
    """The protocol under a pair of streams; not for users.

    `buffer` holds what was received and not yet read; `status` has how the connection stands.
    """

    def __init__(
        self,
        connection: Connection,
        watch: Watch,
        *,
        limit: int = BUFFER_LIMIT,
        idle_timeout: float | None = None,
        signer: Signer | None = None,
        evidence: Finder | None = None,
    ) -> None:
        self.connection = connection
        connection.defer_checks()
        self.buffer = bytearray()
        self.status = ConnectionStatus(self._keep)
        self._watch = watch
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._answers: Answers[bytes | Awaitable[bytes], Found | Awaitable[Found]] = Answers(signer, evidence)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._closing = False
        self._reading_paused = False
        self._writing_paused = False
        self._discarded = 0
        self._unfed = bytearray()
        self._feeding: asyncio.Handle | None = None
        self._eof_follows = False
        self._spoke = 0.0
        self._waiters: set[asyncio.Future[None]] = set()
        self._answering: dict[Request, asyncio.Task[None]] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._awaited: float | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None

    # -- what the streams ask --------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below."""
        if self._transport is None:
            raise UsageError("the connection is not there yet")
        return self._transport

    @property
    def closing(self) -> bool:
        """Whether `close` was called or the connection is gone."""
        return self._closing or self._lost or self.status.failure is not None

    async def until_established(self) -> None:
        """Wait for the end of the handshake, or raise its failure."""
        await self._until(lambda: self.status.established or self.status.failure is not None)
        if self.status.failure is not None and not self.buffer:
            self.status.raise_failure()

    async def until_readable(self) -> None:
        """Wait for data, the peer's end, or a failure."""
        await self._until(lambda: bool(self.buffer) or self.status.peer_closed or self.closing)

    async def until_more(self, size: int) -> None:
        """Wait for more than `size` bytes in the buffer, the peer's end, or a failure."""
        if self._reading_paused and self.connection.wants_data and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()
        await self._until(lambda: len(self.buffer) > size or self.status.peer_closed or self.closing)

    async def until_writable(self) -> None:
        """Wait until the transport has room again, or raise what ended the connection."""
        await self._until(lambda: not self._writing_paused or self._lost or self.status.failure is not None)
        self.status.raise_failure()

    async def until_lost(self) -> None:
        """Wait until the transport is gone."""
        await self._until(lambda: self._lost)

    async def confirmed(self, timeout: float | None) -> Confirmation:
        """Wait until it is known whether the peer accepts us (RFC 9846 4.5.3)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._until(lambda: self.connection.confirmed or self.closing)
        if self.connection.confirmed:
            return "accepted"
        return "refused" if self.status.refused else "unknown"

    def taken(self) -> None:
        """Some of the buffer was read: let the peer go on when there is room."""
        if not self.buffer:
            self.buffer = bytearray()
        self._regulate()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Seal data and hand it to the transport."""
        self._heed_news()
        self.status.raise_failure()
        if self._lost:
            raise UsageError("the connection is closed")
        self.connection.send(data)
        self._flush()
        self._stir()

    def end(self) -> None:
        """Send close_notify: we shall send no more, and may go on reading (RFC 9846 6.1)."""
        self.connection.close()
        self._flush()

    def judge_again(self) -> None:
        """Judge the peer by the evidence now at hand; raise if it no longer passes."""
        if self.status.failure is None and not self._lost:
            self._take(self.connection.judge_again())
        self.status.raise_failure()

    def close(self, linger: float) -> None:
        """Say goodbye and close, after waiting up to `linger` seconds for the peer's own end."""
        if self._closing or self._transport is None or self._lost:
            self._closing = True
            return
        self._closing = True
        self.end()
        if linger > 0 and not self._transport.is_closing() and not self.status.peer_closed:
            self._drain_for(linger)
        else:
            self._transport.close()
        self._wake()

    def abort(self) -> None:
        """Close at once; before the handshake is done the peer is told that we gave up."""
        self._closing = True
        if self._transport is not None and not self._lost:
            if not self.status.established and self.status.failure is None:
                self.end()
                self._drain_for(LINGER_SECONDS)
            else:
                self._transport.abort()
        self._wake()

    # -- what asyncio calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start: the first flight goes out, and the clock runs."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limit)
        self._flush()
        self._watch_deadline()
        self._spoke = self._loop.time()
        self._watch_idleness()

    def data_received(self, data: bytes) -> None:
        """Let the engine judge what came; after the end it is thrown away, up to a limit."""
        self._heed_news()
        if self.status.failure is not None or self._closing:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.transport.abort()
            return
        self._stir()
        if self._unfed or len(data) > self._turn:
            self._unfed += data
            self._feed_soon()
            self._regulate()
        else:
            self._take(self.connection.receive(data))

    def eof_received(self) -> bool:
        """Tell an end from a cut (RFC 9846 6.1); our own direction may stay open."""
        if self._closing or self.status.failure is not None:
            return False
        if self._unfed:
            self._eof_follows = True
            return True
        self._take(self.connection.receive_eof())
        return self.status.failure is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the engine knows better
        """The transport is gone: whoever waits is told what that means."""
        self._lost = True
        if not self._closing and self.status.failure is None:
            if self._unfed and self.connection.wants_data:
                self._note(self.connection.receive(self._next_slice()))
            self._note(self.connection.receive_eof())
        self._unfed.clear()
        for timer in (self._deadline, self._idle, self._linger, self._feeding):
            if timer is not None:
                timer.cancel()
        for answering in self._answering.values():
            answering.cancel()
        self._watch.leave(self._judge_if_due)
        self._wake()

    def pause_writing(self) -> None:
        """The transport holds as much as it should."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._writing_paused = False
        self._wake()

    # -- events ----------------------------------------------------------------------------------------

    def _take(self, events: list[Event]) -> None:
        self._note(events)
        self._drop_answers()
        self._flush()
        if self.status.failure is not None:
            self._wind_up()
        self._feed_soon()
        self._regulate()
        self._watch_deadline()
        self._wake()

    def _note(self, events: list[Event]) -> None:
        was_open, known = self.status.established, len(self.status.warnings)
        requests = self.status.take(events)
        for warning in self.status.warnings[known:] if was_open else ():
            logger.warning(
                "connection with %s: %s", self.transport.get_extra_info("peername"), logged(warning)
            )
        if self.status.established and not was_open:
            self._watch.join(self._judge_if_due)
        for request in requests:
            self._answering[request] = self._loop.create_task(self._answer(request))

    def _keep(self, data: bytes) -> None:
        self.buffer += data

    async def _answer(self, request: Request) -> None:
        try:
            answer = await answer_to(self._answers, request)
            if not self.connection.is_awaited(request):
                return
            events = self.connection.provide(request, answer)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - our own side's signer may raise anything: who waits is told
            if not self.connection.is_awaited(request):
                return
            events = self._without_answer(request, error)
        self._take(events)

    def _without_answer(self, request: Request, error: Exception) -> list[Event]:
        """End a handshake that cannot go on; a connection that is open is judged by what there is."""
        if self.status.established:
            logger.error("%s: %r", self._answers.without(request), error)
            return self.connection.provide(request, None)
        self.status.failure = UsageError(f"the handshake waited for an answer of ours that failed: {error!r}")
        self.connection.close()
        return []

    def _drop_answers(self) -> None:
        """Let go of whoever still looks for an answer that nobody waits for any more."""
        for request, answering in tuple(self._answering.items()):
            if not self.connection.is_awaited(request):
                del self._answering[request]
                if answering is not asyncio.current_task():
                    answering.cancel()

    # -- slices ----------------------------------------------------------------------------------------

    def _feed_soon(self) -> None:
        if self._feeding is None and self._unfed and self.connection.wants_data:
            self._feeding = self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        """Give the engine the next slice of what came, or all of it once the peer is trusted."""
        self._feeding = None
        if self.status.failure is not None or self._closing or self._lost:
            self._unfed.clear()
            return
        if not self.connection.wants_data:
            return
        self._take(self.connection.receive(self._next_slice()))
        if self._eof_follows and not self._unfed and not self.eof_received() and not self._lost:
            self.transport.close()

    @property
    def _turn(self) -> int:
        """How many bytes are taken in one turn of the loop."""
        if not self.status.established:
            return SLICE
        return sys.maxsize if self._lost or self.connection.peer is not None else ANONYMOUS_SLICE

    def _next_slice(self) -> bytes:
        size = self._turn
        data = bytes(self._unfed[:size])
        del self._unfed[:size]
        return data

    # -- flow ------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        data = self.connection.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _regulate(self) -> None:
        """Stop reading while too much waits to be read, or the engine waits for an answer."""
        if (
            self._transport is None
            or self._transport.is_closing()
            or self.status.failure is not None
            or self._closing
        ):
            return
        full = len(self.buffer) > (self._limit // 2 if self._reading_paused else self._limit)
        stop = full or bool(self._unfed) or (not self.connection.wants_data and not self.status.peer_closed)
        if stop and not self._reading_paused:
            self._transport.pause_reading()
        elif not stop and self._reading_paused:
            self._transport.resume_reading()
        self._reading_paused = stop

    def _wind_up(self) -> None:
        """After a failure: our alert must survive, so the write side is shut and what comes is drained."""
        if not self.status.ended_by_peer and not self.transport.is_closing():
            self._drain_for(LINGER_SECONDS)
        else:
            self.transport.close()

    def _drain_for(self, seconds: float) -> None:
        transport = self.transport
        if transport.can_write_eof():
            with contextlib.suppress(OSError):
                transport.write_eof()
        if self._reading_paused and not transport.is_closing():
            transport.resume_reading()
        self._linger = self._loop.call_later(
            seconds, self._linger_on, seconds, transport.get_write_buffer_size()
        )

    def _linger_on(self, seconds: float, before: int) -> None:
        """Go on waiting as long as the peer still takes what we sent last; else end it."""
        left = self.transport.get_write_buffer_size()
        if left < before:
            self._linger = self._loop.call_later(seconds, self._linger_on, seconds, left)
        else:
            self.transport.abort()

    # -- waiting ---------------------------------------------------------------------------------------

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- time ------------------------------------------------------------------------------------------

    def _watch_deadline(self) -> None:
        """Have a timer run for what the engine waits for now: the handshake's end, or the verdict's."""
        deadline = self.connection.next_deadline()
        if deadline == self._awaited:
            return
        self._awaited = deadline
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if deadline is not None and not self._lost:
            delay = max(deadline - self._watch.clock.monotonic(), 0.0)
            self._deadline = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._awaited = None
        if self.status.established:
            self._watch.call_soon(self._judge_if_due)
        else:
            self._take(self.connection.tick())

    def _judge_if_due(self) -> None:
        """Judge the peer again if its verdict has lapsed or evidence changed."""
        if self._lost or self._closing or self.status.failure is not None:
            return
        changed = self.connection.evidence_changed
        self._take(self.connection.judge_again() if changed else self.connection.tick())

    def _heed_news(self) -> None:
        """Judge first, where evidence has changed, before more goes to the peer or is taken from it."""
        if self.connection.evidence_changed:
            self._judge_if_due()

    def _stir(self) -> None:
        self._spoke = self._loop.time()

    def _watch_idleness(self) -> None:
        if self._idle_timeout is None or self._lost or self.status.failure is not None:
            return
        left = self._spoke + self._idle_timeout - self._loop.time()
        if left <= 0:
            self.status.failure = TimeoutError(f"nothing was said for {self._idle_timeout:g} seconds")
            self.end()
            self.transport.close()
            self._wake()
            return
        self._idle = self._loop.call_later(left, self._watch_idleness)
