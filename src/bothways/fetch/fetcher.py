"""Fetches what judgements request, in one event loop: one fetch for all who wait for the same.

Nothing that a responder or a network does raises an error: what cannot be had is `Missing`, and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.fetch.disk_cache import DiskCache
from bothways.fetch.transport import Reply, exchange, resolve
from bothways.tls.events import EvidenceWanted
from bothways.trust.crl import CRL
from bothways.trust.evidence.addresses import refusal
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import (
    Evidence,
    Found,
    HTTPRequest,
    Missing,
    cache_key,
    http_request,
    may_be_cached,
    read_answer,
    read_stored,
)
from bothways.trust.evidence.locations import read_location, redirected
from bothways.trust.verdict import EvidenceRequest

logger = logging.getLogger("bothways")

Resolve = Callable[[str, int], Awaitable[list[str]]]
Exchange = Callable[[HTTPRequest, str, int], Awaitable[Reply]]

# So many at once, and half of them for the peers of one issuer; CRLs are large.
AT_ONCE = {"ocsp": 32, "crl": 8}
LONG, LONG_AT_ONCE = 1024 * 1024, 2
MOST_LOCATIONS = 4
MOST_ADDRESSES = 4
LONGEST_PROBLEM = 300
_REDIRECTS = (301, 302, 307, 308)
_SEE_OTHER = 303


class Fetcher:
    """Fetches evidence by one policy, in the event loop in which it is used.

    resolve, exchange: how names become addresses, and requests replies; by default over the network.
    Raises ConfigError where the policy's directory cannot be used.
    """

    def __init__(self, policy: Fetch, *, resolve: Resolve = resolve, exchange: Exchange = exchange) -> None:
        self._policy = policy
        self._resolve = resolve
        self._exchange = exchange
        self._disk_cache = None if policy.directory is None else DiskCache(policy.directory)
        self._shared: dict[str, _Shared] = {}
        self._places = {kind: asyncio.Semaphore(most) for kind, most in AT_ONCE.items()}
        self._reading_long = asyncio.Semaphore(LONG_AT_ONCE)
        self._shares: WeakValueDictionary[tuple[str, bytes], asyncio.Semaphore] = WeakValueDictionary()

    async def fetch_all(
        self, requests: Sequence[EvidenceRequest], at: datetime, seconds: float
    ) -> list[Found]:
        """Fetch several at once, each within so many seconds; what was found stands where it was wanted."""
        return list(await asyncio.gather(*(self._in_time(request, at, seconds) for request in requests)))

    async def _in_time(self, request: EvidenceRequest, at: datetime, seconds: float) -> Found:
        try:
            async with asyncio.timeout(seconds):
                return await self.fetch(request, at)
        except TimeoutError:
            return Missing(f"{request.locations[0]}: {_late(seconds)}")

    async def fetch(self, request: EvidenceRequest, at: datetime) -> Found:
        """Return evidence from the first location that has any that is sound, else what there is.

        at: the time of day by which it is judged.
        """
        unsound: Evidence | None = None
        problems = []
        for location in request.locations[:MOST_LOCATIONS]:
            found = await self._from(location, request, at)
            if isinstance(found, Missing):
                problems.append(f"{location}: {found.problem}")
            elif may_be_cached(request, found, at):
                return found
            elif unsound is None or (isinstance(found, CRL) and found.signer is not None):
                unsound = found
        return Missing("; ".join(problems)) if unsound is None else unsound

    async def _from(self, location: str, request: EvidenceRequest, at: datetime) -> Found:
        key = cache_key(request, location)
        known = self._policy.cache.find(key, at)
        if known is not None:
            return known
        shared = self._shared.get(key)
        if shared is None:
            shared = _Shared(self._obtain(key, location, request, at), key, self._shared)
        return await shared.result()

    async def _obtain(self, key: str, location: str, request: EvidenceRequest, at: datetime) -> Found:
        """Take evidence from the directory while it is not due, else from the network."""
        async with self._share(request), self._places[request.kind]:
            kept = await self._from_disk(key, request, at)
            if kept is not None:
                return kept
            # Each location has its share, so that the next has its turn and a failure is still remembered.
            seconds = 0.9 * self._policy.seconds / len(request.locations[:MOST_LOCATIONS])
            try:
                async with asyncio.timeout(seconds):
                    data = await self._download(location, request)
                return await self._taken(key, request, data, at)
            except TimeoutError:
                problem = _late(seconds)
            except ValueError as error:
                problem = str(error)
            except OSError as error:
                problem = _network_words(error)
            except Exception:
                logger.exception("defect: what %s answered is not read", shown(location))
                problem = "a defect of ours, which the log has, keeps it from being read"
            return self._policy.cache.fail(key, Missing(problem[:LONGEST_PROBLEM]), at)

    def _share(self, request: EvidenceRequest) -> asyncio.Semaphore:
        """Return what the peers of one issuer have of the places: others are not kept out by theirs."""
        key = request.kind, request.issuer.key_digest
        found = self._shares.get(key)
        if found is None:
            found = self._shares[key] = asyncio.Semaphore(AT_ONCE[request.kind] // 2)
        return found

    async def _from_disk(self, key: str, request: EvidenceRequest, at: datetime) -> Found | None:
        disk_cache, cache = self._disk_cache, self._policy.cache
        if disk_cache is None or cache.find_valid(key, at) is not None:
            return None
        await asyncio.to_thread(self._take_from, disk_cache, key, request, at)
        return cache.find(key, at)

    def _take_from(self, disk_cache: DiskCache, key: str, request: EvidenceRequest, at: datetime) -> None:
        found = disk_cache.load(key, self._policy.limit(request))
        if found is None:
            return
        data, since = found
        with contextlib.suppress(ValueError):
            evidence = read_stored(request, data, at)
            self._policy.cache.keep(
                key, request, evidence, since if since <= at else at - self._policy.keep, at
            )

    async def _taken(self, key: str, request: EvidenceRequest, data: bytes, at: datetime) -> Found:
        """Have what came read in a thread; few long ones at once, so that short ones find threads."""
        async with self._reading_long if len(data) > LONG else contextlib.nullcontext():
            return await asyncio.to_thread(self._take, key, request, data, at)

    def _take(self, key: str, request: EvidenceRequest, data: bytes, at: datetime) -> Found:
        """Read what came, and keep it or what is newer; CRLs of a million entries take their time."""
        evidence = read_answer(request, data, at, requires_nonce=self._policy.nonce == "require")
        newest = self._policy.cache.keep(key, request, evidence, at, at)
        if self._disk_cache is not None and may_be_cached(request, newest, at):
            self._disk_cache.save(key, newest.der)
        return newest

    async def _download(self, location: str, request: EvidenceRequest) -> bytes:
        """Send the request, and follow so many redirects, each looked at as the first was."""
        policy = self._policy
        asked = http_request(request, read_location(location, https=policy.https))
        seen = {str(asked.location)}
        for _ in range(policy.redirects + 1):
            reply = await self._send(asked, policy.limit(request))
            if reply.status not in _REDIRECTS and not (reply.status == _SEE_OTHER and asked.method == "GET"):
                break
            asked = replace(asked, location=redirected(asked.location, reply.redirect, https=policy.https))
            if str(asked.location) in seen:
                raise ValueError("it redirects in a circle")
            seen.add(str(asked.location))
        else:
            often = (
                f"more than {policy.redirects} times"
                if policy.redirects
                else "where nothing may be redirected"
            )
            raise ValueError(f"it redirects {often}")
        if reply.status != 200:
            raise ValueError(f"it answered with HTTP status {reply.status}")
        return reply.body

    async def _send(self, asked: HTTPRequest, limit: int) -> Reply:
        """Look at every address of the host, then ask the machine at the first that can be reached."""
        location = asked.location
        addresses = await self._resolve(location.host, location.port)
        for each in addresses:
            problem = refusal(each, location, self._policy)
            if problem is not None:
                raise ValueError(problem)
        failed: OSError = OSError("its host has no address")
        for each in addresses[:MOST_ADDRESSES]:
            try:
                return await self._exchange(asked, each, limit)
            except OSError as error:
                failed = error
        raise failed


class _Shared:
    """A task for all who wait for its result; it is cancelled when the last of them leaves."""

    def __init__(self, work: Coroutine[Any, Any, Found], key: str, table: dict[str, _Shared]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._key, self._table = key, table
        self._waiting = 0
        table[key] = self
        self._task.add_done_callback(self._over)

    async def result(self) -> Found:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._task.cancel()
                self._over(self._task)

    def _over(self, _task: asyncio.Task[Found]) -> None:
        if self._table.get(self._key) is self:
            del self._table[self._key]


def check(policy: Fetch) -> None:
    """Raise ConfigError where nothing could be fetched by a policy."""
    if policy.by_caller:
        raise ConfigError(
            "fetch: by_caller leaves fetching to the caller; pass an evidence finder, or leave it out"
        )
    if policy.directory is not None:
        DiskCache(policy.directory)


def finder(policy: Fetch) -> Callable[[EvidenceWanted], Awaitable[list[Found]]]:
    """Return who answers what handshakes want by a policy. Raises ConfigError where that cannot work."""
    check(policy)
    return find


async def find(wanted: EvidenceWanted) -> list[Found]:
    """Answer what a handshake wants."""
    return await fetcher(wanted.policy).fetch_all(wanted.wants, wanted.at, wanted.seconds)


def fetcher(policy: Fetch) -> Fetcher:
    """Return the fetcher of a policy in the running event loop: one for all who share both."""
    loop = asyncio.get_running_loop()
    found: Fetcher | None = policy.fetchers.get(loop)
    if found is None:
        found = policy.fetchers[loop] = Fetcher(policy)
    return found


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} seconds"


def _network_words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: no service listens there"
    if isinstance(error, ConnectionResetError):
        return "it broke the connection off"
    return error.strerror or str(error) or type(error).__name__
