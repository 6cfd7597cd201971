"""Keeps workers running: restarts those that die, replaces all in turn on SIGHUP, and ends them on SIGTERM.

It processes no bytes of a client. Sockets that are bound before are shared by the workers.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator

from bothways.errors import ConfigError
from bothways.no_op import do_nothing
from bothways.workers.child import Work, WorkerProcess, fork

FIRST_DELAY = 0.1  # before a second start; each further one doubles it
LONGEST_DELAY_SERVED = 1.0  # after a worker that was ready: clients wait in its listening socket meanwhile
LONGEST_DELAY_FAILED = 30.0  # after a worker that never was
STEADY_SECONDS = 10.0  # of a ready worker, after which the delays begin anew
MOST_WORKERS = 1024
END_SECONDS = 0.1  # between two questions whether this may end
DONE, FAILED = 0, 1
HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
RETIRE = signal.SIGQUIT  # has a worker accept nobody any more, and end when its connections have ended


class Supervisor:
    """Several workers with the same function.

    work: called in each worker process with a function that reports readiness; it has to end on SIGTERM, and its result
    is the exit status.  count: the number of workers.  tell: called with a sentence about each event. on_ready: called
    once, when all workers are ready.  may_replace: called at SIGHUP; it reads the files again and returns whether the
    workers are to be replaced, which happens unless they are ending.  prepare: called with the number of a worker
    before it is forked.
    on_stop: called at each signal to end.  on_end: called with the number of a worker that has ended
    without being told to.  tick: called every `tick_seconds` as long as there are workers.  on_upgrade: called at
    SIGUSR2; without it this signal is not handled.  may_end: asked when all workers have ended; this goes on until
    it returns true.
    start_seconds: the time for a worker to get ready. grace_seconds:
    the time for a worker to end, after which it is killed.  Raises ConfigError if this system cannot fork.
    """

    def __init__(
        self,
        work: Work,
        count: int,
        *,
        tell: Callable[[str], None],
        on_ready: Callable[[], None] = do_nothing,
        may_replace: Callable[[], bool] = lambda: True,
        prepare: Callable[[int], None] = do_nothing,
        on_stop: Callable[[], None] = do_nothing,
        on_end: Callable[[int], None] = do_nothing,
        tick: Callable[[], None] | None = None,
        tick_seconds: float = 1.0,
        on_upgrade: Callable[[], None] | None = None,
        may_end: Callable[[], bool] = lambda: True,
        start_seconds: float = 60.0,
        grace_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= count <= MOST_WORKERS:
            raise ConfigError(f"workers: expected 1 to {MOST_WORKERS}")
        if not hasattr(os, "fork"):
            raise ConfigError("workers: this system has no fork; run one process for each port")
        self._work, self._count = work, count
        self._tell, self._on_ready, self._clock = tell, on_ready, clock
        self._may_replace = may_replace
        self._prepare, self._on_stop, self._on_end = prepare, on_stop, on_end
        self._tick, self._tick_seconds, self._tick_at = tick, tick_seconds, clock()
        self._on_upgrade, self._may_end = on_upgrade, may_end
        self._retiring = False
        self._start_seconds, self._grace_seconds = start_seconds, grace_seconds
        self._workers: list[WorkerProcess] = []
        self._due: dict[int, float] = {}  # numbers of the workers to be started, and the time for each
        self._delay: dict[int, float] = {}
        self._to_replace: list[WorkerProcess] = []
        self._told_ready = False
        self._stopping: float | None = None  # when the remaining workers are killed
        self._status = DONE
        self._signals: list[int] = []
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run in the main thread until a signal ends it; return the exit status."""
        with self._listening():
            self._lifeline = os.pipe()
            try:
                self._due = dict.fromkeys(range(1, self._count + 1), self._clock())
                while not self._is_ending or self._workers or not self._may_end():
                    self._run_once()
            finally:
                for each in self._workers:
                    each.signal(signal.SIGKILL)
                for end in self._lifeline:
                    os.close(end)
        return self._status

    @property
    def _is_ending(self) -> bool:
        return self._stopping is not None or self._retiring

    # -- events ----------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """Do what is due, then wait for the next event."""
        self._start_due()
        self._expire()
        for key, _ in self._selector.select(self._wait()):
            if isinstance(key.data, WorkerProcess):
                if not key.data.read_pipe():
                    self._selector.unregister(key.data.pipe)
            else:
                self._drain(key.fd)
        while self._signals:
            self._process_signal(self._signals.pop(0))
        for each in [worker for worker in self._workers if worker.poll()]:
            self._ended(each)
        for each in [worker for worker in self._workers if worker.ready]:
            self._serves(each)
        if self._tick is not None and self._clock() >= self._tick_at:
            self._tick()
            self._tick_at = self._clock() + self._tick_seconds

    def retire(self) -> None:
        """Start nobody any more, have the workers accept nobody, and end when their connections have ended."""
        self._retiring = True
        self._due.clear()
        self._to_replace.clear()
        for each in self._workers:
            each.signal(RETIRE)

    def signal(self, number: int, which: int) -> bool:
        """Send a signal to the workers with a number that were not told to end; False if there are none."""
        found = [each for each in self._workers if each.number == number and not each.leaving]
        for each in found:
            each.signal(which)
        return bool(found)

    def _process_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._stopping is None:
                self._stop(DONE)
            else:
                self._stopping = self._clock()
                self._on_stop()
        elif number == signal.SIGUSR2 and self._on_upgrade is not None:
            self._on_upgrade()
        elif number == signal.SIGHUP and self._may_replace() and self._stopping is None:
            self._tell("workers are replaced, one after the other")
            # Also those that are starting: they may have read what was there before the signal.
            self._to_replace = [each for each in self._workers if not each.leaving]
            self._replace_next()

    def _ended(self, worker: WorkerProcess) -> None:
        """Remove a worker that has ended, and start another if it was not told to end."""
        self._forget(worker)
        if self._stopping is not None or self._retiring or worker.leaving:
            return
        how = f"signal {-worker.status}" if worker.status and worker.status < 0 else f"status {worker.status}"
        self._tell(f"worker {worker.number} (process {worker.pid}) ended with {how}")
        self._on_end(worker.number)
        successor = next((each for each in self._workers if each.replaces is worker), None)
        if successor is not None:
            successor.replaces = None  # its successor has started already
            self._replace_next()
        elif worker.replaces is not None:
            self._tell("the replacement failed; the earlier workers continue to serve")
            self._to_replace.clear()
        elif not self._told_ready and not worker.ready:
            self._stop(FAILED)
        else:
            self._start_later(worker)

    def _start_later(self, worker: WorkerProcess) -> None:
        """Start another worker: at once, or with increasing delays if workers die soon after their start."""
        if worker.ready and self._clock() - worker.since >= STEADY_SECONDS:
            self._delay.pop(worker.number, None)
        self._due_after_delay(worker.number, LONGEST_DELAY_SERVED if worker.ready else LONGEST_DELAY_FAILED)

    def _due_after_delay(self, number: int, longest: float) -> None:
        delay = min(self._delay.get(number, 0.0), longest)
        self._delay[number] = min(max(delay * 2, FIRST_DELAY), longest)
        self._due[number] = self._clock() + delay

    def _serves(self, worker: WorkerProcess) -> None:
        """A worker is ready: end the one that it replaces, and replace the next."""
        if worker.replaces is not None:
            old, worker.replaces = worker.replaces, None
            self._end_worker(old)
            self._replace_next()
        if not self._told_ready and sum(each.ready for each in self._workers) == self._count:
            self._told_ready = True
            self._on_ready()

    def _replace_next(self) -> None:
        """Start a successor for the next worker to be replaced."""
        if any(each.replaces is not None for each in self._workers):
            return
        while self._to_replace:
            old = self._to_replace.pop(0)
            if old in self._workers and not old.leaving:
                self._start(old.number, old)
                return

    # -- starting and ending ---------------------------------------------------------------------------

    def _start_due(self) -> None:
        if self._stopping is None:
            for number in [number for number, at in self._due.items() if at <= self._clock()]:
                del self._due[number]
                self._start(number)

    def _start(self, number: int, replaces: WorkerProcess | None = None) -> None:
        inherited = [each.pipe for each in self._workers] + list(self._wakers)
        try:
            self._prepare(number)
            worker = fork(number, self._work, self._clock(), self._lifeline, inherited)
        except OSError as error:
            self._tell(f"worker {number} cannot be started: {error.strerror or error}")
            self._to_replace.clear()
            if replaces is None:
                self._due_after_delay(number, LONGEST_DELAY_FAILED)
            return
        worker.replaces = replaces
        self._workers.append(worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)

    def _end_worker(self, worker: WorkerProcess) -> None:
        """Tell a worker to end, within its grace time."""
        worker.leaving = True
        worker.since = self._clock()
        worker.signal(signal.SIGTERM)

    def _stop(self, status: int) -> None:
        self._status = status
        self._stopping = self._clock() + self._grace_seconds
        self._to_replace.clear()
        self._on_stop()
        for each in self._workers:
            each.signal(signal.SIGTERM)

    def _expire(self) -> None:
        """Kill workers that exceed their time to start or to end."""
        now = self._clock()
        for each in self._workers:
            if self._stopping is not None:
                late = now >= self._stopping
            else:
                late = (not each.ready or each.leaving) and now >= self._limit(each)
            if late:
                each.signal(signal.SIGKILL)

    def _limit(self, worker: WorkerProcess) -> float:
        return worker.since + (self._grace_seconds if worker.leaving else self._start_seconds)

    def _wait(self) -> float | None:
        """Return the seconds until something is due; None for never."""
        times = [] if self._stopping is not None else list(self._due.values())
        times += [self._stopping] if self._stopping is not None else []
        times += [self._tick_at] if self._tick is not None else []
        times += [self._limit(each) for each in self._workers if not each.ready or each.leaving]
        times += [self._clock() + END_SECONDS] if self._is_ending and not self._workers else []
        return max(min(times) - self._clock(), 0.05) if times else None

    def _forget(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(KeyError):
            self._selector.unregister(worker.pipe)
        worker.close()

    # -- signals ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Install signal handlers that wake the loop; restore the earlier ones afterwards."""
        reading, writing = self._wakers = os.pipe()
        for each in self._wakers:
            os.set_blocking(each, False)
        self._selector.register(reading, selectors.EVENT_READ)
        before_fd = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handled = HANDLED_SIGNALS if self._on_upgrade is None else (*HANDLED_SIGNALS, signal.SIGUSR2)
        before = {number: signal.signal(number, self._note) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            self._selector.close()
            os.close(reading)
            os.close(writing)

    def _note(self, number: int, _frame: object) -> None:
        """Note a signal: of several hang-ups that wait, one is enough; a second signal to end says to hurry."""
        if number != signal.SIGHUP or number not in self._signals:
            self._signals.append(number)

    @staticmethod
    def _drain(waker: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(waker, 4096):
                pass
