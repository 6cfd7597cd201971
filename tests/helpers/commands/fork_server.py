"""A process that has imported what the commands need, and forks one for each command that it is asked to start.

Its one argument is the descriptor of a socket. A message there is JSON: words, folder, environment; and with it come
four descriptors: the command's standard input, output and error, and a pipe, on which the process id is written when
the command has begun, and its wait status when it has ended. It ends with the socket, and what still runs with it.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading

LIMIT = 1 << 17
QUICK = "QUICK_PASSPHRASES"  # a variable: a command's passphrases are quick to try
NUMBER = struct.Struct("!i")
# The packages of which commands import modules, and what those import when they run.
PACKAGES = (
    "aio",
    "ca",
    "ca_server",
    "cli",
    "diagnosis",
    "doctor",
    "fetch",
    "gateway",
    "http",
    "ladder",
    "net",
    "spiffe",
)
OTHERS = ("asyncio", "encodings.idna", "httptools", "rich._emoji_codes", "uvicorn.main", "websockets")


def preload() -> None:
    """Import every module of the packages; `bothways.cli.__main__` is what a command runs."""
    for name in OTHERS:
        importlib.import_module(name)
    for package in PACKAGES:
        path = importlib.import_module(f"bothways.{package}").__path__
        for module in pkgutil.walk_packages(path, f"bothways.{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    if threading.active_count() > 1:
        raise RuntimeError("an import has started a thread, which no fork would have")


class Server:
    """Forks for the tests at the other end of a socket."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._selector = selectors.DefaultSelector()
        self._selector.register(asking, selectors.EVENT_READ)
        self._running: dict[int, tuple[int, int]] = {}  # by its pidfd: a command's process id and its pipe

    def serve(self) -> list[str]:
        """Serve until the socket ends; in a process that was forked return its words."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._asking:
                    self._ended(key.fd)
                    continue
                message, ancillary, _, _ = self._asking.recvmsg(LIMIT, socket.CMSG_SPACE(4 * 4))
                if not message:
                    self._end()
                elif (words := self._begin(json.loads(message), _descriptors(ancillary))) is not None:
                    return words

    def _begin(self, asked: dict[str, object], given: list[int]) -> list[str] | None:
        *standard, pipe = given
        child = os.fork()
        if child == 0:
            return self._become(asked, standard, pipe)
        for each in standard:
            os.close(each)
        watched = os.pidfd_open(child)
        self._running[watched] = child, pipe
        self._selector.register(watched, selectors.EVENT_READ)
        os.write(pipe, NUMBER.pack(child))
        return None

    def _become(self, asked: dict[str, object], standard: list[int], pipe: int) -> list[str]:
        self._selector.close()
        self._asking.close()
        for watched, (_, other) in self._running.items():
            os.close(watched)
            os.close(other)
        os.close(pipe)
        for number, each in enumerate(standard):
            os.dup2(each, number)
            os.close(each)
        os.chdir(str(asked["folder"]))
        os.environ.clear()
        os.environ.update(asked["environment"])  # type: ignore[call-overload]
        if os.environ.pop(QUICK, ""):
            importlib.import_module("bothways.ca.home.key_encryption").COST = 2
        return list(asked["words"])  # type: ignore[call-overload]

    def _ended(self, watched: int) -> None:
        self._selector.unregister(watched)
        child, pipe = self._running.pop(watched)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(pipe, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        os.close(pipe)
        os.close(watched)

    def _end(self) -> None:
        for child, _ in self._running.values():
            os.kill(child, signal.SIGKILL)
        self._asking.close()
        sys.exit()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for _, _, data in ancillary:
        found.frombytes(data)
    return list(found)


class Leaving:
    """Ends a command when all that it has to do at its end is done, without taking a thousand modules apart.

    That would cost more than most commands do. It is registered before any module is imported, so that it comes last.
    """

    def __init__(self) -> None:
        self.status: int | None = None

    def note(self, code: object) -> None:
        """Note what `sys.exit` was called with; a text is printed by the interpreter, at its own end."""
        if code is None or isinstance(code, int):
            self.status = int(code or 0)

    def __call__(self) -> None:
        if self.status is None:
            return
        with contextlib.suppress(OSError, ValueError):  # which the interpreter reports too
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status & 0xFF)


if __name__ == "__main__":
    leaving = Leaving()
    atexit.register(leaving)
    gc.disable()
    preload()
    gc.freeze()  # else each command would look through all modules when it ends
    gc.enable()
    words = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    sys.path[0] = os.getcwd()
    sys.argv[1:] = words[words.index("bothways.cli") + 1 :]
    sys.orig_argv[:] = words
    try:
        runpy.run_module("bothways.cli", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        leaving.note(ended.code)
        raise
