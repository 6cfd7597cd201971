"""One connection driven over a carrier by blocking threads: one may receive while another sends.

Whatever the engine has to say to the peer, an alert above all, is on its way before an error is raised. Three locks:
the engine's is held for moments, those of reading and writing while the peer is waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bothways.errors import TimedOut, TLSError
from bothways.net.carrier import CUT, READ_SIZE, Carrier, deadline_in, left
from bothways.tls.clock import Clock
from bothways.tls.driver import LINGER_BYTES, LINGER_SECONDS, Answers, Driver
from bothways.tls.events import EvidenceWanted, Request
from bothways.trust.evidence.http_exchange import EvidenceReply

LOOK_SECONDS = 1.0

Answering = Answers[bytes, Sequence[EvidenceReply] | None]


class Pipe:
    """What a channel reads and writes by. `incoming` has what came and was not handed out.

    timeout: how many seconds one call may wait, None for any.  looks: whether evidence and verdicts are looked at
    while somebody waits.
    """

    def __init__(
        self, carrier: Carrier, driver: Driver, answers: Answering, clock: Clock, *, looks: bool
    ) -> None:
        self.carrier = carrier
        self.driver = driver
        self.incoming: deque[bytes] = deque()
        self.timeout: float | None = None
        self.reading = threading.RLock()  # held while waiting for the peer to send
        self._writing = threading.Lock()  # held while waiting for the peer to read
        self._engine = threading.Lock()  # held for moments: the engine itself has no locks
        self._outgoing = bytearray()
        self._answers = answers
        self._clock = clock
        self._looks_meanwhile = looks
        self._handshake_ends: float | None = None

    @property
    def has_unsent(self) -> bool:
        """Whether something waits that the peer, or a time limit, has not let go out yet."""
        return bool(self._outgoing)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        status = self.driver.status
        return status.failure is not None or status.peer_closed or self.carrier.is_closed

    # -- the handshake -----------------------------------------------------------------------------------

    def shake_hands(self, timeout: float | None) -> None:
        """Do the handshake, or leave its failure in the status; raise `TimeoutError` when that much time is over.

        timeout: seconds; 0 takes it as far as what came allows, but for answers of our own, and may be repeated.
        """
        status = self.driver.status
        ours = deadline_in(timeout)
        self._handshake_ends = ours if timeout else None
        self._collect_and_flush()
        while not status.established and status.failure is None:
            theirs = self._engine_deadline()
            soonest = min((each for each in (ours, theirs) if each is not None), default=None)
            if self.read(left(soonest)):
                continue
            if soonest != theirs:
                raise TimedOut("the handshake did not finish in time")
            self._settle(self._driven(self.driver.look))

    # -- reading -----------------------------------------------------------------------------------------

    def read(self, seconds: float | None) -> bool:
        """Read what comes in that time and let the engine judge it; the caller holds `reading`."""
        data = self.carrier.receive(seconds)
        if data is None:
            return False
        with self._engine:
            requests = self.driver.receive(data) if data else self.driver.receive_end()
            self._collect()
        self._settle(requests)
        return True

    def await_peer(self) -> None:
        """Read what the peer sends next, and see meanwhile that it still may; the caller holds `reading`."""
        if not self._looks_meanwhile:
            if not self.read(self.timeout):
                raise TimeoutError("timed out")
            return
        for seconds in self._looks():
            if self.driver.status.failure is not None:
                self._wind_up()
                return
            if self.read(seconds):
                return

    def meet_refusal(self) -> None:
        """Meet a refusal that is already here, so that it is raised before more is sent in vain."""
        if not self.driver.may_be_refused() or not self.reading.acquire(blocking=False):
            return
        try:
            while self.driver.may_be_refused() and not self.carrier.is_closed and self.read(0):
                pass
        finally:
            self.reading.release()

    # -- writing -----------------------------------------------------------------------------------------

    def write(self, data: memoryview) -> None:
        """Seal data and send it, after what is waiting."""
        with self._writing:
            self.driver.status.raise_failure()
            with self._engine:
                self.driver.send(data)
                self._collect()
            self._push()
        self.flush()  # what another thread has left to us meanwhile

    def flush(self) -> None:
        """Send what waits, unless another thread is sending: it will take ours along."""
        while self._outgoing and self._writing.acquire(blocking=False):
            try:
                self._push()
            finally:
                self._writing.release()

    def say_goodbye(self) -> None:
        """Send close_notify, after what another thread is sending; raise `TimeoutError` where that takes too long."""
        with self._engine:
            self.driver.close()
            self._collect()
        if not self._writing.acquire(timeout=-1 if self.timeout is None else self.timeout):
            raise TimeoutError("timed out")
        try:
            self._push()
        finally:
            self._writing.release()

    # -- judging again -----------------------------------------------------------------------------------

    def judge_again(self) -> None:
        """Judge the peer by the evidence now at hand."""
        self._heed(self._driven(self.driver.judge_again))

    def judge_if_due(self) -> None:
        """Judge the peer again if its verdict has lapsed or evidence changed, where that was asked for."""
        if self._looks_meanwhile and self.driver.status.failure is None and not self.carrier.is_closed:
            self._heed(self._driven(self.driver.look))

    def stop_observing(self) -> None:
        """Tell the observer nothing more."""
        with self._engine:
            self.driver.connection.stop_observing()

    # -- the end -----------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End at once, also from another thread; before the handshake is done the peer is told that we gave up."""
        if self.carrier.is_closed:
            return
        status = self.driver.status
        if not status.established and status.failure is None:
            with contextlib.suppress(OSError), self._engine:
                self.driver.close()
                self.carrier.send(memoryview(self.driver.data_to_send()), 0)
        self.carrier.abort()

    def close(self, linger: float) -> None:
        """Say goodbye, wait for the peer's own end for so many seconds, and close."""
        if self.carrier.is_closed:
            return
        if self.driver.status.failure is None:
            self.timeout = LINGER_SECONDS if self.timeout is None else min(self.timeout, LINGER_SECONDS)
            with contextlib.suppress(OSError, TLSError):
                self.say_goodbye()
            if not self.carrier.is_closed:
                self.carrier.end_sending()
                self._discard(linger)
        self.carrier.close()

    # -- the engine room ---------------------------------------------------------------------------------

    def _driven(self, act: Callable[[], list[Request]]) -> list[Request]:
        """Do one thing with the engine, and keep what it wants to send."""
        with self._engine:
            requests = act()
            self._collect()
        return requests

    def _settle(self, requests: list[Request]) -> None:
        """Do what follows from what came; the caller holds `reading`."""
        if requests:
            self._have_answered(requests)
        try:
            self.flush()
        finally:
            if self.driver.status.failure is not None:
                self._wind_up()

    def _heed(self, requests: list[Request]) -> None:
        """Do what follows from judging again; another thread that waits for the peer ends the connection itself."""
        for request in requests:
            self._find(request)
        try:
            self.flush()
        finally:
            if self.driver.status.failure is not None:
                self._end_reading()

    def _have_answered(self, requests: list[Request]) -> None:
        """Answer what the handshake waits for, here; what an open connection wants is looked for meanwhile."""
        waiting = deque(requests)
        while waiting:
            request = waiting.popleft()
            if self.driver.status.established:
                self._find(request)
                continue
            try:
                waiting += self._provided(request, self._answers.answer(self._in_time(request)))
            except Exception as error:
                self._give_up(request, error)
                raise

    def _give_up(self, request: Request, error: Exception) -> None:
        """Tell the peer that a handshake ends for want of an answer of ours."""
        self._driven(lambda: self.driver.go_without(request, error))
        with contextlib.suppress(OSError):
            self.flush()
        self._wind_up()

    def _provided(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Request]:
        return self._driven(lambda: self.driver.provide(request, answer))

    def _in_time(self, request: Request) -> Request:
        """Have evidence looked for no longer than the handshake may take."""
        seconds = left(self._handshake_ends)
        if seconds is None or not isinstance(request, EvidenceWanted):
            return request
        return replace(request, seconds=min(request.seconds, seconds))

    def _find(self, request: Request) -> None:
        """Have what an open connection wants looked for in a thread of its own: data and time limits go on."""
        try:
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        except RuntimeError as error:
            none_left = RuntimeError(f"no thread is left: {error}")
            self._heed(self._driven(lambda: self.driver.go_without(request, none_left)))

    def _answer(self, request: Request) -> None:
        try:
            requests = self._provided(request, self._answers.answer(request))
        except Exception as error:  # noqa: BLE001 - our own side's finder may raise anything
            failed = error
            requests = self._driven(lambda: self.driver.go_without(request, failed))
        with contextlib.suppress(TLSError, OSError):
            self._heed(requests)

    def _looks(self) -> Iterator[float | None]:
        """Yield how long to wait at a stretch, until the time limit of one call is over."""
        ours = deadline_in(self.timeout)
        while True:
            self.judge_if_due()
            look = time.monotonic() + LOOK_SECONDS
            yield left(min(each for each in (ours, self._engine_deadline(), look) if each is not None))
            if ours is not None and time.monotonic() >= ours:
                raise TimeoutError("timed out")

    def _engine_deadline(self) -> float | None:
        deadline = self.driver.deadline()
        return None if deadline is None else time.monotonic() + deadline - self._clock.monotonic()

    def _collect(self) -> None:
        """Keep what the engine wants to send; the caller holds the engine."""
        self._outgoing += self.driver.data_to_send()

    def _collect_and_flush(self) -> None:
        with self._engine:
            self._collect()
        self.flush()

    def _push(self) -> None:
        """Send all that waits; what a time limit interrupts stays in order. The caller holds the writing."""
        while self._outgoing:
            with self._engine:
                chunk = bytes(self._outgoing)
                self._outgoing.clear()
            sent = 0
            try:
                with memoryview(chunk) as view:
                    while sent < len(chunk):
                        sent += self._send_some(view[sent:])
            except CUT:
                self._after_broken_pipe()
                raise
            finally:
                if sent < len(chunk) and self.driver.status.failure is None:
                    with self._engine:
                        self._outgoing[:0] = chunk[sent:]

    def _send_some(self, data: memoryview) -> int:
        """Wait until the peer takes more, and see meanwhile that it still may; a last alert is not waited with long."""
        status = self.driver.status
        if status.failure is not None:
            sent = self.carrier.send(data, LINGER_SECONDS)
            if not sent:
                raise BrokenPipeError("the peer takes nothing more")
            return sent
        if not self._looks_meanwhile:
            sent = self.carrier.send(data, self.timeout)
            if not sent:
                raise TimeoutError("timed out")
            return sent
        for seconds in self._looks():
            status.raise_failure()
            if sent := self.carrier.send(data, seconds):
                return sent
        return 0

    def _after_broken_pipe(self) -> None:
        """Read what the peer said before it went away: its alert tells more than a broken pipe."""
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
        """Close after a failure; where another thread waits for the peer, that does so when it wakes."""
        if self.reading.acquire(blocking=False):
            try:
                self._wind_up()
            finally:
                self.reading.release()
        elif not self._looks_meanwhile:
            self.carrier.end_receiving()  # it takes no looks, and sleeps

    def _wind_up(self) -> None:
        """Let our alert reach the peer, then close: closing with unread data would destroy it."""
        if self.driver.must_linger:
            self.carrier.end_sending()
            self._discard(LINGER_SECONDS)
        self.carrier.close()

    def _discard(self, seconds: float) -> None:
        """Throw away what still comes until the peer ends, for a bounded time and number of bytes."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError, TLSError):
            while (data := self.carrier.receive(left(deadline))) and self.driver.discard(data):
                pass
