"""Revocation news between gateways, by Valkey or Redis: what one learns the others verify and use within seconds.

Each process asks for the first octets of a small index once a second, and for the rest if they are others. So this side
decides how much it reads and when, whoever writes there; what was missed while there was no connection is in the same
index. Whatever lies there can revoke only (`trust.revocation.news`), and without it nothing is missing but the news.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from weakref import WeakSet

from bothways.counts import counted
from bothways.faults import shown
from bothways.gateway.files.held import Held
from bothways.gateway.observe.meter import CurrentState, Meter, Metric, Timing
from bothways.gateway.shared.news_check import NewsCheck
from bothways.gateway.store.news import SharedNews
from bothways.gateway.store.news_index import LARGEST_NEWS, BadNews, Listed, listed
from bothways.gateway.store.news_kept import MOST_OWN, OwnNews, WaitingNews
from bothways.gateway.store.news_store import LIFETIME_SECONDS, NewsStore
from bothways.ticket_keys.store_answers import StoreRefused
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import TOLERANCE, Evidence
from bothways.trust.revocation.news import Taken, revokes

LOOK_SECONDS, SOONEST_SECONDS = 1.0, 0.1  # between two looks, as a rule and at least
ROUND_SECONDS = 15.0  # for all that one look reads and writes
SPREAD_SECONDS = 10.0  # within which processes publish again what is there no more
FILE_SECONDS = 0.3  # within which processes publish what has arrived in a file
MOST_AT_ONCE = 8  # that are read or published in one look
MOST_OCTETS_AT_ONCE = 8 * 1024 * 1024
MOST_HANDLED = 4096
QUIET_SECONDS = 60.0  # between two lines about what is refused


class ServedClients(Protocol):
    """Whose certificates the news may be about."""

    async def revoked(self, news: Sequence[Evidence]) -> None:
        """Verify now those that are listed; all others follow."""


class NewsExchange:
    """Publishes what this process learns, and takes what others have published; in its event loop.

    url: as for `SharedTicketKeys.in_redis`.  secret: the same for all gateways.  tell: takes a sentence for the log.
    Raises ConfigError for a URL that cannot be used.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        held: Held,
        clients: ServedClients,
        tell: Callable[[str], object],
        meter: Meter,
    ) -> None:
        self._news_store = NewsStore(url, secret)
        self._store = self._news_store.client
        self._clients, self._tell, self._meter = clients, tell, meter
        self._check = NewsCheck()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._there: dict[bytes, Listed] = {}  # by series, as of the last look
        self._handled: dict[bytes, None] = {}  # digests
        self._own = OwnNews()
        self._waiting = WaitingNews()
        self._met: WeakSet[Evidence] = WeakSet()  # of files
        self._found: list[tuple[Evidence, float]] = []  # when they are to be published
        self._tried = -1  # with how many known CAs these were
        self._quiet_until = 0.0
        self._is_closed = False
        self._news: SharedNews = held.news
        self.use(held)
        self._wake.clear()
        self._running = self._loop.create_task(self._run())

    def use(self, held: Held) -> None:
        """Go by these files from here on; what of them is new to this is published soon."""
        if held.news is not self._news:
            self._news.unfollow(self._learned)
        self._news = held.news
        self._news.follow(self._learned)
        self._check.use(held)
        present: list[Evidence] = [crl for lists in held.lists.values() for crl in lists.store]
        present += [each for several in held.responses.values() for each in several.store]
        for each in present:
            if each not in self._met and each.size <= LARGEST_NEWS and revokes(each):
                self._met.add(each)
                self._found.append((each, self._loop.time() + random.random() * FILE_SECONDS))  # noqa: S311
        self._wake.set()

    def saw(self, issuers: Sequence[bytes]) -> None:
        """Note the CAs on the path of a client that was verified, in DER."""
        self._check.saw(issuers)

    async def close(self) -> None:
        """Exchange nothing any more; what was taken stays in use."""
        self._is_closed = True
        self._news.unfollow(self._learned)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self._meter.state(CurrentState.NEWS_FOLLOWED, 0)
        self._store.disconnect()

    def _learned(self) -> None:
        """Be told in any thread that there is something to publish."""
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(self._wake.set)

    # -- the exchange with the server ------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._is_closed:
            try:
                await self._look_here()
            except Exception as error:  # noqa: BLE001 - a look that fails must not be the last
                self._refuse(f"a defect of ours: {error!r}")
            if not self._store.paused_for:
                try:
                    async with asyncio.timeout(ROUND_SECONDS):
                        await self._look_there()
                except Exception as error:  # noqa: BLE001 - whatever lies or fails there, connections go on
                    self._failed(error)
                else:
                    self._succeeded()
            await self._until_next()

    async def _until_next(self) -> None:
        await asyncio.sleep(min(SOONEST_SECONDS, LOOK_SECONDS))
        try:
            async with asyncio.timeout(self._wait_seconds()):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _wait_seconds(self) -> float:
        """Return for how long to wait, unless something is learned: until a look, or until something is due."""
        look = LOOK_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
        if self._store.paused_for or not self._own.due:
            return look
        return max(min(look, min(self._own.due.values()) - self._loop.time()), 0.0)

    async def _look_here(self) -> None:
        """Note what this process has learned, and try news again whose signers were not known."""
        now = self._loop.time()
        self._found += [(each, now) for each in self._news.take_learned() if each.size <= LARGEST_NEWS]
        found = self._found[:MOST_OWN]
        del self._found[: len(found)]
        entries = await asyncio.to_thread(lambda: [listed(each) for each, _ in found]) if found else []
        for entry, (evidence, due) in zip(entries, found, strict=True):
            self._own.keep(entry, evidence, due)
        await self._tell_clients(await self._try_waiting())

    async def _look_there(self) -> None:
        """Read what others have published, and publish what is due."""
        await self._tell_clients(await self._read_news())
        await self._publish_due()

    async def _tell_clients(self, taken: Sequence[Evidence]) -> None:
        if taken:
            await self._clients.revoked(taken)

    def _succeeded(self) -> None:
        self._meter.state(CurrentState.NEWS_FOLLOWED, 1)
        if self._store.answered():
            self._tell(f"revocation news is followed again, in {self._store.where}")

    def _failed(self, error: Exception) -> None:
        self._meter.state(CurrentState.NEWS_FOLLOWED, 0)
        why = self._store.failed(error)
        if why is not None:
            self._tell(
                f"revocation news is not followed: {self._store.where}: {why}; this gateway goes by its own files and "
                "by what it fetches"
            )
        self._news_store.head = None

    # -- what others have published --------------------------------------------------------------------

    async def _read_news(self) -> list[Evidence]:
        changed = await self._news_store.changed_index()
        if changed is not None:
            self._noted(changed)
        new = [each for each in self._there.values() if self._is_new(each)]
        taken, octets = [], 0
        for entry in sorted(new, key=lambda each: each.published, reverse=True)[:MOST_AT_ONCE]:
            if octets > MOST_OCTETS_AT_ONCE:
                break
            try:
                stored = await self._news_store.item(entry)
            except StoreRefused as error:
                self._refuse(str(error))
                stored = b""
            self._handle(entry.digest)
            octets += len(stored)
            evidence = await self._taken(entry, stored) if stored else None
            if evidence is not None:
                taken.append(evidence)
        return taken

    def _noted(self, stored: bytes) -> None:
        """Note what the index says, and what of ours is not there."""
        there: dict[bytes, Listed] = {}
        try:
            entries = self._news_store.entries(stored)
        except BadNews as problem:
            self._refuse(str(problem))
            entries = []
        for each in entries:
            there[each.series] = max(there.get(each.series, each), each, key=lambda entry: entry.age)
        self._there = there
        for series in self._own:
            if not self._is_there(series):
                wait = random.random() * SPREAD_SECONDS  # noqa: S311 - spreads the work only
                self._own.due.setdefault(series, self._loop.time() + wait)

    def _is_new(self, entry: Listed) -> bool:
        return entry.digest not in self._handled and not self._own.has_as_new(entry)

    def _is_there(self, series: bytes) -> bool:
        there = self._there.get(series)
        return there is not None and there.age >= self._own[series][0].age

    def _handle(self, digest: bytes) -> None:
        self._handled[digest] = None
        if len(self._handled) > MOST_HANDLED:
            del self._handled[next(iter(self._handled))]

    async def _taken(self, entry: Listed, stored: bytes) -> Evidence | None:
        """Return evidence that is used from here on; None for what is not."""
        try:
            evidence = await self._news_store.opened_item(stored, entry)
        except BadNews as problem:
            self._refuse(str(problem))
            return None
        if await self._used(evidence):
            age = time.time() - entry.published / 1000
            self._meter.took(Timing.NEWS, min(age, LIFETIME_SECONDS))
            return evidence
        return None

    async def _try_waiting(self) -> list[Evidence]:
        """Return those whose signers have become known, and which are used from here on."""
        if self._check.count == self._tried:
            return []
        self._tried = self._check.count
        return [each for each in self._waiting.take() if await self._used(each, has_waited=True)]

    async def _used(self, evidence: Evidence, *, has_waited: bool = False) -> bool:
        """Whether evidence is verified, and used from here on."""
        now = datetime.now(UTC)
        try:
            became = await asyncio.to_thread(self._judged, evidence, now)
        except BadNews as problem:
            self._refuse(str(problem))
            return False
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not keep others away
            self._refuse(f"a defect of ours keeps it from being read: {error!r}")
            return False
        if became is None:
            self._waiting.add(evidence)
            if not has_waited:
                self._meter.count(Metric.NEWS, "waiting")
            return False
        if became is Taken.NO_ROOM:
            self._refuse("there is no room for more of them; those that are in use stay so")
            return False
        self._meter.count(Metric.NEWS, became.value)
        if became is Taken.TAKEN:
            self._own.keep(listed(evidence), evidence, None)
            self._tell(f"revocation news: {_described(evidence)} was taken from {self._store.where}")
        return became is Taken.TAKEN

    def _judged(self, evidence: Evidence, at: datetime) -> Taken | None:
        """Return what becomes of evidence; None where it is not known who signed it. Raises BadNews."""
        if not self._check.is_signed(evidence, at):
            return None
        return Taken.KNOWN if self._check.is_known(evidence) else self._news.take(evidence, at)

    def _refuse(self, why: str) -> None:
        self._meter.count(Metric.NEWS, "refused")
        if self._loop.time() >= self._quiet_until:
            self._quiet_until = self._loop.time() + QUIET_SECONDS
            self._tell(f"revocation news in {self._store.where} were refused: {shown(why)}")

    # -- what this process has learned -----------------------------------------------------------------

    async def _publish_due(self) -> None:
        """Publish what is due and not there yet; where somebody else was first, the next look begins anew."""
        now = self._loop.time()
        due = [series for series, at in self._own.due.items() if at <= now][:MOST_AT_ONCE]
        for each in due:
            del self._own.due[each]
        due = [each for each in due if each in self._own and _is_current(self._own[each][1])]
        if not due:
            return
        before = await self._news_store.index()
        self._noted(before)
        due = [each for each in due if not self._is_there(each)]
        if not due:
            return
        for each in due:
            await self._news_store.put_item(self._own[each][1])
        more = [self._own[each][0] for each in due]
        replaced = await self._news_store.replace_index(before, self._there.values(), more)
        if replaced is not None:
            self._there = dict(replaced)
            self._published(due)
        else:
            self._own.due |= {each: now + random.random() * LOOK_SECONDS for each in due}  # noqa: S311

    def _published(self, due: Iterable[bytes]) -> None:
        for each in due:
            self._own.due.pop(each, None)
            entry, evidence = self._own[each]
            self._meter.count(Metric.NEWS, "published")
            if entry.digest not in self._handled:  # told once, however often a store loses it
                self._tell(f"revocation news: {_described(evidence)} was published in {self._store.where}")
            self._handle(entry.digest)


def _is_current(evidence: Evidence) -> bool:
    """Whether evidence is valid now, by what it says itself."""
    several = [evidence] if isinstance(evidence, CRL) else evidence.responses
    now = datetime.now(UTC)
    return all(
        each.this_update - now <= TOLERANCE and (each.next_update is None or each.next_update > now)
        for each in several
    )


def _described(evidence: Evidence) -> str:
    if isinstance(evidence, CRL):
        entries = counted(len(evidence), "entry")
        return (
            f"a CRL of {shown(evidence.issuer_text)} with {entries}, of {evidence.this_update:%Y-%m-%d %H:%M}"
        )
    serials = ", ".join(
        f"{each.certificate.serial:x}" for each in evidence.responses[:3] if each.revokes_permanently
    )
    return f"an OCSP response that revokes the serial number {serials}"
