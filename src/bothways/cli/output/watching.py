"""A thread of a server that regularly checks its files and prints what has changed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from bothways.cli.output.terminal import LINE_LIMIT, described, report_error, say
from bothways.describe.escape import visible
from bothways.ticket_keys.shared import logger as tickets_logger
from bothways.trust.watched import logger as files_logger

LOOK_SECONDS = 0.5

RegularCheck = Callable[[], list[str]]


@contextlib.contextmanager
def checking_regularly(checks: list[RegularCheck]) -> Iterator[None]:
    """Call the functions now and regularly while the body runs, and print what they return.

    A failure is reported and the call repeated later. Log messages about files are printed too.
    """
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(LOOK_SECONDS):
            for check in checks:
                _run_check(check)

    with reporting_reloads():
        for check in checks:
            _run_check(check)
        threading.Thread(target=repeat, daemon=True).start()
        try:
            yield
        finally:
            over.set()


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


def _run_check(check: RegularCheck) -> None:
    try:
        for line in check():
            say(line)
    except Exception as error:  # noqa: BLE001 - a look that fails must not end those to come
        report_error(described(error))
