"""A client of Valkey or Redis that trusts neither: no answer is longer than is asked for, or waited for any longer.

The library redis reads the URL and makes the TLS context; answers are read here (RESP2), since it reads all that comes.
Without an answer in time nobody asks for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from bothways.addresses import TCPAddress
from bothways.aio.connecting import connected_socket
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.ticket_keys.redis_store import client_url, without_password

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # in which nobody asks, after there was no answer
STEADY_SECONDS = 60.0  # of answers, after which a failure is the first one again
MOST_OCTETS = 64 * 1024  # of all answers to one question, where no other number is said
MOST_ELEMENTS = 1024
LONGEST_NUMBER = 20  # digits
INSTALL = "pip install 'bothways[redis]'"

Argument = bytes | str | int
Answer = bytes | int | None | list[Any]


class StoreRefused(Exception):
    """The server has answered with an error."""


class BadAnswer(ValueError):
    """What came is no answer, or too long."""


class StoreClient:
    """A client of one server, for one question after the other. Nothing is connected before it is used.

    url: as for `SharedTicketKeys.in_redis`.  seconds: for each question, with all that it takes.  Attribute: `where`,
    the URL for people. Raises ConfigError for a URL that cannot be used.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._target = _target(url)
        self.where = without_password(url)
        self._seconds = seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._has_failed = False
        self._pause = 0.0
        self._paused_until = self._steady_at = 0.0

    async def ask(self, *commands: Sequence[Argument], most: int = MOST_OCTETS) -> list[Answer]:
        """Send commands, and return their answers. most: octets of all answers.

        Raises StoreRefused for the first error that the server answers with, BadAnswer, OSError and EOFError.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._asked(commands, most)
        except StoreRefused:
            raise
        except BaseException:
            self.disconnect()  # what comes later would be taken for the answer to another question
            raise

    async def _asked(self, commands: Sequence[Sequence[Argument]], most: int) -> list[Answer]:
        reader, writer = await self._connected()
        writer.write(b"".join(map(_encoded, commands)))
        await writer.drain()
        answers = _Answers(reader, most)
        found = [await answers.read() for _ in commands]
        for each in found:
            if isinstance(each, StoreRefused):
                raise each
        return [each for each in found if not isinstance(each, StoreRefused)]

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            self.disconnect()
        if self._streams is None:
            self._streams = await self._connect()
            first: list[Sequence[Argument]] = []
            if self._target.password:
                user = [self._target.username] if self._target.username else []
                first.append(["AUTH", *user, self._target.password])
            if self._target.db:
                first.append(["SELECT", self._target.db])
            if first:
                await self._greet(first)
        return self._streams

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        path = getattr(target, "path", None)
        if path:
            return await asyncio.open_unix_connection(path)
        context = getattr(target, "ssl_context", None)
        tls = None if context is None else await asyncio.to_thread(context.get)
        sock = await connected_socket(TCPAddress(target.host, int(target.port)))
        try:
            return await asyncio.open_connection(
                sock=sock, ssl=tls, server_hostname=None if tls is None else target.host
            )
        except BaseException:
            sock.close()
            raise

    async def _greet(self, first: Sequence[Sequence[Argument]]) -> None:
        try:
            await self._asked(first, MOST_OCTETS)
        except StoreRefused:
            self.disconnect()
            raise

    def disconnect(self) -> None:
        """End the connection; the next question makes another one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()

    # -- pauses ----------------------------------------------------------------------------------------

    @property
    def paused_for(self) -> float:
        """For how many seconds nobody asks; 0 if it may be asked."""
        return max(self._paused_until - asyncio.get_running_loop().time(), 0.0)

    def answered(self) -> bool:
        """Note an answer that can be used; returns whether there was none before."""
        now, had_failed = asyncio.get_running_loop().time(), self._has_failed
        self._has_failed = False
        if had_failed:
            self._steady_at = now + STEADY_SECONDS
        elif now >= self._steady_at:
            self._pause = 0.0
        return had_failed

    def failed(self, error: Exception) -> str | None:
        """Note that there was no answer, or a wrong one; returns why in words, unless it was so before."""
        is_new, self._has_failed = not self._has_failed, True
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._paused_until = asyncio.get_running_loop().time() + self._pause
        self.disconnect()
        return shown(str(error) or type(error).__name__).rstrip(".") if is_new else None


class _Answers:
    """Reads answers of at most so many octets together."""

    def __init__(self, reader: asyncio.StreamReader, most: int) -> None:
        self._reader = reader
        self._left = most

    async def read(self, depth: int = 0) -> Answer | StoreRefused:
        """Return the next one. Raises BadAnswer, OSError and EOFError."""
        line = await self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return StoreRefused(f"it answers: {shown(rest.decode(errors='replace'))}")
        if kind == b":":
            return _number(rest)
        if kind == b"$":
            return await self._octets(_number(rest))
        if kind == b"*" and depth == 0:
            count = _number(rest)
            if count > MOST_ELEMENTS:
                raise BadAnswer(f"it answers with more than {MOST_ELEMENTS} values")
            return None if count < 0 else [await self.read(depth + 1) for _ in range(count)]
        raise BadAnswer("it does not answer as Valkey and Redis do")

    async def _line(self) -> bytes:
        try:
            line = await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise BadAnswer("it answers with a line that does not end") from None
        self._spend(len(line))
        return line[:-2]

    async def _octets(self, length: int) -> bytes | None:
        if length < 0:
            return None
        self._spend(length + 2)
        return (await self._reader.readexactly(length + 2))[:-2]

    def _spend(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0:
            raise BadAnswer("it answers with more than was asked for")


def _number(text: bytes) -> int:
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > LONGEST_NUMBER:
        raise BadAnswer("it does not answer as Valkey and Redis do")
    return int(text)


def _encoded(command: Sequence[Argument]) -> bytes:
    parts = [each if isinstance(each, bytes) else str(each).encode() for each in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in parts)


def check_usable(url: str) -> None:
    """Raise ConfigError for a URL that is none of Valkey or Redis, or where the package is not installed."""
    _target(url)


def _target(url: str) -> Any:
    """Return what the library makes of a URL: a connection that is not opened. Raises ConfigError."""
    known = client_url(url)
    try:
        pool: Any = import_module("redis.asyncio").ConnectionPool
    except ModuleNotFoundError:
        raise ConfigError(f"`shared` requires the package redis: {INSTALL}") from None
    try:
        return pool.from_url(known).make_connection()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{without_password(url)}: {shown(error)}") from None
