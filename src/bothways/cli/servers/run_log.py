"""The log of `run`: what uvicorn and our own protocols say, limited in number, with explanations of failures."""

from __future__ import annotations

import logging

from bothways.cli.output.terminal import bounded
from bothways.diagnosis.failure import explain_failure
from bothways.diagnosis.situation import Files
from bothways.servers.report_limits import AT_ONCE, EVERY_SECONDS, Allowance
from bothways.tls.clock import Clock
from bothways.tls.defaults import CLOCK


class RateLimitFilter(logging.Filter):
    """Limits the number of log lines, with one more after each interval, so that failing clients cannot fill a disk."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        super().__init__()
        self._clock = clock
        self._allowance = Allowance(AT_ONCE, EVERY_SECONDS / AT_ONCE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged; warnings always are."""
        return record.levelno >= logging.WARNING or self._allowance.take(self._clock.monotonic())


class WebSocketFilter(logging.Filter):
    """Passes warnings of uvicorn, and its lines for WebSockets, which it logs beside those about itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged."""
        return record.levelno >= logging.WARNING or '"WebSocket ' in str(record.msg)


class ExplainingFormatter(logging.Formatter):
    """Adds the explanation of a failed handshake to its log record, as `serve` prints it. files: the names of ours."""

    def __init__(self, fmt: str, files: Files) -> None:
        super().__init__(fmt)
        self._files = files

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record and those of its explanation."""
        text = super().format(record)
        failure = getattr(record, "failure", None)
        if not isinstance(failure, Exception):
            return text
        causes = (f"    {line}" for line in explain_failure(failure, files=self._files).lines())
        said = (line for line in text.splitlines() if not line.startswith(SAID_BY_CAUSES))
        return "\n".join(bounded([*said, *causes]))


SAID_BY_CAUSES = ("That means: ", "Hint: ")


def logging_to(files: Files) -> dict[str, object]:
    """Return the configuration: all logs go to standard error; standard output belongs to the application."""
    explained = {"()": ExplainingFormatter, "fmt": "%(message)s", "files": files}
    return LOGGING | {"formatters": {**FORMATTERS, "explained": explained}}


FORMATTERS: dict[str, object] = {
    "plain": {"format": "%(message)s"},
    "access": {
        "()": "uvicorn.logging.AccessFormatter",
        "fmt": '%(client_addr)s "%(request_line)s" %(status_code)s',
        "use_colors": False,
    },
}
LOGGING: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"seldom": {"()": RateLimitFilter}, "websockets": {"()": WebSocketFilter}},
    "handlers": {
        "plain": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"},
        "explained": {
            "class": "logging.StreamHandler",
            "formatter": "explained",
            "stream": "ext://sys.stderr",
        },
        "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "bothways": {"handlers": ["explained"], "level": "INFO", "propagate": False, "filters": ["seldom"]},
        "uvicorn": {"handlers": ["plain"], "level": "WARNING", "propagate": False},
        "uvicorn.error": {"level": "INFO", "filters": ["websockets"]},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}
