"""What tests of revocation news share: current evidence, gateways without listeners, and who holds the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from bothways.gateway.files.held import Held, Lists
from bothways.gateway.observe.meter import Meter
from bothways.gateway.shared.revocation_news import NewsExchange
from bothways.gateway.store.news_index import NewsBox, listed
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.http_exchange import Evidence
from bothways.trust.ocsp.response import OCSPResponse
from pki import Issued, crl, intermediate, leaf, ocsp_response, root
from ticket_keys.redis_server import RedisServer

SECRET = bytes(range(32))
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
ROOT = root()
CA = intermediate(ROOT)
ALICE, BOB = leaf(CA, "alice.example"), leaf(CA, "bob.example")
PATH = [CA.der, ROOT.der]


def listing(*revoked: Issued, by: Issued = CA, number: int = 2, hours: float = 1, **options: Any) -> CRL:
    """A CRL that was made so many hours ago."""
    times = {"this_update": NOW - hours * HOUR, "next_update": NOW + 24 * HOUR}
    return CRL(crl(by, *revoked, number=number, **(times | options)))


def response(of: Issued, status: str = "revoked", hours: float = 1, **options: Any) -> OCSPResponse:
    times = {"this_update": NOW - hours * HOUR, "next_update": NOW + 24 * HOUR}
    return OCSPResponse(ocsp_response(of, CA, status, **(times | options)))


def files(*crls: CRL) -> Held:
    """What a gateway has in its files: the root, and CRLs."""
    anchors = TrustStore.from_pem(ROOT.pem)
    return Held(anchors={("ca.pem",): anchors}, lists={("crls",): Lists(CRLStore(crls), {"crls": crls})})


class Gateway:
    """The part of a gateway that follows news, with what became of them: `revoked` clients, `told` lines."""

    def __init__(self, url: str, held: Held, secret: bytes = SECRET, path: Sequence[bytes] = PATH) -> None:
        self.held, self.told, self.judged = held, [], []
        self.meter = Meter()
        self.exchange = NewsExchange(url, secret, held, self, self.told.append, self.meter)
        self.exchange.saw(path)

    async def revoked(self, news: Sequence[Evidence]) -> None:
        self.judged += news

    @property
    def news(self) -> set[bytes]:
        """The evidence that it uses, in DER."""
        return {each.der for each in (*self.held.news.crls, *self.held.news.ocsp)}

    def counted(self, result: str) -> float:
        return self.meter.slot.counters.read().get(f'["news", "{result}"]', 0.0)


@contextlib.asynccontextmanager
async def gateways(*several: Gateway) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.gather(*(each.exchange.close() for each in several))


class StoreHolder:
    """Somebody who can read and write all that lies there; with the secret also what is sealed."""

    def __init__(self, server: RedisServer, secret: bytes = SECRET) -> None:
        self.redis = redis.Redis(unix_socket_path=server.url.removeprefix("unix://"))
        self.box = NewsBox(secret)

    def close(self) -> None:
        self.redis.close()

    def index(self) -> bytes:
        return bytes(self.redis.get(self.box.index) or b"")

    def publish(self, *evidence: Evidence, **fields: Any) -> None:
        """Put news there as a gateway does, or with other fields in the index."""
        entries = []
        for each in evidence:
            entry = listed(each, int(time.time() * 1000))._replace(**fields)
            self.redis.set(self.box.item(entry.digest), self.box.sealed_item(each))
            entries.append(entry)
        there = self.box.opened_index(self.index()) if self.index() else []
        self.redis.set(self.box.index, self.box.sealed_index([*there, *entries]))
