"""Connections of clients with the same names, counted for all gateways together in Valkey or Redis.

Each process has its own count there, of each name that it serves, and renews it: what a process that died has left is
forgotten. Names lie there as keyed digests. No client waits longer than `ANSWER_SECONDS`; where there is no answer, the
count of this process alone decides.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from importlib import import_module
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.ticket_keys.redis_store import client_url, without_password
from bothways.tls.crypto.hkdf import expand, extract
from bothways.trust.verdict import Names

ANSWER_SECONDS = 0.25  # that a client waits at most
RENEW_SECONDS = 10.0
FORGET_SECONDS = 30.0  # after which the count of a process that does not renew it is forgotten
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # in which nobody asks, after there was no answer
MOST_AT_ONCE = 256
NO_LIMIT = 1 << 30
PREFIX = "bothways:connections:"
INSTALL = "pip install 'bothways[redis]'"
_LABEL = b"bothways shared limits 1"

# Puts the count of one process if all counts together stay within the limit. KEYS: the names. ARGV: the process, its
# count, the limit, after how many milliseconds it is forgotten. One that has not renewed its count is removed.
_PUT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own, total = tonumber(ARGV[2]), tonumber(ARGV[2])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, till = string.match(all[i + 1], '^(%d+) (%d+)$')
  if not till or tonumber(till) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    total = total + tonumber(count)
  end
end
if total > tonumber(ARGV[3]) then return 0 end
if own == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %d', own, now + tonumber(ARGV[4])))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
"""

Admitted = asyncio.Future[bool]


class SharedLimits:
    """The counts of one process, in its event loop. Raises ConfigError for a URL that cannot be used.

    url: as for `SharedTicketKeys.in_redis`.  secret: the same for all gateways.  tell: takes a sentence for the log.
    members: connections that there are, with the names of their clients.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        tell: Callable[[str], object],
        members: Iterable[tuple[Hashable, Names]] = (),
    ) -> None:
        check_usable(url)
        self._where = without_password(url)
        self._redis: Any = import_module("redis.asyncio")
        self._client = self._redis.Redis.from_url(
            client_url(url), socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, retry=None
        )
        self._key = extract(SHA256(), b"", secret)
        self._me = secrets.token_hex(8)
        self._tell = tell
        self._members = dict(members)
        self._held = Counter(self._members.values())
        self._asked: list[tuple[Names, int, int, Admitted]] = []
        self._changed = set(self._held)
        self._wake = asyncio.Event()
        if self._changed:
            self._wake.set()
        self._is_closed = False
        self._pause = 0.0
        self._paused_until = 0.0
        self._running = asyncio.get_running_loop().create_task(self._run())

    def admits(self, client: Hashable, names: Names, limit: int) -> Coroutine[Any, Any, bool]:
        """Count a connection, at once; the result is whether all gateways together have no more than the limit with it.

        client: stands for the connection until it `leaves`, which one that is not admitted has done.
        """
        self._members[client] = names
        self._held[names] += 1
        return self._ask(client, names, self._held[names], limit)

    async def _ask(self, client: Hashable, names: Names, count: int, limit: int) -> bool:
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until or self._is_closed:
            return True
        admitted: Admitted = loop.create_future()
        self._asked.append((names, count, limit, admitted))
        self._wake.set()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                is_admitted = await admitted
        except TimeoutError:
            return True
        if not is_admitted:
            self.leaves(client)
        return is_admitted

    def leaves(self, client: Hashable) -> None:
        """Count a connection no more; nothing happens for one that is not counted."""
        names = self._members.pop(client, None)
        if names is None:
            return
        self._held[names] -= 1
        self._changed.add(names)
        if not self._held[names]:
            del self._held[names]
        self._wake.set()

    async def close(self) -> None:
        """Count nothing any more; what lies there is forgotten in time."""
        self._is_closed = True  # the client library may keep a cancellation to itself
        self._wake.set()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for _, _, _, admitted in self._asked:
            _answer(admitted, True)
        await self._disconnect()

    # -- the exchange with the server ------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + RENEW_SECONDS
        while not self._is_closed:
            await self._until(renew_at)
            if loop.time() >= renew_at:
                self._changed |= self._held.keys()
                renew_at = loop.time() + RENEW_SECONDS
            while (self._asked or self._changed) and not self._is_closed:
                asked, self._asked = self._asked[:MOST_AT_ONCE], self._asked[MOST_AT_ONCE:]
                changed = [self._changed.pop() for _ in range(min(len(self._changed), MOST_AT_ONCE))]
                try:
                    results = await self._put(changed, asked)
                except Exception as error:  # noqa: BLE001 - whatever lies or fails there, connections go on
                    await self._failed(asked, error)
                    break
                self._succeeded(asked, results)

    async def _until(self, at: float) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            await asyncio.sleep(self._paused_until - loop.time())
            return
        try:
            async with asyncio.timeout_at(at):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _put(
        self, changed: Sequence[Names], asked: Sequence[tuple[Names, int, int, Admitted]]
    ) -> list[int]:
        """Put counts that have changed, then those of new connections; return the answers about these."""
        pipeline = self._client.pipeline(transaction=False)
        lifetime = int(FORGET_SECONDS * 1000)
        for names in changed:
            pipeline.eval(_PUT, 1, self._name(names), self._me, self._held[names], NO_LIMIT, lifetime)
        for names, count, limit, _ in asked:
            pipeline.eval(_PUT, 1, self._name(names), self._me, count, limit, lifetime)
        async with asyncio.timeout(4 * ANSWER_SECONDS):
            results = list(await pipeline.execute())
        if any(each not in (0, 1) for each in results):
            raise ValueError("it answers with other than 0 or 1")
        return results[len(changed) :]

    def _succeeded(self, asked: Sequence[tuple[Names, int, int, Admitted]], results: Sequence[int]) -> None:
        for (_, _, _, admitted), result in zip(asked, results, strict=True):
            _answer(admitted, result == 1)
        if self._pause:
            self._pause = 0.0
            self._tell(
                f"connections with the same names are counted for all gateways again, in {self._where}"
            )

    async def _failed(self, asked: Sequence[tuple[Names, int, int, Admitted]], error: Exception) -> None:
        """Let this process decide alone for a while; then all of its counts are put again."""
        for _, _, _, admitted in (*asked, *self._asked):
            _answer(admitted, True)
        self._asked.clear()
        if not self._pause:
            why = shown(str(error) or type(error).__name__).rstrip(".")
            self._tell(
                f"connections with the same names are counted for this process alone: {self._where}: {why}"
            )
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._paused_until = asyncio.get_running_loop().time() + self._pause
        self._changed |= self._held.keys()
        await self._disconnect()

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._client.connection_pool.disconnect()
        except (self._redis.RedisError, OSError, TimeoutError):
            pass

    def _name(self, names: Names) -> str:
        """Return under which name counts lie: a digest that says nothing to those who do not have the secret."""
        parts = [names.subject, names.common_name or ""]
        for kind in (names.dns, names.ip, names.uri, names.email):
            parts += [str(len(kind)), *kind]
        info = _LABEL + b"".join(len(each).to_bytes(4, "big") + each for each in map(str.encode, parts))
        return PREFIX + expand(SHA256(), self._key, info, 16).hex()


def check_usable(url: str) -> None:
    """Raise ConfigError for a URL that is none of Valkey or Redis, or where the package is not installed."""
    client_url(url)
    try:
        import_module("redis")
    except ModuleNotFoundError:
        raise ConfigError(f"shared limits require the package redis: {INSTALL}") from None


def _answer(admitted: Admitted, is_admitted: bool) -> None:
    if not admitted.done():
        admitted.set_result(is_admitted)
