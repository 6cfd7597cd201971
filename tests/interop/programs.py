"""Other people's programs, beside us over loopback: started, printed, spoken to, and ended by their own id."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bothways.errors import TLSError
from bothways.net import Channel, connect, wrap
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.events import MessageSeen, Note, Observer
from bothways.tls.wire.tls13 import KeyUpdate
from command_line import start_command
from processes import until_it_listens

PATIENCE = 20.0


class Program:
    """One running program; what it prints, on either stream, is printed as it comes."""

    def __init__(
        self, *command: str, folder: Path | None = None, environment: dict[str, str] | None = None
    ) -> None:
        self._command = command
        self._process = start_command(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            cwd=folder,
            env=environment,
        )
        self._printed = bytearray()
        self._ended = False
        self._news = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def printed(self) -> str:
        with self._news:
            return self._printed.decode(errors="replace")

    def until(self, text: str, times: int = 1, seconds: float = PATIENCE) -> str:
        """Wait until the program has printed `text` so often, and return all that it printed."""
        deadline = time.monotonic() + seconds
        with self._news:
            while self._printed.count(text.encode()) < times:
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._news.wait(left)
        printed = self.printed
        assert printed.count(text) >= times, f"{self._command[0]} never said {text!r}; it said:\n{printed}"
        return printed

    def until_it_listens(self, port: int, seconds: float = PATIENCE) -> None:
        """Wait until it listens on a port of loopback."""
        try:
            until_it_listens(port, self._process, seconds)
        except AssertionError as error:
            raise AssertionError(f"{self._command[0]}: {error}; it said:\n{self.printed}") from None

    def say(self, text: str) -> None:
        """Type `text` into the program."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(text.encode())

    def finish(self, seconds: float = PATIENCE) -> int:
        """End its input, wait until it ends by itself, and return its status."""
        self._close_input()
        status = self._process.wait(seconds)
        self._listener.join(seconds)
        return status

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close_input()
        self._listener.join(5)
        stdout = self._process.stdout
        if stdout is not None:
            stdout.close()

    def _close_input(self) -> None:
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            try:
                stdin.close()
            except OSError:
                pass

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while data := os.read(stdout.fileno(), 64 * 1024):
            with self._news:
                self._printed += data
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextmanager
def running(
    *command: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """Run a program while the block lasts."""
    program = Program(*command, folder=folder, environment=environment)
    try:
        yield program
    finally:
        program.end()


Talk = Callable[[Channel], None]


def echo(channel: Channel) -> None:
    """Send back what comes until the client says that it is done."""
    while data := channel.recv(64 * 1024):
        channel.sendall(data)


class OurServer:
    """We listen on loopback; `outcome` tells of each connection what became of it."""

    def __init__(self, config: ServerConfig, talk: Talk) -> None:
        self.notes: list[Note] = []
        self._config = config
        self._talk = talk
        self._outcomes: queue.Queue[Channel | Exception] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def outcome(self, seconds: float = PATIENCE) -> Channel | Exception:
        """The next connection that ended: its channel, or the error that it ended with."""
        return self._outcomes.get(timeout=seconds)

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(PATIENCE)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._outcomes.put(self._converse(sock))

    def _converse(self, sock: socket.socket) -> Channel | Exception:
        try:
            channel = wrap(sock, self._config, timeout=PATIENCE, observer=self.notes.append)
            with channel:
                channel.settimeout(PATIENCE)
                self._talk(channel)
            return channel
        except (TLSError, OSError) as error:
            return error


@contextmanager
def serving(config: ServerConfig, talk: Talk = echo) -> Iterator[OurServer]:
    """Be a server while the block lasts."""
    server = OurServer(config, talk)
    try:
        yield server
    finally:
        server.close()


def heard_line(channel: Channel) -> bytes:
    """What comes up to the end of a line."""
    line = b""
    while not line.endswith(b"\n"):
        data = channel.recv(4096)
        assert data, f"the peer closed after {line!r}"
        line += data
    return line


def key_updates(notes: list[Note], *, sent: bool) -> list[int]:
    """What the KeyUpdates that went one way asked for."""
    return [
        note.message.request_update
        for note in notes
        if isinstance(note, MessageSeen) and note.sent == sent and isinstance(note.message, KeyUpdate)
    ]


@contextmanager
def calling(
    port: int, config: ClientConfig, name: str = "localhost", observer: Observer | None = None
) -> Iterator[Channel]:
    """Be a client of a server on loopback."""
    channel = connect("127.0.0.1", port, config, name, timeout=PATIENCE, observer=observer)
    with channel:
        channel.settimeout(PATIENCE)
        yield channel
