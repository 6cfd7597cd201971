"""A thread of a server that regularly checks its files and prints what has changed."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator

from bothways.cli.output.terminal import LINE_LIMIT, LINES_LIMIT, described, report_error, say
from bothways.describe.escape import visible
from bothways.servers.lasting_problem import LastingProblem
from bothways.ticket_keys.shared import logger as tickets_logger
from bothways.trust.watched import logger as files_logger

LOOK_SECONDS = 0.5

RegularCheck = Callable[[], list[str]]


@contextlib.contextmanager
def checking_regularly(checks: list[RegularCheck], every: float = LOOK_SECONDS) -> Iterator[None]:
    """Call the functions now and regularly while the body runs, and print what they return. every: in seconds.

    A failure is reported once, and the call repeated. Log messages about files are printed too. SIGHUP has them called
    at once, instead of ending this process, unless it is handled or ignored already, or our terminal was closed.
    """
    over = threading.Event()
    # A signal handler may interrupt itself, so that it cannot take a lock: `put` of this queue is reentrant.
    due: queue.SimpleQueue[None] = queue.SimpleQueue()
    problems = [
        (each, LastingProblem(report_error, "what could not be checked is checked again")) for each in checks
    ]

    def repeat() -> None:
        while not over.is_set():
            with contextlib.suppress(queue.Empty):
                due.get(timeout=every)
                while True:  # of several one look is enough
                    due.get_nowait()
            for check, problem in problems:
                _run_check(check, problem)

    with reporting_reloads(), _at_hangup(lambda: due.put(None)):
        for check, problem in problems:
            _run_check(check, problem)
        threading.Thread(target=repeat, daemon=True).start()
        try:
            yield
        finally:
            over.set()
            due.put(None)


@contextlib.contextmanager
def _at_hangup(call: Callable[[], None]) -> Iterator[None]:
    """Call a function at SIGHUP while the body runs; where our terminal was closed, end as by SIGTERM."""
    is_main = threading.current_thread() is threading.main_thread()
    is_ours = is_main and hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    has_terminal = os.isatty(0)

    def handle(_number: int, _frame: object) -> None:
        if has_terminal and not os.isatty(0):
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            call()

    if is_ours:
        signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


class _TerminalHandler(logging.Handler):
    """Prints log messages by the rules of `terminal`."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        self._tell(visible(record.getMessage(), LINE_LIMIT))


@contextlib.contextmanager
def reporting_reloads(tell: Callable[[str], None] = say) -> Iterator[None]:
    """Print which files are read again and which cannot be read, independent of the logging configuration."""
    handler = _TerminalHandler(tell)
    before = [(logger, logger.level, logger.propagate) for logger in (files_logger, tickets_logger)]
    for logger, _, _ in before:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _LinesHandler(_TerminalHandler):
    """Tells log messages of several lines, and tracebacks, line by line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell each line; of very many the first and the last."""
        lines = self.format(record).splitlines()
        if len(lines) > LINES_LIMIT:
            lines = [*lines[: LINES_LIMIT // 4], "...", *lines[-LINES_LIMIT * 3 // 4 :]]
        for each in lines:
            self._tell(visible(each, LINE_LIMIT))


@contextlib.contextmanager
def reporting_warnings(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell warnings and errors that anything logs, unless logging is set up already.

    Otherwise they would go to standard error as they are, and wait for its reader.
    """
    root = logging.getLogger()
    handler = _LinesHandler(tell)
    handler.setLevel(logging.WARNING)
    is_set_up = bool(root.handlers)
    if not is_set_up:
        root.addHandler(handler)
    try:
        yield
    finally:
        if not is_set_up:
            root.removeHandler(handler)


def _run_check(check: RegularCheck, problem: LastingProblem) -> None:
    try:
        for line in check():
            say(line)
    except Exception as error:  # noqa: BLE001 - a look that fails must not end those to come
        problem.failed(described(error))
    else:
        problem.succeeded()
