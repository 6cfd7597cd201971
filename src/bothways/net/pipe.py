"""Drives one connection over a carrier with blocking threads: one may receive while another sends.

What the engine has to send, in particular an alert, is sent before an error is raised. There are three locks: the
engine's is held only for short times, those of reading and writing while the thread waits for the peer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from bothways.errors import TimedOut, TLSError, UsageError
from bothways.net.carrier import CUT, READ_SIZE, Carrier, deadline_in, left, soonest
from bothways.net.use import IN_USE, Use
from bothways.no_op import do_nothing
from bothways.signers.waiting import wait_for_answer
from bothways.tls.clock import Clock
from bothways.tls.driver import LINGER_BYTES, LINGER_SECONDS, Answers, Driver
from bothways.tls.events import EvidenceWanted, Request
from bothways.trust.evidence.http_exchange import EvidenceReply

LOOK_SECONDS = 1.0

T = TypeVar("T")

Answering = Answers[bytes, Sequence[EvidenceReply] | None]


class Pipe:
    """What a channel reads from and writes to. incoming: data received and not returned yet.

    timeout: the seconds that one call may wait, None for no limit.  judges: whether the peer is verified
    again while a thread waits.
    """

    def __init__(
        self, carrier: Carrier, driver: Driver, answers: Answering, clock: Clock, *, judges: bool
    ) -> None:
        self.carrier = carrier
        self.driver = driver
        self.incoming: deque[bytes] = deque()
        self.timeout: float | None = None
        self.use = Use()
        self.reading = self.use.reading  # held while a thread waits for data of the peer
        self._outgoing = bytearray()
        self._answers = answers
        self._clock = clock
        self._judges = judges
        self._handshake_ends: float | None = None
        self._received = 0  # bytes of the handshake

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait that could not be sent yet."""
        return bool(self._outgoing)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be received."""
        status = self.driver.status
        return status.failure is not None or status.peer_closed or self.carrier.is_closed

    # -- the handshake -----------------------------------------------------------------------------------

    def do_handshake(self, timeout: float | None) -> None:
        """Do the handshake; its failure is in the status. Raises `TimeoutError`.

        timeout: seconds. With 0 the handshake goes as far as the received bytes allow, and the call can be repeated;
        only our own signatures and evidence are waited for.
        """
        status = self.driver.status
        deadline = deadline_in(timeout)
        self._handshake_ends = deadline if timeout else None
        self._collect_and_flush()
        while not status.established and status.failure is None:
            theirs = self._engine_deadline()
            first = soonest(deadline, theirs)
            if self.read(left(first)):
                continue
            if first != theirs:
                raise TimedOut("the handshake did not finish in time", received=self._received)
            self._process_received(self._driven(self.driver.check_if_due))

    # -- reading -----------------------------------------------------------------------------------------

    def read(self, seconds: float | None) -> bool:
        """Read for at most so many seconds and process the bytes; the caller holds `reading`."""
        requests = self.use.read(partial(self._read_some, seconds))
        if requests is None:
            return False
        self._process_received(requests)
        return True

    def _read_some(self, seconds: float | None) -> list[Request] | None:
        data = self.carrier.receive(seconds)
        if data is None:
            return None
        if self._handshake_ends is not None:
            self._received += len(data)
        return self._driven(partial(self.driver.receive, data) if data else self.driver.receive_end)

    def await_peer(self) -> None:
        """Wait for bytes of the peer, and verify the peer again when it is due; the caller holds `reading`."""
        if not self._judges:
            if not self.read(self.timeout):
                raise TimeoutError("timed out")
            return
        for seconds in self._waits():
            if self.driver.status.failure is not None:
                self._end_after_failure()
                return
            if self.read(seconds):
                return

    def process_received_alert(self) -> None:
        """Process an alert that has already arrived, so that it is raised before more data is sent."""
        is_possible = self.driver.may_be_refused() and not self.use.is_reading
        if not is_possible or not self.reading.acquire(blocking=False):
            return
        try:
            while self.driver.may_be_refused() and not self.carrier.is_closed and self.read(0):
                pass
        finally:
            self.reading.release()

    def await_answer(self, request: Callable[[], list[Request]]) -> None:
        """Call `request` for the client's certificate and wait for its answer; the caller holds `reading`.

        The answer, or the end of the connection, is in the status.
        """
        status, before = self.driver.status, self.driver.status.answers
        self.send_request(request)
        while status.answers == before and not self.is_over:
            look = deadline_in(LOOK_SECONDS if self._judges else None)
            if not self.read(left(soonest(self._engine_deadline(), look))):
                self._process_received(self._driven(self.driver.check_if_due))

    # -- writing -----------------------------------------------------------------------------------------

    def write(self, data: memoryview) -> None:
        """Encrypt data and send it, after what is waiting."""
        if not self.use.send_alone(partial(self._encrypt_and_push, data)):
            raise UsageError(IN_USE)
        self.flush()  # added by another thread in the meantime

    def _encrypt_and_push(self, data: memoryview) -> None:
        self.driver.status.raise_failure()
        self._driven(lambda: self._outgoing.extend(self.driver.send(data)))
        self._push()

    def send_request(self, request: Callable[[], list[Request]]) -> None:
        """Call `request` for the client's certificate, whose answer is read later, and send it."""
        self._driven(request)
        self.flush()

    def flush(self) -> None:
        """Send what waits, unless another thread is sending: it sends ours too."""
        while self._outgoing and self.use.send_alone(self._push, 0):
            pass

    def send_close_notify(self) -> None:
        """Send close_notify after the data of other threads. Raises `TimeoutError`.

        In a signal handler it may follow what its own thread does.
        """
        if self.use.is_in_engine:
            self.use.postpone(self.send_close_notify)
            return
        self._driven(self.driver.close)
        seconds = -1 if self.timeout is None else self.timeout
        if not self.use.send_alone(self._push, seconds) and not self.use.is_sending:
            raise TimeoutError("timed out")

    # -- repeated verification --------------------------------------------------------------------------

    def judge_again(self) -> None:
        """Verify the peer with the evidence now at hand."""
        self._handle(self._driven(self.driver.judge_again))

    def judge_if_due(self) -> None:
        """Verify the peer again if its verdict has expired or the evidence has changed; end a handshake in time."""
        status = self.driver.status
        is_timed = self._judges or not status.established
        if is_timed and status.failure is None and not self.carrier.is_closed:
            self._handle(self._driven(self.driver.check_if_due))

    def stop_observing(self) -> None:
        """Send no more notes to the observer."""
        self._driven(self.driver.connection.stop_observing)

    # -- the end -----------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End at once, also from another thread; before the end of the handshake the peer gets user_canceled."""
        if self.carrier.is_closed:
            return
        status = self.driver.status
        if not status.established and status.failure is None:
            with contextlib.suppress(OSError, UsageError):
                self._driven(self.driver.close)
                self.carrier.send(memoryview(bytes(self._outgoing)), 0)
        self.carrier.abort()

    def close(self, linger: float) -> None:
        """Send close_notify, wait up to `linger` seconds for the peer's end of file, and close.

        In a signal handler it may follow what its own thread does; what that thread has not sent is cut.
        """
        if self.carrier.is_closed:
            return
        if self.use.is_in_engine:
            self.use.postpone(partial(self.close, linger))
            return
        if self.driver.status.failure is None:
            self.timeout = LINGER_SECONDS if self.timeout is None else min(self.timeout, LINGER_SECONDS)
            with contextlib.suppress(OSError, TLSError):
                self.send_close_notify()
            if not self.carrier.is_closed:
                self.carrier.end_sending()
                self._discard(linger)
        self.carrier.close()

    # -- calls of the engine ------------------------------------------------------------------------------

    def _driven(self, act: Callable[[], T]) -> T:
        """Call the engine under its lock, and collect what it has to send. Raises as `Use.in_engine` does."""

        def act_and_collect() -> T:
            result = act()
            self._outgoing += self.driver.data_to_send()
            return result

        return self.use.in_engine(act_and_collect)

    def _process_received(self, requests: list[Request]) -> None:
        """Do what follows from received bytes; the caller holds `reading`."""
        if requests:
            self._have_answered(requests)
        try:
            self.flush()
        finally:
            if self.driver.status.failure is not None:
                self._end_after_failure()

    def _handle(self, requests: list[Request]) -> None:
        """Do what follows from a repeated verification.

        If another thread waits for the peer, that thread closes the connection itself.
        """
        for request in requests:
            self._find(request)
        try:
            self.flush()
        finally:
            if self.driver.status.failure is not None:
                self._end_reading()

    def _have_answered(self, requests: list[Request]) -> None:
        """Answer requests in this thread where no data is accepted before, as in a handshake; else in another one."""
        waiting = deque(requests)
        while waiting:
            request = waiting.popleft()
            if self.driver.status.established and self.driver.connection.wants_data:
                self._find(request)
                continue
            try:
                answer = wait_for_answer(self._answers.answer, self._in_time(request))
                waiting += self._provided(request, answer)
            except Exception as error:
                if not self.driver.status.established:
                    self._give_up(request, error)
                    raise
                waiting += self._continued_without_answer(request, error)

    def _give_up(self, request: Request, error: Exception) -> None:
        """Cancel the handshake, since there is no answer to a request."""
        self._continued_without_answer(request, error)
        with contextlib.suppress(OSError):
            self.flush()
        self._end_after_failure()

    def _continued_without_answer(self, request: Request, error: Exception) -> list[Request]:
        return self._driven(lambda: self.driver.continue_without_answer(request, error))

    def _provided(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Request]:
        return self._driven(lambda: self.driver.provide(request, answer))

    def _in_time(self, request: Request) -> Request:
        """Limit the time for fetching to the time that is left for the handshake."""
        seconds = left(self._handshake_ends)
        if seconds is None or not isinstance(request, EvidenceWanted):
            return request
        return replace(request, seconds=min(request.seconds, seconds))

    def _find(self, request: Request) -> None:
        """Fetch evidence for an open connection in another thread, so that data and time limits continue."""
        try:
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        except RuntimeError as error:
            none_left = RuntimeError(f"no thread is left: {error}")
            self._handle(self._continued_without_answer(request, none_left))

    def _answer(self, request: Request) -> None:
        try:
            requests = self._provided(request, wait_for_answer(self._answers.answer, request))
        except Exception as error:  # noqa: BLE001 - our own side's finder may raise anything
            requests = self._continued_without_answer(request, error)
        with contextlib.suppress(TLSError, OSError):
            self._handle(requests)

    def _waits(self) -> Iterator[float | None]:
        """Yield the time of each wait, in seconds, until the time limit of the call is reached."""
        ends = None if self.driver.status.established else self._handshake_ends
        deadline = soonest(deadline_in(self.timeout), ends)
        while True:
            self.judge_if_due()
            yield left(soonest(deadline, self._engine_deadline(), time.monotonic() + LOOK_SECONDS))
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError("timed out")

    def _engine_deadline(self) -> float | None:
        deadline = self.driver.deadline()
        return None if deadline is None else time.monotonic() + deadline - self._clock.monotonic()

    def _collect_and_flush(self) -> None:
        self._driven(do_nothing)
        self.flush()

    def _push(self) -> None:
        """Send everything that waits, in order, also after a time limit. The caller holds the lock of writing."""
        while self._outgoing:
            chunk, sent = self._driven(self._take_outgoing), 0
            try:
                with memoryview(chunk) as view:
                    while sent < len(chunk):
                        sent += self._send_some(view[sent:])
            except CUT:
                self._after_broken_pipe()
                raise
            finally:
                if sent < len(chunk) and self.driver.status.failure is None:
                    self._driven(partial(self._put_back, chunk[sent:]))

    def _take_outgoing(self) -> bytes:
        taken, self._outgoing = bytes(self._outgoing), bytearray()
        return taken

    def _put_back(self, unsent: bytes) -> None:
        self._outgoing[:0] = unsent

    def _send_some(self, data: memoryview) -> int:
        """Wait until the peer reads, and verify it again when it is due; for a last alert the wait is short."""
        status = self.driver.status
        if status.failure is not None:
            if sent := self.carrier.send(data, self._linger_seconds):
                return sent
            raise BrokenPipeError("the peer reads nothing more")
        if status.established and not self._judges:
            if sent := self.carrier.send(data, self.timeout):
                return sent
            if self.carrier.is_closed:
                raise UsageError("the channel is closed")
            raise TimeoutError("timed out")
        for seconds in self._waits():
            status.raise_failure()
            if sent := self.carrier.send(data, seconds):
                return sent
        return 0

    def _after_broken_pipe(self) -> None:
        """Read what the peer sent before it closed: its alert explains more than a broken pipe."""
        self._outgoing.clear()
        if self.driver.status.failure is None and self.reading.acquire(timeout=LINGER_SECONDS):
            try:
                deadline = time.monotonic() + LINGER_SECONDS
                with contextlib.suppress(OSError):
                    for _ in range(LINGER_BYTES // READ_SIZE):
                        if self.is_over or not self.read(left(deadline)):
                            break
            finally:
                self.reading.release()
        self.driver.status.raise_failure()

    def _end_reading(self) -> None:
        """Close after a failure; if another thread waits for the peer, that thread does it."""
        if self.reading.acquire(blocking=False):
            try:
                self._end_after_failure()
            finally:
                self.reading.release()
        elif not self._judges:
            self.carrier.end_receiving()  # the other thread has no deadline to check, and has to be woken

    def _end_after_failure(self) -> None:
        """Give our alert time to arrive, then close: closing a socket with unread data would discard it."""
        if self.driver.must_linger:
            self.carrier.end_sending()
            self._discard(self._linger_seconds)
        self.carrier.close()

    @property
    def _linger_seconds(self) -> float:
        """How long our alert may take; none after a time limit, at which the caller gets its error."""
        return 0.0 if self.driver.status.is_out_of_time else LINGER_SECONDS

    def _discard(self, seconds: float) -> None:
        """Drop received bytes until the peer's end of file, up to a limit of time and bytes."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError, TLSError):
            while (data := self.carrier.receive(left(deadline))) and self.driver.discard(data):
                pass
