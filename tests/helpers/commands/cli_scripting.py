"""Runs plain-text scripts of commands and what they print, with real processes and real sockets.

A line of a script is one of:
    # a comment
    $ ARGUMENTS           run `bothways ARGUMENTS`; {name} stands for the port of a server started before, and
                          {nobody} for one at which nobody listens
    $ ARGUMENTS &name     the same in the background; goes on when it prints `listening on`
    < TEXT                a line of standard input of the command above
    > TEXT                a line that it prints on standard output
    ! TEXT                a line that it prints on standard error
    = STATUS              its exit status, 0 where nothing is said
    stop name             end a server by SIGTERM; `!` and `=` after it speak of the server
In what is printed `...` stands for any text, and alone on a line for any lines.
"""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from command_line import bothways, environment, run_command, start_command

SECONDS = 60


@dataclass
class Command:
    """One command of a script with all that is said of it."""

    line: int
    words: str
    name: str | None = None
    stops: bool = False
    stdin: list[str] = field(default_factory=list)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    status: int = 0


def parsed(text: str) -> list[Command]:
    commands: list[Command] = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.partition(" ")
        match kind:
            case "" | "#":
                continue
            case "$":
                words, _, name = rest.partition(" &")
                commands.append(Command(number, words, name or None))
            case "stop":
                commands.append(Command(number, "", rest, stops=True))
            case "<":
                commands[-1].stdin.append(rest)
            case ">":
                commands[-1].stdout.append(rest)
            case "!":
                commands[-1].stderr.append(rest)
            case "=":
                commands[-1].status = int(rest)
            case _:
                raise ValueError(f"line {number}: {line!r} is not a line of a script")
    return commands


class Background:
    """A server in the background; what it says is collected. program: returns the command line that runs `bothways`."""

    def __init__(self, words: list[str], folder: Path, program: Callable[..., list[str]] = bothways) -> None:
        self.process = start_command(
            program(*words), cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.printed = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(SECONDS) or self.port is None:
            self.end()
            raise AssertionError(f"the server did not begin to listen: {self.printed}")

    @property
    def port(self) -> str | None:
        found = re.search(r"listening on \S*:(\d+)", self.printed)
        return found.group(1) if found else None

    def _read(self) -> None:
        for line in self.process.stderr:
            self.printed += line
            if self.port is not None:
                self._ready.set()
        self._ready.set()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


def until_printed(server: Background, words: str, seconds: float = SECONDS) -> None:
    """Wait until a server in the background has printed some words."""
    given_up = time.monotonic() + seconds
    while words not in server.printed:
        assert time.monotonic() < given_up, server.printed
        time.sleep(0.02)


def play(script: Path, folder: Path) -> None:
    """Run a script in `folder` and hold what happens against what it says."""
    servers: dict[str, Background] = {}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # so that it is nobody else's, and refuses connections
        try:
            for command in parsed(script.read_text()):
                _run(command, script, folder, servers, nobody=str(silent.getsockname()[1]))
        finally:
            for server in servers.values():
                server.end(signal.SIGKILL)


def _run(command: Command, script: Path, folder: Path, servers: dict[str, Background], nobody: str) -> None:
    place = f"{script.name}:{command.line}"
    if command.stops:
        server = servers.pop(command.name)
        status = server.end()
        _compare(place, "standard error", server.printed, command.stderr)
        assert status == command.status, place
        return
    ports = {"nobody": nobody} | {name: server.port for name, server in servers.items()}
    words = [
        re.sub(r"\{(\w+)\}", lambda found: ports[found.group(1)], word) for word in shlex.split(command.words)
    ]
    if command.name is not None:
        servers[command.name] = Background(words, folder)
        return
    done = run_command(
        bothways(*words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS,
        input="".join(f"{line}\n" for line in command.stdin), check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, f"{place}: {done.stderr}"
    assert done.returncode == command.status, f"{place}: status {done.returncode}\n{done.stdout}{done.stderr}"
    _compare(place, "standard output", done.stdout, command.stdout)
    _compare(place, "standard error", done.stderr, command.stderr)


def _compare(place: str, what: str, got: str, expected: list[str]) -> None:
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n"
        for line in expected
    )
    if not re.fullmatch(pattern, got if not got or got.endswith("\n") else got + "\n"):
        wanted = "\n".join(expected)
        raise AssertionError(f"{place}: {what} is\n{got}\ninstead of\n{wanted}")
