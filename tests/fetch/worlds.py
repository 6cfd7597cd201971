"""A network for tests of fetching that is not there: names, pages, and what was asked of whom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bothways.fetch.fetcher import Fetcher
from bothways.fetch.transport import Reply
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import HTTPRequest

OPEN, INNER = "8.8.8.8", "10.0.0.1"


async def forever(*_: object) -> Reply:
    await asyncio.sleep(1e6)
    raise AssertionError


@dataclass
class World:
    """A network of hosts: `names` by their addresses, `pages` by their URL: bytes, a reply, an error or a coroutine.

    `asked` has every request as (URL, address).
    """

    pages: dict[str, object] = field(default_factory=dict)
    names: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    forms: list[HTTPRequest] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> list[str]:
        found = self.names.get(host, [OPEN])
        if callable(found):
            return await found()
        if isinstance(found, Exception):
            raise found
        return found

    async def exchange(self, form: HTTPRequest, address: str, limit: int) -> Reply:
        self.forms.append(form)
        self.asked.append((str(form.location), address))
        page = self.pages.get(str(form.location), Reply(404))
        if callable(page):
            page = await page(form, address)
        if isinstance(page, Exception):
            raise page
        return Reply(200, "", page) if isinstance(page, bytes) else page

    def fetcher(self, **options) -> Fetcher:
        return Fetcher(Fetch(**{"nonce": "none"} | options), resolve=self.resolve, exchange=self.exchange)
