"""What tests of fetching share: HTTP servers with given answers, and an event loop with simulated time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import selectors
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[["Asked"], bytes]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return reply(b"", status, Location=to)


@dataclass
class Responder:
    """An HTTP server on loopback; `answer` makes its answers, `asked` has what came."""

    answer: Answer
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            asked = read_request(sock)
            if asked is not None:
                self.asked.append(asked)
                sock.sendall(self.answer(asked))

    def stall(self) -> None:
        """For an answer that takes as long as the test does."""
        self._over.wait(20)

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_request(sock: socket.socket) -> Asked | None:
    with sock.makefile("rb") as file:
        first = file.readline().decode()
        if not first:
            return None
        method, target, _ = first.split()
        headers = {}
        while (line := file.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


@contextlib.contextmanager
def answering(answer: Answer | bytes) -> Iterator[Responder]:
    """A responder that is there for a while; bytes are the body of a good answer."""
    body = answer
    responder = Responder(answer if callable(answer) else lambda _: reply(body))
    try:
        yield responder
    finally:
        responder.close()


class _Leaping(selectors.SelectSelector):
    """A selector that does not wait: it advances the time of its loop."""

    leap: Callable[[float], None]

    def select(self, timeout: float | None = None):
        ready = super().select(0)
        if not ready and timeout:
            self.leap(timeout)
        return ready


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when everybody waits, and at once."""

    def __init__(self) -> None:
        selector = _Leaping()
        super().__init__(selector)
        self._now = 0.0
        selector.leap = self._pass

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor, func, *args):
        """What belongs in a thread takes no time here."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except (ValueError, OSError) as error:
            done.set_exception(error)
        return done


def in_fake_time(test: Callable[..., Awaitable[None]]):
    """Let a test be a coroutine in a loop whose time is not real; it must use no sockets."""

    @functools.wraps(test)
    def in_loop(*args, **options) -> None:
        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            runner.run(test(*args, **options))

    return in_loop
