"""Starts commands of bothways as processes of their own, without an interpreter that imports everything for each.

`run_command` and `start_command` take those arguments of `subprocess.run` and `subprocess.Popen` that tests use. The
process is forked from one that has imported what commands need (fork_server.py). Where it would not be what a fresh
interpreter is, `subprocess` starts it: another program, variables that are read before a program begins, a terminal.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

from fork_server import NUMBER, QUICK

SOURCES = Path(__file__).parents[3] / "src"
SERVER = Path(__file__).with_name("fork_server.py")
FOR_SHELLS = Path(__file__).with_name("forked_command.py")
INHERITED = "FORK_SERVER"  # a variable of what a shell starts: the descriptor of the socket
SPECIAL = (subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT)
# What an interpreter, or a library that it loads, reads when it begins.
EARLY = ("PYTHON", "LC_", "LANG", "OPENSSL", "TZ")


def bothways(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "bothways.cli", *arguments]


def environment(**extra: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCES), "COLUMNS": "100"} | extra


def run_command(
    words: Sequence[str], *, capture_output: bool = False, timeout: float | None = None, check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:  # fmt: skip
    """Do what `subprocess.run` does."""
    given = options.pop("input", None)
    if given is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with start_command(words, **options) as process:
        try:
            printed, reported = process.communicate(given, timeout)
        except BaseException:
            process.kill()
            raise
        status = process.wait()
    done = subprocess.CompletedProcess(words, status, printed, reported)
    if check:
        done.check_returncode()
    return done


def start_command(words: Sequence[str], **options: Any) -> subprocess.Popen[Any] | Process:
    """Start a process: forked, or by `subprocess`."""
    may_fork = hasattr(os, "pidfd_open") and list(words[:5]) == bothways()
    if may_fork and not _has_early(options.get("env")) and not _is_at_terminal(options):
        return Process(words, **options)
    return subprocess.Popen(words, **options)


def shell_options(folder: Path) -> dict[str, Any]:
    """Make a program `bothways` in a folder, and return the options with which `subprocess` starts a shell with it.

    What it runs is forked, and gets its signals: variables that an interpreter reads when it begins are those of the
    shell. Passphrases of CAs are quick to try.
    """
    folder.mkdir(exist_ok=True)
    program = folder / "bothways"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{FOR_SHELLS}" "$@"\n')
    program.chmod(0o755)
    number = str(_server().fileno())
    path = os.pathsep.join((str(folder), os.environ["PATH"]))
    return {"env": environment(PATH=path, **{INHERITED: number, QUICK: "1"}), "pass_fds": [int(number)]}


def _has_early(env: Mapping[str, str] | None) -> bool:
    given = os.environ if env is None else env
    names = {name for name in (*given, *_base()) if name.startswith(EARLY)}
    return any(given.get(name) != _base().get(name) for name in names)


def _is_at_terminal(options: Mapping[str, Any]) -> bool:
    given = [options.get(name) for name in ("stdin", "stdout", "stderr")]
    numbers = [_descriptor(each, number) for number, each in enumerate(given) if each not in SPECIAL]
    return any(map(os.isatty, numbers))


def _descriptor(given: Any, inherited: int) -> int:
    if given is None:
        return inherited
    return int(given.fileno() if hasattr(given, "fileno") else given)


@cache
def _base() -> dict[str, str]:
    return environment()


@cache
def _server() -> socket.socket:
    """The socket at whose other end the server is, which ends with this process."""
    if INHERITED in os.environ:
        return socket.socket(fileno=int(os.environ[INHERITED]))
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        words = [sys.executable, "-W", "error", str(SERVER), str(its.fileno())]
        server = subprocess.Popen(
            words, env=_base(), pass_fds=[its.fileno()], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    @atexit.register
    def end() -> None:
        ours.close()
        server.wait()

    return ours


class Process:
    """A forked command, with the names of `subprocess.Popen`."""

    def __init__(
        self, words: Sequence[str], *, cwd: str | Path | None = None, env: Mapping[str, str] | None = None,
        stdin: Any = None, stdout: Any = None, stderr: Any = None, text: bool = False, bufsize: int = -1,
    ) -> None:  # fmt: skip
        self.args = words
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._theirs: list[int] = []
        try:
            self.stdin = self._end(0, stdin, "w", text, bufsize)
            self.stdout = self._end(1, stdout, "r", text, bufsize)
            self.stderr = self._end(2, stderr, "r", text, bufsize)
            self._status, told = os.pipe()
            self._theirs.append(told)
            asked = {
                "words": list(words),
                "folder": str(cwd or Path.cwd()),
                "environment": dict(env or os.environ),
            }
            given = array.array("i", self._theirs)
            _server().sendmsg([json.dumps(asked).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
        finally:
            for each in self._theirs:
                os.close(each)
        self.pid = self._number()

    def _end(self, number: int, wanted: Any, mode: str, text: bool, bufsize: int) -> Any:
        """Keep our end of a pipe, and give the command the other; or give it what is wanted."""
        if wanted == subprocess.PIPE:
            reading, writing = os.pipe()
            mine, its = (writing, reading) if mode == "w" else (reading, writing)
            self._theirs.append(its)
            return os.fdopen(mine, mode) if text else os.fdopen(mine, f"{mode}b", bufsize)
        if wanted == subprocess.DEVNULL:
            self._theirs.append(os.open(os.devnull, os.O_RDWR))
        elif wanted == subprocess.STDOUT:
            self._theirs.append(os.dup(self._theirs[1]))
        else:
            self._theirs.append(os.dup(_descriptor(wanted, number)))
        return None

    def _number(self) -> int:
        data = os.read(self._status, NUMBER.size)
        if len(data) != NUMBER.size:
            raise RuntimeError("the process that forks commands has ended")
        return int(NUMBER.unpack(data)[0])

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        if (status := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            with self._lock:
                if self.returncode is None:
                    self.returncode = self._number()
                    os.close(self._status)
        return self.returncode

    def communicate(self, given: str | bytes | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Give it the input, and return what it has printed when it has ended."""
        printed: dict[str, Any] = {"stdout": None, "stderr": None}
        threads = [threading.Thread(target=self._give, args=(given,), daemon=True)]
        threads += [
            threading.Thread(target=self._take, args=(name, printed), daemon=True) for name in printed
        ]
        for each in threads:
            each.start()
        self.wait(timeout)
        for each in threads:
            each.join(timeout)
        return printed["stdout"], printed["stderr"]

    def _give(self, given: str | bytes | None) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self.stdin is not None and given:
                self.stdin.write(given)
        _close(self.stdin)

    def _take(self, name: str, printed: dict[str, Any]) -> None:
        pipe: IO[Any] | None = getattr(self, name)
        if pipe is not None:
            printed[name] = pipe.read()
            pipe.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(
                ProcessLookupError
            ):  # it may have ended since, and another process waits for it
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdout, self.stderr, self.stdin):
            _close(pipe)
        self.wait()


def _close(pipe: IO[Any] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(BrokenPipeError):  # of what was still to be written
            pipe.close()
