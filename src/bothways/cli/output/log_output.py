"""Lines of a log on standard error, for a process that has other things to do than to wait for their reader."""

from __future__ import annotations

import errno
import os
import select
import sys

from bothways.cli.output.terminal import say_or_fail

PATIENCE_SECONDS = 0.01  # for a reader that is slow; one that still takes nothing is not waited for again
BYTES_A_CHARACTER = 4  # at most


class LogOutput:
    """Prints lines. A pipe or a socket that is full takes none until its reader has gone on."""

    def __init__(self) -> None:
        self._is_stuck = self._is_cut = False

    def say(self, text: str) -> None:
        """Print text as `say_or_fail` does. Raises OSError, also where its reader takes nothing, and ValueError."""
        line = ("\n" if self._is_cut else "") + text + "\n"
        # A pipe that takes anything takes as much as this at once.
        at_once = select.PIPE_BUF
        size = len(line) if len(line.encode(errors="replace")) <= at_once else at_once // BYTES_A_CHARACTER
        for begin in range(0, len(line), size):
            self._is_stuck = not _takes(0.0 if self._is_stuck else PATIENCE_SECONDS)
            if self._is_stuck:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), "standard error")
            say_or_fail(line[begin : begin + size], end="")
            self._is_cut = begin + size < len(line)


def _takes(seconds: float) -> bool:
    """Whether standard error takes a line at once, or within so many seconds; whatever else it is, it is tried."""
    try:
        poll = select.poll()
        poll.register(sys.stderr.fileno(), select.POLLOUT)
        return bool(poll.poll(seconds * 1000))
    except (AttributeError, OSError, ValueError):
        return True
