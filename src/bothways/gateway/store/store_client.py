"""A client of Valkey or Redis that trusts neither: no answer is longer than is asked for, or waited for any longer.

The library redis reads the URL and makes the TLS context; answers are read by `ticket_keys.store_answers`. Without an
answer in time nobody asks for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bothways.addresses import TCPAddress
from bothways.aio.connecting import connected_socket
from bothways.faults import shown
from bothways.ticket_keys.store_answers import (
    MOST_OCTETS,
    Answer,
    Argument,
    StoreAnswers,
    StoreRefused,
    encoded,
)
from bothways.ticket_keys.store_url import greeting_of, target_of, without_password

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # in which nobody asks, after there was no answer
STEADY_SECONDS = 60.0  # of answers, after which a failure is the first one again
READ_AT_ONCE = 64 * 1024
WHY = "`shared` requires"  # the library


class StoreClient:
    """A client of one server, for one question after the other. Nothing is connected before it is used.

    url: as for `SharedTicketKeys.in_redis`.  seconds: for each question, with all that it takes.  Attribute: `where`,
    the URL for people. Raises ConfigError for a URL that cannot be used.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._target = target_of(url, WHY)
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
        writer.write(b"".join(map(encoded, commands)))
        await writer.drain()
        answers = StoreAnswers(len(commands), most)
        while (found := answers.take(await reader.read(READ_AT_ONCE))) is None:
            pass
        return found

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            self.disconnect()
        if self._streams is None:
            self._streams = await self._connect()
            first = greeting_of(self._target)
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


def check_usable(url: str) -> None:
    """Raise ConfigError for a URL that is none of Valkey or Redis, or where the package is not installed."""
    target_of(url, WHY)
