"""Revocation news in Valkey or Redis: the index and its items are read within limits, written, and replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from bothways.gateway.store.news_index import (
    HEAD,
    LARGEST_INDEX,
    LARGEST_NEWS,
    SEALED,
    Listed,
    NewsBox,
    digest_of,
)
from bothways.gateway.store.store_client import StoreClient
from bothways.ticket_keys.store_answers import Argument, BadAnswer
from bothways.trust.evidence.http_exchange import Evidence

ANSWER_SECONDS = 3.0  # for each answer
LIFETIME_SECONDS = 86400.0  # of news in the store


class NewsStore:
    """What lies there, sealed. url: as for `SharedTicketKeys.in_redis`.  secret: the same for all gateways.

    Raises ConfigError for a URL that cannot be used. Its methods raise what `StoreClient` does. Attributes: `client`,
    which says where it is and how it fares; `head`, the first octets of the index as it was last read or written, None
    before.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        self.client = StoreClient(url, ANSWER_SECONDS)
        self.head: bytes | None = None
        self._box = NewsBox(secret)

    async def changed_index(self) -> bytes | None:
        """Return the index, sealed, if its first octets are others than before; else None."""
        head = await self._octets(self._box.index, HEAD)
        if head == self.head:
            return None
        stored = await self.index()
        self.head = head
        return stored

    async def index(self) -> bytes:
        """Return the index, sealed; nothing for none."""
        return await self._octets(self._box.index, LARGEST_INDEX + 1)

    def entries(self, stored: bytes) -> list[Listed]:
        """Return what an index lists. Raises BadNews."""
        return self._box.opened_index(stored) if stored else []

    async def item(self, entry: Listed) -> bytes:
        """Return a CRL or an OCSP response, sealed; nothing for none."""
        return await self._octets(self._box.item(entry.digest), LARGEST_NEWS + SEALED + 1)

    async def opened_item(self, stored: bytes, entry: Listed) -> Evidence:
        """Return the evidence in an item, in a thread. Raises BadNews."""
        return await asyncio.to_thread(self._box.opened_item, stored, entry.digest)

    async def put_item(self, evidence: Evidence) -> None:
        """Store evidence, or have it stay there longer."""
        name, lifetime = self._box.item(digest_of(evidence)), milliseconds(2 * LIFETIME_SECONDS)
        [is_there] = await self.client.ask(["PEXPIRE", name, lifetime])
        if not is_there:
            stored = await asyncio.to_thread(self._box.sealed_item, evidence)
            await self.client.ask(["SET", name, stored, "PX", lifetime])

    async def replace_index(
        self, before: bytes, there: Iterable[Listed], more: Iterable[Listed]
    ) -> Mapping[bytes, Listed] | None:
        """Put an index in place of the one before; return its entries by series, None if somebody else was first.

        there: the entries of the one before, of which those that are too old are left out.  more: those that are
        published now.
        """
        now = milliseconds(time.time())
        entries = {
            each.series: each._replace(published=min(each.published, now))
            for each in there
            if now - milliseconds(LIFETIME_SECONDS) < each.published
        }
        entries |= {each.series: each._replace(published=now) for each in more}
        after = self._box.sealed_index(entries.values())
        await self.client.ask(["WATCH", self._box.index])
        if await self.index() != before:
            await self.client.ask(["UNWATCH"])
            return None
        put: list[Argument] = ["SET", self._box.index, after, "PX", milliseconds(LIFETIME_SECONDS)]
        *_, done = await self.client.ask(["MULTI"], put, ["EXEC"])
        if not isinstance(done, list):
            return None
        self.head = after[:HEAD]
        return entries

    async def _octets(self, name: str, most: int) -> bytes:
        """Return the first octets of what lies under a name, nothing for nothing."""
        [answer] = await self.client.ask(["GETRANGE", name, 0, most - 1], most=most + 64)
        if not isinstance(answer, bytes):
            raise BadAnswer("it answers with other than octets")
        return answer


def milliseconds(seconds: float) -> int:
    """Return a time in whole milliseconds."""
    return int(1000 * seconds)
