"""One worker process: forked, observed through a pipe, and ended with its supervisor."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

READY = b"r"
OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
IGNORED_SIGNALS = (signal.SIGUSR2,)  # for the supervisor, even if it is sent to the whole process group

Work = Callable[[Callable[[], None]], int | None]


@dataclass(eq=False)
class WorkerProcess:
    """A worker process, for the supervisor.

    number: of the worker, from 1.  pid: of its process.  pipe: receives `READY`, and reaches its end with the process.
    since: when it was started or told to end, on a monotonic clock.  leaving: whether it was told to end. replaces: the
    worker that it replaces.
    """

    number: int
    pid: int
    pipe: int
    since: float
    ready: bool = False
    leaving: bool = False
    replaces: WorkerProcess | None = None
    status: int | None = None

    def poll(self) -> bool:
        """Whether the process has ended; then `status` is its exit status, or the negative number of the signal."""
        if self.status is None:
            try:
                pid, waited = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, waited = self.pid, 0
            if pid:
                self.status = os.waitstatus_to_exitcode(waited)
                self.read_pipe()  # the last bytes in the pipe
        return self.status is not None

    def read_pipe(self) -> bool:
        """Read the pipe; False at its end."""
        try:
            said = os.read(self.pipe, 16)
        except BlockingIOError:
            return True
        self.ready = self.ready or READY in said
        return bool(said)

    def signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.pipe)


def fork(
    number: int, work: Work, since: float, lifeline: tuple[int, int], inherited: list[int]
) -> WorkerProcess:
    """Start a process that calls `work(ready)` and exits with its result.

    lifeline: a pipe whose write end only the supervisor holds; at its end the worker ends too. inherited: descriptors
    of the supervisor that the worker closes.
    """
    reading, writing = os.pipe()
    _flush_standard_streams()
    # They wait until the worker has its own handlers: those of the supervisor would take its signals.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OWN_SIGNALS)
    try:
        pid = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)
        os.close(writing)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
        os.set_blocking(reading, False)
        return WorkerProcess(number, pid, reading, since)
    gc.freeze()  # a pass of the garbage collector writes to what it looks at, and this is shared as long as nobody does
    status = 1
    try:
        for each in (reading, lifeline[1], *inherited):
            os.close(each)
        signal.set_wakeup_fd(-1)
        for each_signal in OWN_SIGNALS:
            signal.signal(each_signal, signal.SIG_DFL)
        for each_signal in IGNORED_SIGNALS:
            signal.signal(each_signal, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        threading.Thread(target=_end_with_supervisor, args=(lifeline[0],), daemon=True).start()
        status = work(lambda: _report_ready(writing)) or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = 0
    except BaseException:  # noqa: BLE001 - the end of a process: nothing above would report it
        traceback.print_exc()
    finally:
        _flush_standard_streams()
        os._exit(status)


def _flush_standard_streams() -> None:
    """Write what is in their buffers, so that no two processes do; a full or closed one ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _report_ready(pipe: int) -> None:
    with contextlib.suppress(OSError):
        os.write(pipe, READY)


def _end_with_supervisor(lifeline: int) -> None:
    """End this process when the supervisor has ended, for whatever reason."""
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
