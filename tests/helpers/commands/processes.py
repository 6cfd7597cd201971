"""Other processes, seen from outside (Linux), and ports for them."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, the oldest first."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spent(pid: int) -> float:
    """Return the processor seconds of a process so far, those of ended threads too: its clock (clock_gettime(2))."""
    return time.clock_gettime((~pid << 3) | 2)


def free_port() -> int:
    """Return a port that nobody uses, for programs that cannot choose one themselves.

    It lies below those that a system gives to clients: no connection of another test takes it meanwhile, and no client
    that tries it before the program listens is given the same port, and so is connected to itself.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("", port))
            return port


def until_it_listens(port: int, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Wait until something listens on loopback there; AssertionError if the process ends, or after so many seconds."""
    given_up = time.monotonic() + seconds
    while time.monotonic() < given_up:
        if process.poll() is not None:
            raise AssertionError(f"it ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise AssertionError(f"it does not listen on port {port}")
