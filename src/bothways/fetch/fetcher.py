"""Fetches the evidence that verifications request, in one event loop: equal requests share one fetch.

No failure of a responder or of the network raises an error: the result is `Missing`, which says why.
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
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.addresses import NotAllowed, refusal
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import (
    Evidence,
    Found,
    HTTPRequest,
    Missing,
    cache_key,
    http_request,
    is_signed,
    may_be_cached,
    read_answer,
    read_stored,
)
from bothways.trust.evidence.locations import read_location, redirected
from bothways.trust.verdict import EvidenceRequest

logger = logging.getLogger("bothways")

Resolve = Callable[[str, int], Awaitable[list[str]]]
Exchange = Callable[[HTTPRequest, str, int], Awaitable[Reply]]

# Concurrent fetches; half of them may be for the peers of one issuer. There are fewer for CRLs, which are large.
CONCURRENT = {"ocsp": 32, "crl": 8}
LARGE, LARGE_CONCURRENT = 1024 * 1024, 2
MOST_LOCATIONS = 4
MOST_ADDRESSES = 4
LONGEST_PROBLEM = 300
_REDIRECTS = (301, 302, 307, 308)
_SEE_OTHER = 303


class Fetcher:
    """Fetches evidence by one policy, in the event loop in which it is used.

    policy: what may be fetched.  resolve: returns the addresses of a host.  exchange: sends a request and returns the
    reply; by default both use the network.  Raises ConfigError where the policy's directory cannot be used.
    """

    def __init__(self, policy: Fetch, *, resolve: Resolve = resolve, exchange: Exchange = exchange) -> None:
        self._policy = policy
        self._resolve = resolve
        self._exchange = exchange
        self._disk_cache = None if policy.directory is None else DiskCache(policy.directory)
        self._shared: dict[str, _Shared] = {}
        self._places = {kind: asyncio.Semaphore(most) for kind, most in CONCURRENT.items()}
        self._reading_long = asyncio.Semaphore(LARGE_CONCURRENT)
        self._shares: WeakValueDictionary[tuple[str, bytes], asyncio.Semaphore] = WeakValueDictionary()

    async def fetch_all(
        self, requests: Sequence[EvidenceRequest], at: datetime, seconds: float
    ) -> list[Found]:
        """Fetch evidence for several requests at once, each within so many seconds; the results keep the order."""
        return list(await asyncio.gather(*(self._fetch_within(request, at, seconds) for request in requests)))

    async def _fetch_within(self, request: EvidenceRequest, at: datetime, seconds: float) -> Found:
        try:
            async with asyncio.timeout(seconds):
                return await self.fetch(request, at)
        except TimeoutError:
            return Missing(f"{request.locations[0]}: {_timeout_text(seconds)}")

    async def fetch(self, request: EvidenceRequest, at: datetime) -> Found:
        """Return evidence from the first location with some that may be cached, else other evidence or `Missing`.

        at: the time at which it is checked.
        """
        not_cacheable: Evidence | None = None
        problems, host = [], ""
        for location in request.locations[:MOST_LOCATIONS]:
            found = await self._from(location, request, at)
            if isinstance(found, Missing):
                problems.append(f"{location}: {found.problem}")
                host = host or found.not_allowed
            elif may_be_cached(request, found, at):
                return found
            elif not_cacheable is None or (isinstance(found, CRL) and found.signer is not None):
                not_cacheable = found
        return Missing("; ".join(problems), host) if not_cacheable is None else not_cacheable

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
        """Return evidence from the directory while it need not be fetched again, else from the network."""
        async with self._issuer_limit(request), self._places[request.kind]:
            kept = await self._from_disk(key, request, at)
            if kept is not None:
                return kept
            # Each location has a part of the time, so that the next one is tried too and a failure is cached.
            host = ""
            seconds = 0.9 * self._policy.seconds / len(request.locations[:MOST_LOCATIONS])
            try:
                async with asyncio.timeout(seconds):
                    data = await self._download(location, request)
                return await self._decode_in_thread(key, request, data, at)
            except TimeoutError:
                problem = _timeout_text(seconds)
            except NotAllowed as error:
                problem, host = str(error), error.host
            except ValueError as error:
                problem = str(error)
            except OSError as error:
                problem = _network_error_text(error)
            except Exception:
                logger.exception("defect: what %s answered is not read", shown(location))
                problem = "a defect of ours, which the log has, keeps it from being read"
            return self._policy.cache.fail(key, Missing(problem[:LONGEST_PROBLEM], host), at)

    def _issuer_limit(self, request: EvidenceRequest) -> asyncio.Semaphore:
        """Return the limit on concurrent fetches for the peers of one issuer, so that others can fetch too."""
        key = request.kind, request.issuer.key_digest
        found = self._shares.get(key)
        if found is None:
            found = self._shares[key] = asyncio.Semaphore(CONCURRENT[request.kind] // 2)
        return found

    async def _from_disk(self, key: str, request: EvidenceRequest, at: datetime) -> Found | None:
        disk_cache, cache = self._disk_cache, self._policy.cache
        if disk_cache is None or cache.find_valid(key, at) is not None:
            return None
        await asyncio.to_thread(self._read_from, disk_cache, key, request, at)
        return cache.find(key, at)

    def _read_from(self, disk_cache: DiskCache, key: str, request: EvidenceRequest, at: datetime) -> None:
        found = disk_cache.load(key, self._policy.limit(request))
        if found is None:
            return
        data, since = found
        with contextlib.suppress(ValueError):
            evidence = read_stored(request, data, at)
            self._policy.cache.keep(
                key, request, evidence, since if since <= at else at - self._policy.keep, at
            )

    async def _decode_in_thread(self, key: str, request: EvidenceRequest, data: bytes, at: datetime) -> Found:
        """Decode received data in a thread; few large ones at once, so that there are threads for small ones."""
        async with self._reading_long if len(data) > LARGE else contextlib.nullcontext():
            return await asyncio.to_thread(self._decode_and_cache, key, request, data, at)

    def _decode_and_cache(self, key: str, request: EvidenceRequest, data: bytes, at: datetime) -> Found:
        """Decode received data and cache it, and return the newest; a CRL of a million entries takes seconds."""
        evidence = read_answer(request, data, at, requires_nonce=self._policy.nonce == "require")
        newest = self._policy.cache.keep(key, request, evidence, at, at)
        if self._disk_cache is not None and may_be_cached(request, newest, at):
            self._disk_cache.save(key, newest.der)
        if self._policy.learned is not None and newest is evidence and is_signed(request, newest):
            self._policy.learned(newest)
        return newest

    async def _download(self, location: str, request: EvidenceRequest) -> bytes:
        """Send the request, and follow a limited number of redirects, each checked as the first location was."""
        policy = self._policy
        current = http_request(request, read_location(location, https=policy.https))
        seen = {str(current.location)}
        for _ in range(policy.redirects + 1):
            reply = await self._send(current, policy.limit(request))
            if reply.status not in _REDIRECTS and not (
                reply.status == _SEE_OTHER and current.method == "GET"
            ):
                break
            current = replace(
                current, location=redirected(current.location, reply.redirect, https=policy.https)
            )
            if str(current.location) in seen:
                raise ValueError("it redirects in a circle")
            seen.add(str(current.location))
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

    async def _send(self, current: HTTPRequest, limit: int) -> Reply:
        """Check every address of the host, then send the request to the first one that can be reached."""
        location = current.location
        addresses = await self._resolve(location.host, location.port)
        for each in addresses:
            problem = refusal(each, location, self._policy)
            if problem is not None:
                raise NotAllowed(problem, location.host)
        failed: OSError = OSError("its host has no address")
        for each in addresses[:MOST_ADDRESSES]:
            try:
                return await self._exchange(current, each, limit)
            except OSError as error:
                failed = error
        raise failed


class _Shared:
    """A task whose result several callers wait for; it is cancelled when the last of them is."""

    def __init__(self, work: Coroutine[Any, Any, Found], key: str, table: dict[str, _Shared]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._key, self._table = key, table
        self._waiting = 0
        table[key] = self
        self._task.add_done_callback(self._done)

    async def result(self) -> Found:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._task.cancel()
                self._done(self._task)

    def _done(self, _task: asyncio.Task[Found]) -> None:
        if self._table.get(self._key) is self:
            del self._table[self._key]


def check(policy: Fetch) -> None:
    """Raise ConfigError where nothing can be fetched by a policy."""
    if policy.by_caller:
        raise ConfigError(
            "fetch: by_caller leaves fetching to the caller; pass an evidence finder, or leave it out"
        )
    if policy.directory is not None:
        DiskCache(policy.directory)


def finder(policy: Fetch) -> Callable[[EvidenceWanted], Awaitable[list[Found]]]:
    """Return a function that fetches what handshakes want. Raises ConfigError where the policy cannot be used."""
    check(policy)
    return find


async def find(wanted: EvidenceWanted) -> list[Found]:
    """Fetch the evidence that a handshake wants."""
    return await fetcher(wanted.policy).fetch_all(wanted.wants, wanted.at, wanted.seconds)


def fetcher(policy: Fetch) -> Fetcher:
    """Return the fetcher of a policy in the running event loop; it is shared by all users of both."""
    loop = asyncio.get_running_loop()
    found: Fetcher | None = policy.fetchers.get(loop)
    if found is None:
        found = policy.fetchers[loop] = Fetcher(policy)
    return found


def _timeout_text(seconds: float) -> str:
    return f"no answer within {seconds:g} seconds"


def _network_error_text(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused by the host or by a firewall"
    if isinstance(error, ConnectionResetError):
        return "it reset the connection"
    return error.strerror or str(error) or type(error).__name__
