"""One worker process: forked, told from outside whether it is ready, and ended with the process that made it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

READY = b"r"
OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Work = Callable[[Callable[[], None]], int | None]


@dataclass(eq=False)
class Worker:
    """A worker as the supervisor sees it.

    number: which of the workers it is, from 1.  pid: its process.  pipe: says `READY`, and ends when the process does.
    since: when it began, or was told to end, on a monotonic clock.  leaving: whether it was told to end.
    replaces: whom it takes over from.
    """

    number: int
    pid: int
    pipe: int
    since: float
    ready: bool = False
    leaving: bool = False
    replaces: Worker | None = None
    status: int | None = None

    def poll(self) -> bool:
        """Whether the process has ended; then `status` has its exit status, or the signal's number below zero."""
        if self.status is None:
            try:
                pid, waited = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, waited = self.pid, 0
            if pid:
                self.status = os.waitstatus_to_exitcode(waited)
                self.heed()  # what it said last
        return self.status is not None

    def heed(self) -> bool:
        """Take what the pipe says; False at its end."""
        try:
            said = os.read(self.pipe, 16)
        except BlockingIOError:
            return True
        self.ready = self.ready or READY in said
        return bool(said)

    def signal(self, number: int) -> None:
        """Send a signal; one that has ended hears nothing."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self.pipe)


def fork(number: int, work: Work, since: float, lifeline: tuple[int, int], inherited: list[int]) -> Worker:
    """Start a worker that calls `work(ready)` and exits with what it returns.

    lifeline: a pipe whose writing end the supervisor alone holds: at its end the worker ends too.
    inherited: descriptors of the supervisor's that are none of the worker's business.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.set_blocking(reading, False)
        return Worker(number, pid, reading, since)
    status = 1
    try:
        for each in (reading, lifeline[1], *inherited):
            os.close(each)
        signal.set_wakeup_fd(-1)
        for each_signal in OWN_SIGNALS:
            signal.signal(each_signal, signal.SIG_DFL)
        threading.Thread(target=_end_with_supervisor, args=(lifeline[0],), daemon=True).start()
        status = work(lambda: _tell(writing)) or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = 0
    except BaseException:  # noqa: BLE001 - the end of a process: nothing above could hear of it
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _tell(pipe: int) -> None:
    with contextlib.suppress(OSError):
        os.write(pipe, READY)


def _end_with_supervisor(lifeline: int) -> None:
    """End when the supervisor is gone, however it went."""
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
