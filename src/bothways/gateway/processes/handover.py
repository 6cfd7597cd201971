"""How one process tree of a gateway follows another without an end of connections: sockets that listen are handed on.

The new one begins beside the old one, on the same sockets with the same queues, and says when it serves. What it is
handed is named in its environment. Each of the two has an end of a pair of sockets, and so learns when the other ends.
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
from typing import Any, NoReturn

VARIABLE = "BOTHWAYS_HANDED_ON"
READY = b"r"
READY_SECONDS = 60.0  # for the new process tree to serve
RESET_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class HandedOn:
    """What this process was handed. sockets: by the addresses.  link: to the process that it follows, `before`."""

    sockets: dict[str, list[socket.socket]]
    link: socket.socket
    before: int

    def say_ready(self) -> None:
        """Tell the process before that this one serves."""
        with contextlib.suppress(OSError):
            self.link.send(READY)

    @property
    def has_ended(self) -> bool:
        """Whether the process before has ended, with all its connections."""
        try:
            return not self.link.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def signal(self, number: int) -> None:
        """Send a signal to the process before, unless it has ended."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.before, number)


def handed_on() -> HandedOn | None:
    """Return what was handed to this process, once; None if it was started by somebody else."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    told = json.loads(text)
    if told["to"] != os.getpid():  # inherited from somewhere
        return None
    numbers = {each for several in told["sockets"].values() for each in several}
    made = {each: socket.socket(fileno=each) for each in (*numbers, told["link"])}
    sockets = {address: [made[each] for each in several] for address, several in told["sockets"].items()}
    for each in made.values():
        each.set_inheritable(False)
    link = made[told["link"]]
    link.setblocking(False)
    return HandedOn(sockets, link, told["before"])


class Successor:
    """A process tree that was started with the command line of this one, and its sockets. Raises OSError.

    sockets: by the addresses.  `pid`: its first process, which is no child of this one: it is adopted by the service
    manager. systemd learns of the end of its own children only, and waits for no others at a stop.
    """

    def __init__(self, sockets: Mapping[str, Sequence[socket.socket]]) -> None:
        self._link, its = socket.socketpair()
        self._link.setblocking(False)
        self._until = time.monotonic() + READY_SECONDS
        numbers = {address: [each.fileno() for each in several] for address, several in sockets.items()}
        told = {"sockets": numbers, "link": its.fileno(), "before": os.getpid()}
        try:
            self.pid = _started(
                told, {its.fileno(), *(each for several in numbers.values() for each in several)}
            )
        except BaseException:
            self._link.close()
            raise
        finally:
            its.close()

    def serves(self) -> bool | None:
        """Whether it serves; None as long as that is not known."""
        try:
            said = self._link.recv(1)
        except BlockingIOError:
            if time.monotonic() < self._until:
                return None
            said = b""
        except OSError:
            said = b""
        if said != READY:
            self.end()
        return said == READY

    def end(self) -> None:
        """End it, since it does not serve."""
        self._link.close()
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order, since this process was told to end before the other one served."""
        self._link.close()  # first, so that it does not end this process, which drains
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _started(told: dict[str, Any], passed: set[int]) -> int:
    """Start the successor by a process between that ends at once, and return its number. Raises OSError."""
    reading, writing = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _start_and_end(told, passed, writing)
    finally:
        os.close(writing)
    with open(reading, "rb") as pipe:
        number = pipe.read()
    os.waitpid(between, 0)
    if not number:
        raise OSError("no process can be started")
    return int(number)


def _start_and_end(told: dict[str, Any], passed: set[int], writing: int) -> NoReturn:
    try:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for each in RESET_SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            for number in passed:
                os.set_inheritable(number, True)
            variables = os.environ | {VARIABLE: json.dumps(told | {"to": os.getpid()})}
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], variables)  # noqa: S606
        os.write(writing, b"%d" % pid)
    finally:
        os._exit(1)
