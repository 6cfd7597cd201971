"""How one process tree of a gateway follows another without an end of connections: sockets that listen are handed on.

The new one begins beside the old one, on the same sockets with the same queues, and says when it serves. What it is
handed is named in its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VARIABLE = "BOTHWAYS_HANDED_ON"
READY = b"r"
READY_SECONDS = 60.0  # for the new process tree to serve


@dataclass(frozen=True, slots=True)
class HandedOn:
    """What this process was handed. sockets: by the addresses.  before: the process that it follows."""

    sockets: dict[str, list[socket.socket]]
    ready: int
    before: int

    def say_ready(self) -> None:
        """Tell the process before that this one serves."""
        with contextlib.suppress(OSError):
            os.write(self.ready, READY)
        with contextlib.suppress(OSError):
            os.close(self.ready)


def handed_on() -> HandedOn | None:
    """Return what was handed to this process, once; None if it was started by somebody else."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    told = json.loads(text)
    if told["before"] != os.getppid():  # inherited from somewhere
        return None
    numbers = {each for several in told["sockets"].values() for each in several}
    made = {each: socket.socket(fileno=each) for each in numbers}
    sockets = {address: [made[each] for each in several] for address, several in told["sockets"].items()}
    os.set_inheritable(told["ready"], False)
    for each in made.values():
        each.set_inheritable(False)
    return HandedOn(sockets, told["ready"], told["before"])


class Successor:
    """A process tree that was started with the command line of this one, and its sockets. Raises OSError.

    sockets: by the addresses.  `pid`: its first process.
    """

    def __init__(self, sockets: Mapping[str, Sequence[socket.socket]]) -> None:
        self._ready, writing = os.pipe()
        os.set_blocking(self._ready, False)
        self._until = time.monotonic() + READY_SECONDS
        numbers = {address: [each.fileno() for each in several] for address, several in sockets.items()}
        told = {"sockets": numbers, "ready": writing, "before": os.getpid()}
        passed = {writing, *(each for several in numbers.values() for each in several)}
        command = [sys.executable, *sys.orig_argv[1:]]
        try:
            for each in passed:
                os.set_inheritable(each, True)
            self.pid = os.posix_spawn(sys.executable, command, os.environ | {VARIABLE: json.dumps(told)})
        except BaseException:
            os.close(self._ready)
            raise
        finally:
            for each in passed:
                os.set_inheritable(each, False)
            os.close(writing)

    def serves(self) -> bool | None:
        """Whether it serves; None as long as that is not known."""
        with contextlib.suppress(BlockingIOError):
            said = os.read(self._ready, 1)
            os.close(self._ready)
            if said != READY:
                self.end()
            return said == READY
        if time.monotonic() < self._until:
            return None
        os.close(self._ready)
        self.end()
        return False

    def end(self) -> None:
        """End it, since it does not serve."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
