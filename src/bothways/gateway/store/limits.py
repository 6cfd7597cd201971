"""Connections of clients with the same names, counted for all gateways together in Valkey or Redis.

There a sum is kept for each span of time, of the counts that processes have put in it; each process moves its own to
the newest span again and again. The sum of the last spans is the number of connections, however many processes
have them, and what a process that died has left, or what went wrong, is gone with its span. Names lie there as keyed
digests. No client waits longer than `ANSWER_SECONDS`; without an answer the count of this process alone decides.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256

from bothways.gateway.store.store_client import StoreClient
from bothways.ticket_keys.store_answers import MOST_OCTETS, Answer, Argument
from bothways.tls.crypto.hkdf import expand, extract
from bothways.trust.verdict import Names

ANSWER_SECONDS = 0.25  # that a client waits at most
RENEW_SECONDS = 10.0
FORGET_SECONDS = 30.0  # within which the count of a process that does not renew it is forgotten
MOST_AT_ONCE = 256
NO_LIMIT = 1 << 30
SPANS = 6  # so that a count is forgotten after five sixths of `FORGET_SECONDS` at the earliest
PREFIX = "bothways:counts:"
_LABEL = b"bothways shared limits 1"

# Puts the count of one process if all counts together stay within the limit. KEYS: that of a name, with the sum of each
# span, and for each process its count and the span that has it. ARGV: the process, its count, the limit, the length of
# a span in milliseconds, the number of spans. The work does not depend on the number of processes, but once in a span:
# then what was forgotten is removed. A sum never becomes less than nothing, whatever was written there by others.
_PUT = """
local own, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local length, spans = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local newest = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / length)
local fields = {}
for i = 1, spans do fields[i] = string.format('%d', newest - i + 1) end
local sums = redis.call('HMGET', KEYS[1], unpack(fields))
local span, count = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+) (%d+)$')
local total, before = own, 0
for i = 1, spans do
  local sum = tonumber(sums[i] or 0) or 0
  if fields[i] == span then before = math.max(math.min(tonumber(count), sum), 0) end
  total = total + math.max(sum, 0)
end
total = total - before
if total > most then return 0 end
if not sums[1] then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local at = tonumber(all[i]) or tonumber(string.match(all[i + 1], '^(%d+) %d+$') or 0)
    if at > newest or at <= newest - spans then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
if before > 0 then redis.call('HINCRBY', KEYS[1], span, string.format('%d', -before)) end
if own == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HINCRBY', KEYS[1], fields[1], own)
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %d', fields[1], own))
end
redis.call('PEXPIRE', KEYS[1], length * spans)
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
        self._store = StoreClient(url, 4 * ANSWER_SECONDS)
        self._key = extract(SHA256(), b"", secret)
        self._me = f"process {secrets.token_hex(8)}"
        self._tell = tell
        self._members = dict(members)
        self._held = Counter(self._members.values())
        self._asked: list[tuple[Names, int, int, Admitted]] = []
        self._changed = set(self._held)
        self._wake = asyncio.Event()
        if self._changed:
            self._wake.set()
        self._is_closed = False
        self._running = asyncio.get_running_loop().create_task(self._run())

    def admits(self, client: Hashable, names: Names, limit: int) -> Coroutine[Any, Any, bool]:
        """Count a connection, at once; the result is whether all gateways together have no more than the limit with it.

        client: stands for the connection until it `leaves`, which one that is not admitted has done.
        """
        self._members[client] = names
        self._held[names] += 1
        return self._ask(client, names, self._held[names], limit)

    async def _ask(self, client: Hashable, names: Names, count: int, limit: int) -> bool:
        if self._store.paused_for or self._is_closed:
            return True
        admitted: Admitted = asyncio.get_running_loop().create_future()
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
        self._is_closed = True
        self._wake.set()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for _, _, _, admitted in self._asked:
            _answer(admitted, True)
        self._store.disconnect()

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
                    self._failed(asked, error)
                    break
                self._succeeded(asked, results)

    async def _until(self, at: float) -> None:
        if self._store.paused_for:
            await asyncio.sleep(self._store.paused_for)
            return
        try:
            async with asyncio.timeout_at(at):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _put(
        self, changed: Sequence[Names], asked: Sequence[tuple[Names, int, int, Admitted]]
    ) -> list[Answer]:
        """Put counts that have changed, then those of new connections; return the answers about these."""
        commands = [self._command(names, self._held[names], NO_LIMIT) for names in changed]
        commands += [self._command(names, count, limit) for names, count, limit, _ in asked]
        results = await self._store.ask(*commands, most=4 * MOST_OCTETS)
        if any(each not in (0, 1) for each in results):
            raise ValueError("its answer is neither 0 nor 1")
        return results[len(changed) :]

    def _command(self, names: Names, count: int, limit: int) -> list[Argument]:
        length = int(1000 * FORGET_SECONDS / SPANS)
        return ["EVAL", _PUT, 1, self._name(names), self._me, count, limit, length, SPANS]

    def _succeeded(
        self, asked: Sequence[tuple[Names, int, int, Admitted]], results: Sequence[Answer]
    ) -> None:
        for (_, _, _, admitted), result in zip(asked, results, strict=True):
            _answer(admitted, result == 1)
        if self._store.answered():
            self._tell(
                f"connections with the same names are counted for all gateways again, in {self._store.where}"
            )

    def _failed(self, asked: Sequence[tuple[Names, int, int, Admitted]], error: Exception) -> None:
        """Let this process decide alone for a while; then all of its counts are put again."""
        for _, _, _, admitted in (*asked, *self._asked):
            _answer(admitted, True)
        self._asked.clear()
        why = self._store.failed(error)
        if why is not None:
            self._tell(
                f"connections with the same names are counted for this process alone: {self._store.where}: {why}"
            )
        self._changed |= self._held.keys()

    def _name(self, names: Names) -> str:
        """Return under which name counts lie: a digest that says nothing to those who do not have the secret."""
        parts = [names.subject, names.common_name or ""]
        for kind in (names.dns, names.ip, names.uri, names.email):
            parts += [str(len(kind)), *kind]
        info = _LABEL + b"".join(len(each).to_bytes(4, "big") + each for each in map(str.encode, parts))
        return PREFIX + expand(SHA256(), self._key, info, 16).hex()


def _answer(admitted: Admitted, is_admitted: bool) -> None:
    if not admitted.done():
        admitted.set_result(is_admitted)
