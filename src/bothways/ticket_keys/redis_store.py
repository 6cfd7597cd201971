"""Ticket keys in Valkey or Redis: what lies there is wrapped before it comes here.

No answer is longer than was asked for, or waited for any longer, whoever answers.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bothways.faults import shown
from bothways.ticket_keys.file_store import StoreFailed
from bothways.ticket_keys.store_answers import Answer, Argument, StoreAnswers, StoreRefused, encoded
from bothways.ticket_keys.store_url import greeting_of, target_of, without_password

REDIS_SECONDS = 30.0
ANSWER_SECONDS = 3.0  # for a connection with all that is asked on it
LARGEST_STORED = 8192
READ_AT_ONCE = 4096


class RedisStore:
    """One value of a server, under `name`. Nothing is connected before it is used. Raises ConfigError.

    url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], with rediss:// over TLS; unix:// for a socket.
    """

    def __init__(self, url: str, name: str) -> None:
        self.seconds = REDIS_SECONDS
        self._name = name
        self._target = target_of(url, "ticket keys in Redis require")
        self.where = f"{name} in {without_password(url)}"

    def load(self) -> bytes | None:
        """Return what is there, None for nothing. Raises StoreFailed."""
        with self._connected() as server:
            return self._value(server)

    def replace(self, before: bytes | None, after: bytes, lifetime: timedelta) -> bool:
        """Put `after` there if `before` is there still, to be forgotten after its lifetime. Raises StoreFailed."""
        put: list[Argument] = ["SET", self._name, after, "PX", lifetime // timedelta(milliseconds=1)]
        with self._connected() as server:
            if before is None:
                return server.ask([*put, "NX"]) == [b"OK"]
            server.ask(["WATCH", self._name])
            if self._value(server) != before:
                return False
            *_, done = server.ask(["MULTI"], put, ["EXEC"])
        return done is not None

    def _value(self, server: _Server) -> bytes | None:
        """Return what is there; no more of it is asked for than ours can have."""
        [value] = server.ask(["GETRANGE", self._name, 0, LARGEST_STORED])
        if not isinstance(value, bytes) or len(value) > LARGEST_STORED:
            raise ValueError("what is there is no value of ours")
        return value or None

    @contextmanager
    def _connected(self) -> Iterator[_Server]:
        """Connect for each use, since a connection that is idle for half an hour may be closed on its way."""
        try:
            with _Server(self._target) as server:
                yield server
        except (StoreRefused, OSError, EOFError, ValueError) as error:
            raise StoreFailed(f"it cannot be reached: {shown(error).rstrip('.')}") from None


class _Server:
    """A connection for some questions, within `ANSWER_SECONDS` for all. Raises OSError, and what `ask` does."""

    def __init__(self, target: Any) -> None:
        self._until = time.monotonic() + ANSWER_SECONDS
        self._socket = _opened(target)
        try:
            context = getattr(target, "ssl_context", None)
            if context is not None:
                self._socket = context.get().wrap_socket(self._socket, server_hostname=target.host)
            first = greeting_of(target)
            if first:
                self.ask(*first)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, *commands: Sequence[Argument]) -> list[Answer]:
        """Send commands, and return their answers. Raises StoreRefused, BadAnswer, EOFError and OSError."""
        self._limit()
        self._socket.sendall(b"".join(map(encoded, commands)))
        answers = StoreAnswers(len(commands))
        while (found := answers.take(self._received())) is None:
            pass
        return found

    def _received(self) -> bytes:
        self._limit()
        return self._socket.recv(READ_AT_ONCE)

    def _limit(self) -> None:
        """Have the next call end in time. Raises TimeoutError where it is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} seconds")
        self._socket.settimeout(left)


def _opened(target: Any) -> socket.socket:
    """Return a socket that is connected to a server."""
    path = getattr(target, "path", None)
    if not path:
        return socket.create_connection((target.host, int(target.port)), ANSWER_SECONDS)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(ANSWER_SECONDS)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock
